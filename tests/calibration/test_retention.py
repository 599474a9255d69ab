"""Retention and temperature come back from readings over time, and are refused where these cannot tell them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from xbar.devices.card_file import parse_card
from xbar.devices.retention import Retention
from xbar.devices.temperature import Temperature
from xbar_calibration.calibrate import Calibration, calibrate
from xbar_calibration.card_text import write_card
from xbar_calibration.column_mapping import Mapping
from xbar_calibration.decay import Histories
from xbar_calibration.fit import Fit, Refusal
from xbar_calibration.retention import Kept, fit_retention
from xbar_calibration.settings import Settings
from xbar_calibration.table_observations import table_observations
from xbar_calibration.trace_observations import trace_observations

LAW = Retention(tau=3e4, stretch=0.7, floor=2e-6)
AGEING = 0.6
RETENTION = """[retention]
kind = "stretched_exponential"
tau = "30000 s"
stretch = 0.7
floor = "2 uS"
valid = ["0 uS", "100 uS"]
source = "Round numbers"
"""


def made(seed: int, writes: int = 60, noise: float = 0.005, kelvin: Sequence[float] = ()) -> tuple[Histories, object]:
    """Return histories of cells of the law, some perhaps at other temperatures, and these `(w, k)`."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(5e-6, 100e-6, writes)
    t = np.tile(np.geomspace(1, 1e5, 10), (writes, 1))
    temperature = rng.choice(kelvin, writes)[:, None] + 0 * t if kelvin else None
    law = Temperature("linear", 0.0, 300.0, AGEING)
    age = t if temperature is None else t * np.exp(AGEING / 8.617333262e-5 * (1 / 300 - 1 / temperature))
    assert np.asarray(law.effective_time(t, 300.0)) == pytest.approx(t)
    g = np.asarray(LAW.conductance(p[:, None], age)) * (1 + noise * rng.standard_normal(t.shape))
    number = np.arange(writes)
    return Histories(number, number, p, t, g, np.ones_like(g)), temperature


def fitted(h: Histories, kelvin: object = None, train: object = None) -> tuple[Fit, Kept]:
    """Return the fit, which must be one."""
    seen = np.ones(len(h), np.bool_) if train is None else np.asarray(train)
    outcome, kept = fit_retention(h, kelvin, seen, None, 300.0)  # type: ignore[arg-type]  # an array or None
    assert isinstance(outcome, Fit), outcome
    assert kept is not None
    return outcome, kept


def test_the_law_comes_back() -> None:
    """Over three seeds at most two of nine intervals miss (more by chance in 0.8 %), and P is what was written."""
    held = []
    for seed in range(3):
        h, _ = made(seed)
        fit, kept = fitted(h)
        truth = {"tau": 3e4, "stretch": 0.7, "floor": 2e-6}
        held += [fit.parameter(name).covers(value) for name, value in truth.items()]
        assert np.abs(kept.programmed / h.target - 1).max() < 0.02
        assert fit.rivals[0][0] == "with a floor"
    assert held.count(False) <= 2


def test_unseen_cells_are_predicted() -> None:
    """Cells that were held out scatter about the law as those that were not."""
    h, _ = made(4, writes=150)
    fit, _ = fitted(h, train=np.arange(150) % 3 > 0)
    assert fit.held_out is not None
    assert fit.held_out.points == 500
    assert 0.9 < fit.held_out.spread < 1.1


def test_ageing_of_cells_at_several_temperatures() -> None:
    """Cells kept at three temperatures tell the activation energy, and tau at the reference."""
    h, kelvin = made(5, kelvin=(300.0, 330.0, 358.0))
    fit, kept = fitted(h, kelvin)
    assert kept.ageing is not None
    assert kept.ageing.value == pytest.approx(AGEING, rel=0.01)
    assert kept.ageing.covers(AGEING)
    assert fit.parameter("tau").value == pytest.approx(3e4, rel=0.02)


def test_other_laws_of_time_are_not_taken_for_it() -> None:
    """Power laws with an exponent of each cell, lines in ln t, and cells that stand still are refused."""
    h, _ = made(6)
    rng = np.random.default_rng(6)
    nu = np.abs(0.05 + 0.015 * rng.standard_normal((60, 1)))
    power = h.target[:, None] * (1 + h.age / 20) ** -nu
    lines = h.target[:, None] + (-0.1e-6 + 0.2e-6 * rng.standard_normal((60, 1))) * np.log(h.age)
    still = h.target[:, None] + 0 * h.age
    for g, says in ((power, "a power law of each cell"), (lines, "a line in ln t of each"), (still, "no change")):
        noisy = g * (1 + 0.005 * rng.standard_normal(g.shape))
        own = Histories(h.write, h.cell, h.target, h.age, noisy, h.count)
        outcome, kept = fit_retention(own, None, np.ones(60, np.bool_), None, 300.0)
        assert isinstance(outcome, Refusal), says
        assert says in outcome.reason
        assert kept is None


