"""Products of cells with an I-V law: its currents, noise, the circuit behind wires, the same bits for any batch."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.array import nonlinear_product
from xbar.array.nonlinear_product import NonlinearDevice, NonlinearProduct
from xbar.array.periphery import Periphery
from xbar.bench.settings import ReadConfig, VectorConfig
from xbar.circuit.cell_law import Sinh
from xbar.circuit.newton import solve
from xbar.circuit.wires import Wires
from xbar.devices.card_file import load_card
from xbar.devices.iv_law import CubicIv, IvLaw, LinearIv, PolynomialIv, PooleFrenkelIv, SinhIv, at_read
from xbar.errors import InputError, Unsupported

Floats = NDArray[np.float64]

ROWS, COLS, READ, RANGE = 13, 7, 0.2, 60e-6
AMPERES = Periphery(None, None)
MILO = load_card("reram_milo").iv_nonlinearity
assert isinstance(MILO, PolynomialIv)
LAWS: dict[str, IvLaw] = {
    "sinh": SinhIv(0.15),
    "cubic": CubicIv(3.0),
    "polynomial": MILO,
    "poole_frenkel": PooleFrenkelIv(-1.06, 0.247, 0.455, -0.877),
}


def conductances(rows: int = ROWS, cols: int = COLS) -> Floats:
    return np.random.default_rng(0).uniform(60e-6, 110e-6, (rows, cols))


def inputs(batch: int, rows: int = ROWS) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(-READ, READ, (batch, rows)).astype(np.float32)


def made(law: IvLaw, sigma: Floats | None = None, **more: Any) -> NonlinearProduct:
    given: dict[str, Any] = {"array": 3, "periphery": AMPERES} | more
    return NonlinearProduct(conductances(), sigma, NonlinearDevice(law, READ), **given)


def converted(
    product: NonlinearProduct, volts: NDArray[np.float32], cols: int = COLS, first: int = 0, dtype: type = np.float64
) -> NDArray[Any]:
    """Return the codes of inputs, with events from `first` on; the largest code is 0.2 V, and 60 uA."""
    periphery = product.periphery
    out: NDArray[Any] = np.empty((len(volts), cols), dtype)
    steps = periphery.output_step(np.full(cols, RANGE))
    events = np.arange(first, first + len(volts), dtype=np.uint64)
    product.convert(volts, periphery.input_step(READ), steps, events, out)
    return out


@pytest.mark.parametrize("name", LAWS)
def test_currents_are_sums_over_the_law(name: str) -> None:
    """At the voltages of the input codes; each cell has its conductance at the read voltage."""
    law, volts = LAWS[name], inputs(20)
    codes = np.rint(volts.astype(np.float64) / AMPERES.input_step(READ)) * AMPERES.input_step(READ)
    own = np.asarray(at_read(law, conductances(), READ))
    expected = np.asarray(law.current(codes[:, :, None], own[None])).sum(axis=1)
    np.testing.assert_allclose(converted(made(law), volts), expected, rtol=1e-7, atol=1e-12)
    one = np.zeros((1, ROWS), np.float32)
    one[0, 4] = READ
    at_full = np.full((ROWS, COLS), READ)
    measured = np.asarray(law.current(at_full, own))[4]
    np.testing.assert_allclose(converted(made(law), one)[0], measured, rtol=1e-6)


def test_a_linear_law_is_the_linear_product() -> None:
    volts = inputs(8)
    expected = volts.astype(np.float64) @ conductances()
    np.testing.assert_allclose(converted(made(LinearIv()), volts), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("dac_bits", [8, None])
def test_the_bits_do_not_depend_on_the_batch(name: str, dac_bits: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one, in pieces, with small tables, with fewer bit lines asked for: the same numbers to the bit."""
    product = made(LAWS[name], 0.02 * conductances(), periphery=Periphery(dac_bits, None))
    volts = inputs(70)
    together = converted(product, volts)
    single = np.concatenate([converted(product, volts[k : k + 1], first=k) for k in range(70)])
    np.testing.assert_array_equal(single, together)
    pieces = np.concatenate([converted(product, volts[a : a + 23], first=a) for a in (0, 23, 46, 69)])
    np.testing.assert_array_equal(pieces, together)
    monkeypatch.setattr(nonlinear_product, "TABLE", 1)
    np.testing.assert_array_equal(converted(product, volts), together)
    np.testing.assert_array_equal(converted(product, volts, cols=4), together[:, :4])


def test_codes_of_real_converters() -> None:
    """Eight bits each way: the nearest code of the current, clipped at the ends."""
    product = made(LAWS["sinh"], periphery=Periphery(8, 8))
    volts = inputs(50)
    exact = converted(made(LAWS["sinh"], periphery=Periphery(8, None)), volts)
    codes = converted(product, volts, dtype=np.int8)
    np.testing.assert_array_equal(codes, np.clip(np.rint(exact / (RANGE / 127)), -127, 127))
    assert np.abs(codes).max() == 127
    levels = np.rint(volts / (READ / 127)).astype(np.float32)
    steps = np.full(COLS, RANGE / 127)
    events = np.arange(50, dtype=np.uint64)
    np.testing.assert_allclose(product.currents(levels, READ / 127, steps, events) * steps, exact)


