"""Cells that live, through the rack: pulses, program-verify, forming and sweeps do there what they do on `sim`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xbar
from xbar.bench.bench import Bench
from xbar.bench.settings import Pulse, ReadConfig, Unselected
from xbar.programming.form_cells import form_cells
from xbar.programming.form_settings import FormCells
from xbar.programming.write_settings import WriteVerify
from xbar.programming.write_verify import write_verify

LAB = """schema = "xbar-bench/1"
driver = "rack"
address = "{rack}"
[limits]
cell_voltage = "4 V"
current = "5 mA"
"""


@pytest.fixture
def lab(serve: Any, rack_texts: dict[str, str], tmp_path: Path) -> Any:
    """Return what serves the linked rack with cells of a card, and the bench file that reaches it."""

    def begin(card: str, cells: str = "low") -> tuple[Any, Path]:
        text = rack_texts["linked"].replace('card = "generic"', f'card = "{card}"\ncells = "{cells}"')
        text = text.replace('"1 V"', '"4 V"').replace('"1 mA"', '"5 mA"')
        rack = serve("linked", text=text)
        path = tmp_path / "lab.toml"
        path.write_text(LAB.format(rack=rack.path.name), encoding="utf-8")
        return rack, path

    return begin


def simulated(card: str) -> Bench:
    return xbar.open_bench("sim", card=card, rows=4, cols=5, seed=3, only=[])


def test_pulses_through_the_rack_are_those_of_the_simulated_bench(lab: Any, tmp_path: Path) -> None:
    """Two cells, SET and RESET: the same random numbers, the same half-selected neighbours, the same conductances."""
    rack, file = lab("gokmen_vlasov")
    trains = [([(1, 2)], 1.1, 3), ([(3, 0), (1, 2)], 1.0, 2), ([(1, 2)], -1.2, 1)]
    with simulated("gokmen_vlasov") as sim, xbar.open_bench(file, record=tmp_path / "t.h5") as bench:
        sim.program(0, np.full((4, 5), xbar.load_card("gokmen_vlasov").g_min))
        for cells, volts, count in trains:
            pulse = Pulse(volts, 1e-3, current_limit=1e-3, unselected=Unselected.GROUND)
            sim.pulse(0, cells, pulse, count)
            bench.pulse(0, cells, pulse, count)
        everything = np.argwhere(np.ones((4, 5)))
        expected = sim.read(0, everything, ReadConfig(0.2, unselected=Unselected.GROUND)).current
        found = bench.read(0, everything, ReadConfig(0.2, unselected=Unselected.GROUND)).current
    assert found == pytest.approx(expected, rel=2e-6, abs=0.51e-10)
    assert rack.server.living.pulses[1].tolist() == [6] * 5
    assert rack.server.report() == []


def test_program_verify_reaches_its_targets(lab: Any, tmp_path: Path) -> None:
    rack, file = lab("gokmen_vlasov")
    card = xbar.load_card("gokmen_vlasov")
    assert card.write is not None
    targets = np.full((4, 5), np.nan)
    targets[0, 1], targets[3, 4] = 80e-6, 110e-6
    settings = WriteVerify.for_device(
        card.write, 5e-6, max_pulses=60, width=1e-3, read=ReadConfig(0.2), unselected=Unselected.GROUND
    )
    with xbar.open_bench(file, record=tmp_path / "t.h5") as bench:
        report = write_verify(bench[0], targets, settings)
    assert report.reached[0, 1]
    assert report.reached[3, 4]
    programmed = rack.server.arrays.cells(0).programmed
    assert programmed[0, 1] == pytest.approx(80e-6, abs=6e-6)
    assert programmed[3, 4] == pytest.approx(110e-6, abs=6e-6)


def test_forming_forms_cells(lab: Any, tmp_path: Path) -> None:
    """With the other lines open, as a rack of two sources has to."""
    rack, file = lab("generic_forming")
    card = xbar.load_card("generic_forming")
    settings = FormCells.for_card(card, width=1e-3, unselected=Unselected.FLOAT)
    with xbar.open_bench(file, record=tmp_path / "t.h5") as bench:
        report = form_cells(bench[0], settings)
    assert (report.formed_at > 2).all()
    assert rack.server.arrays.cells(0).formed.all()


def test_sweep_with_compliance_draws_a_pinched_loop(lab: Any, tmp_path: Path) -> None:
    _, file = lab("yakopcic_nbsto")
    volts = np.concatenate([np.linspace(0, 1.0, 11), np.linspace(0.9, 0, 10)])
    config = ReadConfig(current_limit=2e-3, settle=1e-3, unselected=Unselected.FLOAT)
    with xbar.open_bench(file, record=tmp_path / "t.h5") as bench:
        found = bench.sweep(0, (2, 2), volts, config)
        again = bench.sweep(0, (2, 2), volts, config)
    current = found.current[:, 0]
    assert current.max() == pytest.approx(2e-3, rel=1e-3)
    assert (found.status[9:12, 0] != 0).all()
    assert (current[13:20] > 1.05 * current[1:8][::-1]).all()
    assert abs(current[0]) < 1e-9
    assert abs(current[-1]) < 1e-9
    assert (again.current[1:8, 0] > 1.05 * current[1:8]).all()