def test_too_few_visits() -> None:
    """Three visits of three cells tell no law."""
    h = Histories(np.arange(3), np.arange(3), np.ones(3), np.ones((3, 3)), np.ones((3, 3)), np.ones((3, 3)))
    outcome, _ = fit_retention(h, None, np.ones(3, np.bool_), None, 300.0)
    assert isinstance(outcome, Refusal)
    assert "9 visits, 3 of one write; 10 are needed" in outcome.reason


def test_a_trace_gives_a_card_with_it(measure: Callable[..., Path], hidden: Callable[..., str]) -> None:
    """An array that loses its state gives the law in place of drift, and the error of its writes beside it."""
    found = calibrate(trace_observations(measure(hidden() + RETENTION, size=12, seed=3, waits=10)))
    fit = found.fit("retention")
    assert fit.parameter("tau").value == pytest.approx(3e4, rel=0.05)
    assert fit.parameter("stretch").value == pytest.approx(0.7, rel=0.05)
    assert not any(own.law in ("drift", "relaxation", "flicker_noise") for own in found.fits)
    assert found.fit("programming_error").parameter("c0").value == pytest.approx(0.8e-6, rel=0.25)
    card = parse_card(write_card("twin", found.observed, found.fits, found.g_min, found.g_max, 0.2), "twin")
    assert card.retention is not None
    assert card.retention.floor == pytest.approx(2e-6, rel=0.1)


def baked(folder: Path, columns: Sequence[str], head: str, rows: Sequence[str]) -> Calibration:
    """Return the calibration of a table."""
    (folder / "bake.csv").write_text(head + "\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return calibrate(table_observations([folder / "bake.csv"], Mapping.of(columns)), Settings(hold_out=0.0))


def test_a_bake_in_a_table(tmp_path: Path) -> None:
    """A retention log in degrees Celsius, without targets, gives retention and ageing, and says what it took."""
    h, kelvin = made(7, writes=30, kelvin=(298.15, 328.15, 358.15))
    temperature = np.asarray(kelvin)
    rows = [
        f"{cell};{temperature[cell, k] - 273.15:.2f};{h.age[cell, k] / 3600:.8g};{1e-3 / h.g[cell, k]:.8g}".replace(
            ".", ","
        )
        for cell in range(30)
        for k in range(10)
    ]
    columns = ("cell=Device", "temperature=T", "time=t", "resistance=R")
    found = baked(tmp_path, columns, "Device;T (°C);t (h);R (kΩ)", rows)
    law = found.fit("temperature")
    assert law.parameter("ageing").value == pytest.approx(AGEING, rel=0.02)
    assert law.valid_temperature == pytest.approx((298.15, 358.15))
    assert found.fit("retention").valid_time == pytest.approx((0, 1e5), rel=1e-3)
    assert "the first reading of each cell stands for what was written" in found.notes[0]
    assert any(r.law == "programming_error" and "--column target" in r.reason for r in found.refusals)
    text = write_card("twin", found.observed, found.fits, found.g_min, found.g_max, 0.2)
    card = parse_card(text, "twin")
    assert card.temperature is not None
    assert card.temperature.ageing == pytest.approx(AGEING, rel=0.02)


@pytest.mark.parametrize("kind", ["linear", "arrhenius"])
def test_conductance_follows_the_temperature(tmp_path: Path, kind: str) -> None:
    """Cells read at several temperatures tell which law they follow, and its coefficient."""
    rng = np.random.default_rng(8)
    value = 2e-3 if kind == "linear" else 0.08
    law = Temperature(kind, value, 300.0)  # type: ignore[arg-type]  # one of two words
    rows = []
    for cell in range(12):
        g = rng.uniform(5, 90)
        for kelvin in (300.0, 320.0, 340.0, 360.0, 380.0):
            seen = float(law.conductance(np.array([g]), kelvin)[0]) * (1 + 0.002 * rng.standard_normal())
            rows.append(f"{cell},{g:.6g},{kelvin},{seen:.8g}")
    columns = ("cell=cell", "target=G", "temperature=T:K", "conductance=g:uS")
    found = baked(tmp_path, (*columns[:1], "target=G:uS", *columns[2:]), "cell,G,T,g", rows)
    fit = found.fit("temperature")
    assert fit.kind == kind
    name = "per_kelvin" if kind == "linear" else "activation"
    assert fit.parameter(name).value == pytest.approx(value, rel=0.05)
    assert fit.rivals[-1][0] == "none"


def test_one_temperature_has_no_law(tmp_path: Path) -> None:
    """Where all was measured at one temperature that is said."""
    rows = [f"{cell},{10 + cell},300,{10 + cell + 0.01 * (cell % 3)}" for cell in range(30)]
    columns = ("cell=cell", "target=G:uS", "temperature=T:K", "conductance=g:uS")
    found = baked(tmp_path, columns, "cell,G,T,g", rows)
    assert any(r.law == "temperature" and "all was measured at 300 K" in r.reason for r in found.refusals)