def test_noise_keeps_its_share_of_each_current() -> None:
    """Its spread is the root of the sum of squares of sigma over g times the current; at five standard errors."""
    law, sigma = LAWS["sinh"], np.random.default_rng(4).uniform(0.0, 0.1, (ROWS, COLS)) * conductances()
    volts = np.repeat(inputs(1), 20_000, axis=0)
    quiet, noisy = converted(made(law), volts[:1]), converted(made(law, sigma), volts)
    step = AMPERES.input_step(READ)
    own = np.asarray(at_read(law, conductances(), READ))
    cell = np.asarray(law.current((np.rint(volts[0] / step) * step)[:, None], own))
    spread = np.sqrt(np.sum((sigma / conductances() * cell) ** 2, axis=0))
    z = (noisy - quiet) / spread
    # False alarm: 14 numbers at five standard errors, 1 in 100 000.
    assert (np.abs(z.mean(axis=0)) < 5 / np.sqrt(20_000)).all()
    assert (np.abs(z.std(axis=0) - 1) < 5 / np.sqrt(40_000)).all()
    other = converted(made(law, sigma, array=4), volts)
    assert np.abs(np.corrcoef(noisy[:, 0], other[:, 0])[0, 1]) < 5 / np.sqrt(20_000)


def test_behind_wires_the_circuit_is_solved() -> None:
    """The currents are those of the circuit with the sinh law, idle word lines at 0 V; noise is that of each cell."""
    wires, volts = Wires(3.0, 2.0), inputs(6, ROWS - 2)
    own = np.asarray(at_read(LAWS["sinh"], conductances(), READ))
    step = AMPERES.input_step(READ)
    whole = np.zeros((6, ROWS))
    whole[:, : ROWS - 2] = np.rint(volts / step) * step
    expected = solve(own, wires, whole, iv=Sinh(0.15)).require().currents
    product = made(LAWS["sinh"], wires=wires)
    np.testing.assert_allclose(converted(product, volts), expected, rtol=1e-7, atol=1e-12)
    noisy = made(LAWS["sinh"], 0.02 * conductances(), wires=wires)
    together = converted(noisy, volts)
    single = np.concatenate([converted(noisy, volts[k : k + 1], first=k) for k in range(6)])
    np.testing.assert_array_equal(single, together)
    assert 1e-3 < np.abs(together / expected - 1).mean() < 5e-2
    with pytest.raises(Unsupported, match="bit-serial"):
        product.currents(np.zeros((1, ROWS), np.float32), step, np.ones(COLS), np.zeros(1, np.uint64), plane=1)


def test_without_wires_is_the_limit_of_small_ones() -> None:
    volts = inputs(4)
    behind = converted(made(LAWS["sinh"], wires=Wires(1e-6, 1e-6)), volts)
    np.testing.assert_allclose(behind, converted(made(LAWS["sinh"]), volts), rtol=1e-7, atol=1e-12)


# ---- on the bench


def products(iv: str, **options: Any) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {"card": "reram_milo", "rows": 16, "cols": 8, "adc_bits": 16, "dac_bits": 16} | options
    with xbar.open_bench("sim", iv=iv, **given) as bench:
        bench[0].program(rng.uniform(65e-6, 105e-6, (16, 8)))
        config = VectorConfig(0.4, 8e-4)
        return np.asarray(bench[0].mvm(np.linspace(-0.4, 0.4, 9)[:, None] * np.ones((1, 16)), config).current[0])


def test_the_bench_chooses() -> None:
    """Exact products agree with sums of readings at each voltage; linear ones only at the read voltage."""
    linear, exact = products("linear"), products("exact")
    with xbar.open_bench("sim", card="reram_milo", rows=16, cols=8) as bench:
        bench[0].program(np.random.default_rng(0).uniform(65e-6, 105e-6, (16, 8)))
        for k, volts in enumerate(np.linspace(-0.4, 0.4, 9)):
            if volts:
                read = bench[0].read_all(ReadConfig(voltage=volts)).current.reshape(16, 8).sum(axis=0)
                np.testing.assert_allclose(exact[k], read, atol=3e-8)
    np.testing.assert_allclose(linear[[2, 6]], exact[[2, 6]], atol=1e-7)
    assert np.abs(linear[8] - exact[8]).max() > 2e-6
    np.testing.assert_array_equal(products("exact", threads=2), exact)
    np.testing.assert_allclose(products("exact", wires="1 mohm"), exact, atol=1e-7)


def test_effects_tell_how() -> None:
    for iv, word in (("linear", "linearised at the read voltage"), ("exact", "behind wires by Newton's method")):
        with xbar.open_bench("sim", card="reram_milo", rows=4, cols=4, iv=iv, wires="1 ohm") as bench:
            notes = {effect.name: effect.note for effect in bench.capabilities.effects}
            assert word in notes["iv_nonlinearity"]
            assert ("of each cell" in notes["ir_drop"]) == (iv == "exact")
            assert bench.settings["iv"] == iv


def test_what_cannot_be() -> None:
    """Voltages that the law was not measured at, an unknown way, and a GPU."""
    with pytest.raises(InputError, match="iv 'quadratic' is not known"):
        xbar.open_bench("sim", iv="quadratic")
    with xbar.open_bench("sim", card="reram_milo", rows=4, cols=4, iv="exact") as bench:
        bench[0].program(np.full((4, 4), 80e-6))
        with pytest.raises(InputError, match=r"voltage 700 mV lies outside"):
            bench[0].mvm(np.full((1, 4), 0.7), VectorConfig(0.8, 3e-4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xbar_drivers.simulated.gpu", lambda: None)
        with pytest.raises(Unsupported, match="iv 'exact'"):
            xbar.open_bench("sim", iv="exact", device="gpu")
