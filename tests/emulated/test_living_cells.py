"""Cells behind served lines that live: what instruments source moves them, as on the simulated bench."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.bench.chip import open_chip
from xbar.bench.settings import Pulse, ReadConfig, Unselected
from xbar.devices.card_file import load_card
from xbar_drivers.emulated.server import open_server

RACK = """
schema = "xbar-rack/1"
time_scale = "fast"
[array]
card = "{card}"
seed = 3
rows = 3
cols = 4
only = []
cells = "low"
{more}
[[instruments]]
name = "smu"
model = "2636B"
address = ["TCPIP::127.0.0.1::0::SOCKET", "TCPIP::127.0.0.1::hislip0,0::INSTR"]
noise = false
[[instruments]]
name = "analyzer"
model = "B1500A"
address = "TCPIP::127.0.0.1::0::SOCKET"
cards = ["B1517A", "B1517A"]
noise = false
[wires]
"{drive}" = "word1"
"{sense}" = "bit2"
"gnd" = ["word0", "word2", "bit0", "bit1", "bit3"]
"""
SIZE: dict[str, Any] = {"rows": 3, "cols": 4, "seed": 3, "only": []}
CELL = (1, 2)
APERTURE = 0.01 / 50 + 40e-6
"""Of a reading at 0.01 power-line cycles [s]."""

# As a lab writes it, without any of our code: the cell lies between the channels, row neighbours see the drive.
START = (
    "reset() smua.measure.nplc = 0.01 smub.measure.nplc = 0.01 format.asciiprecision = 12 smub.source.limiti = 1e-2 "
    "smub.nvbuffer1.appendmode = 1 smua.nvbuffer1.appendmode = 1 smua.source.output = 1 smub.source.output = 1"
)
SWEEP = """loadscript sweep
smua.nvbuffer1.clear() smub.nvbuffer1.clear()
for _, v in ipairs(levels) do
  smua.source.levelv = v
  delay(dwell)
  smub.measure.i(smub.nvbuffer1)
end
smua.source.levelv = 0
endscript"""


def rack(card: str, more: str = "", drive: str = "smu.a", sense: str = "smu.b") -> str:
    return RACK.format(card=card, more=more, drive=drive, sense=sense)


def triangle(high: float, low: float, points: int) -> NDArray[np.float64]:
    up, down = np.linspace(0, high, points), np.linspace(0, low, points)
    return np.round(np.concatenate([up, up[-2::-1], down[1:], down[-2::-1]]), 9)


def swept(smu: Any, levels: NDArray[np.float64], dwell: float, limit: float) -> NDArray[np.float64]:
    """Sweep channel A in a script of the instrument; return the currents that channel B sinks [A]."""
    smu.write(START)
    smu.write(f"smua.source.limiti = {limit} dwell = {dwell - APERTURE!r} levels = {{{','.join(map(str, levels))}}}")
    smu.write(SWEEP)
    smu.write("sweep()")
    return -np.array(smu.numbers(f"printbuffer(1, {len(levels)}, smub.nvbuffer1)"))


def simulated_sweep(card: str, levels: NDArray[np.float64], dwell: float, limit: float) -> NDArray[np.float64]:
    with xbar.open_bench("sim", card=card, **SIZE) as bench:
        bench.program(0, np.full((3, 4), load_card(card).g_min))
        settle = dwell - bench.capabilities.timings.read
        found = bench.sweep(0, CELL, levels, ReadConfig(current_limit=limit, settle=settle))
        return np.asarray(found.current[:, 0])


@pytest.mark.parametrize(("card", "high", "low"), [("yakopcic_nbsto", 0.8, -0.8), ("vteam", 0.08, -0.4)])
def test_sweep_draws_the_loop_of_the_simulated_bench(
    serve: Any, connect: Any, card: str, high: float, low: float
) -> None:
    """Each point to within the resolution: the same states at the same times; the loop is pinched and open."""
    levels = triangle(high, low, 17)
    found = swept(connect(serve(rack(card)), "smu"), levels, 1e-3, 0.1)
    expected = simulated_sweep(card, levels, 1e-3, 0.1 if card == "vteam" else 5e-3)
    assert found == pytest.approx(expected, rel=2e-5, abs=1e-9)
    assert np.abs(found[levels == 0]).max() < 1e-9
    half = found[:65].reshape(-1)[:32], found[32:64]
    gaps = [np.abs(part[1:16] - part[17:32][::-1]).max() / np.abs(part).max() for part in half]
    assert max(gaps) > 0.04


def test_compliance_of_the_source_sets_the_state(serve: Any, connect: Any) -> None:
    """The row's current stops at the limit, the cell's voltage falls, and the filament grows no further."""
    states = []
    for limit in (2e-4, 2e-3):
        server = serve(rack("stanford_pku"))
        smu = connect(server, "smu")
        swept(smu, np.array([0.5, 1.0, 1.4, 1.6, 1.8]), 1e-3, limit)
        smu.write("smua.source.levelv = 1.8 delay(1e-3)")
        assert smu.numbers("print(smua.measure.i())")[0] == pytest.approx(limit, rel=1e-4)
        assert smu.numbers("print(smua.measure.v())")[0] < 1.7
        assert smu.ask("print(smua.source.compliance)") == "true"
        smu.ask("smua.source.levelv = 0 print(1)")
        states.append(server.arrays.cells(0).programmed[1].max())
    assert 2 * states[0] < states[1] < 2e-3


def test_one_cell_under_compliance_follows_the_models_own_integration(serve: Any, connect: Any) -> None:
    """A single cell: nodal solving at every step gives what the card's model does under a compliance."""
    text = rack("stanford_pku").replace("rows = 3", "rows = 1").replace("cols = 4", "cols = 1")
    text = text[: text.index("[wires]")] + '[wires]\n"smu.a" = "word0"\n"smu.b" = "bit0"\n'
    levels = triangle(2.0, -2.0, 11)
    found = swept(connect(serve(text), "smu"), levels, 1e-3, 1.5e-3)
    with xbar.open_bench("sim", card="stanford_pku", rows=1, cols=1, seed=3, only=[]) as bench:
        bench.program(0, np.full((1, 1), load_card("stanford_pku").g_min))
        config = ReadConfig(current_limit=1.5e-3, settle=1e-3 - bench.capabilities.timings.read)
        expected = bench.sweep(0, (0, 0), levels, config).current[:, 0]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-9)
    assert (found == pytest.approx(1.5e-3, rel=1e-5)) is False
    assert np.isclose(found, 1.5e-3, rtol=1e-5).sum() >= 5


def pulses(smu: Any, volts: float, count: int, half: bool = False) -> None:
    """Give pulses of 100 us: all of the voltage from channel A, or half of it from each."""
    up = (
        f"smua.source.levelv = {volts / 2} smub.source.levelv = {-volts / 2}" if half else f"smua.source.levelv={volts}"
    )
    smu.write(START + " smua.source.limiti = 1e-3")
    smu.ask(f"for k = 1, {count} do {up} delay(1e-4) smua.source.levelv = 0 smub.source.levelv = 0 end print(1)")


def after_pulses(volts: float, count: int, unselected: Unselected) -> NDArray[np.float64]:
    with xbar.open_bench("sim", card="reram_es", **SIZE) as bench:
        bench.program(0, np.full((3, 4), load_card("reram_es").g_min))
        for _ in range(count):
            bench.pulse(0, [CELL], Pulse(volts, 1e-4, current_limit=1e-3, unselected=unselected))
        cells = np.argwhere(np.ones((3, 4)))
        return np.asarray(bench.read(0, cells, ReadConfig(0.1)).current / 0.1).reshape(3, 4)


def test_pulses_move_cells_as_on_the_simulated_bench(serve: Any, connect: Any) -> None:
    """A card with a pulse law: the same draws for the same cell and pulse, for half-selected neighbours too."""
    server = serve(rack("reram_es"))
    start = server.arrays.cells(0).programmed.copy()
    pulses(connect(server, "smu"), 1.6, 5, half=True)
    found = server.arrays.cells(0).programmed
    expected = after_pulses(1.6, 5, Unselected.HALF)
    assert found == pytest.approx(expected, rel=1e-6)
    moved = np.abs(found / start - 1) > 1e-3
    assert moved[CELL]
    assert moved[1].sum() + moved[:, 2].sum() >= 5
    assert not moved[[0, 0, 0, 2, 2, 2], [0, 1, 3, 0, 1, 3]].any()
    assert server.living.pulses.tolist() == [[0, 0, 0, 0], [0, 0, 5, 0], [0, 0, 0, 0]]


def test_reading_moves_no_cell_and_reset_brings_one_back(serve: Any, connect: Any) -> None:
    server = serve(rack("gokmen_vlasov"))
    smu = connect(server, "smu")
    pulses(smu, 1.6, 20, half=True)
    high = server.arrays.cells(0).programmed.copy()
    smu.ask("smua.source.levelv = 0.3 for k = 1, 20 do x = smub.measure.i() end smua.source.levelv = 0 print(1)")
    assert (server.arrays.cells(0).programmed == high).all()
    assert server.living.pulses.sum() == 20
    pulses(smu, -1.6, 40, half=True)
    assert server.arrays.cells(0).programmed[CELL] < 0.7 * high[CELL]


def test_more_than_the_card_allows_is_noted_once_a_pulse(serve: Any, connect: Any) -> None:
    server = serve(rack("reram_es"))
    smu = connect(server, "smu")
    smu.write(START + " smua.source.limiti = 1e-2")
    smu.ask("for k = 1, 3 do smua.source.levelv = 2.5 delay(1e-4) smua.source.levelv = 0 end print(1)")
    smu.ask("smua.source.levelv = 1 delay(0.05) smua.source.levelv = 0 print(1)")
    texts = [fault.text for fault in server.audit.faults]
    assert [text for text in texts if text == "2.5 V across cell (1, 0), the card allows 2 V"] == [texts[0]] * 3
    assert texts[3:] == ["0.05 s beyond the write threshold, the card's longest pulse is 0.001 s"]


def test_chip_file_keeps_what_instruments_did(tmp_path: Path, client_class: Any) -> None:
    """A new chip is begun; the simulated bench and the next served one find its cells, pulses and counters."""
    file, chip = tmp_path / "rack.toml", tmp_path / "chip.h5"
    file.write_text(rack("reram_es"), encoding="utf-8")
    server = open_server(file, {"chip": chip})
    with client_class(server.addresses[0][1]) as smu:
        pulses(smu, 1.6, 7, half=True)
        smu.ask("reset() print(1)")
    left = server.arrays.cells(0).programmed.copy()
    server.close()
    kept = open_chip(chip, new=False, lock=False)
    assert kept.life[0].pulses.tolist() == [[0, 0, 0, 0], [0, 0, 7, 0], [0, 0, 0, 0]]
    own = open_chip(chip)
    with xbar.open_bench("sim", card="reram_es", **SIZE, chip=own) as bench:
        found = bench.read(0, [CELL], ReadConfig(0.1)).current[0, 0] / 0.1
        assert found == pytest.approx(left[CELL], rel=1e-9)
        bench.pulse(0, [CELL], Pulse(1.6, 1e-4, current_limit=1e-3), count=2)
        found = bench.read(0, [CELL], ReadConfig(0.1)).current[0, 0] / 0.1
    own.close()
    again = open_server(file, {"chip": chip})
    assert again.arrays.cells(0).programmed[CELL] == pytest.approx(found, rel=1e-9)
    again.close()
    assert open_chip(chip, new=False, lock=False).life[0].pulses[CELL] == 9
    assert after_pulses(1.6, 9, Unselected.HALF)[CELL] == pytest.approx(found, rel=1e-6)


def test_server_that_does_not_start_leaves_the_chip_alone(tmp_path: Path) -> None:
    file, chip = tmp_path / "rack.toml", tmp_path / "chip.h5"
    file.write_text(rack("reram_es").replace('"word1"', '"word9"'), encoding="utf-8")
    with pytest.raises(xbar.errors.InputError, match="word9"):
        open_server(file, {"chip": chip})
    assert not chip.exists()
    open_chip(chip).close()  # nobody holds it


def test_law_of_the_card_is_in_the_solved_network(serve: Any, connect: Any, tmp_path: Path) -> None:
    wanted = np.linspace(60e-6, 200e-6, 12).reshape(3, 4)
    np.save(tmp_path / "g.npy", wanted)
    more = rack("reram_milo", 'conductances = "g.npy"').replace("only = []", 'only = ["iv_nonlinearity"]')
    smu = connect(serve(more), "smu")
    levels = np.round(np.linspace(-0.5, 0.5, 9), 6)
    found = swept(smu, levels, 1e-3, 1e-2)
    with xbar.open_bench("sim", card="reram_milo", **SIZE | {"only": ["iv_nonlinearity"]}) as bench:
        bench.program(0, wanted)
        expected = bench.sweep(0, CELL, levels).current[:, 0]
    assert found == pytest.approx(expected, rel=2e-5, abs=1e-10)
    assert abs(found[0] / levels[0] / (found[3] / levels[3]) - 1) > 0.01


def test_staircase_of_another_instrument_moves_the_cell(serve: Any, connect: Any) -> None:
    """A B1500A, in FLEX: a double staircase sees the cell switch on its way up, and on at its way down."""
    server = serve(rack("yakopcic_nbsto", drive="analyzer.1", sense="analyzer.2"))
    flex = connect(server, "analyzer")
    for text in ("CN 1,2", "DV 2,0,0,0.1", "FMT 1,1", "MM 2,1", "WV 1,3,0,0,0.8,9,0.1", "WT 0,0.001"):
        flex.write(text)
    flex.write("XE")
    found = np.array([float(part[3:]) for part in flex.read().split(",") if part[2] == "I"])
    assert len(found) == 18
    assert (found[10:16] > 1.02 * found[2:8][::-1]).all()
    assert server.living.pulses.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    flex.write("CL")
    assert flex.ask("ERRX?").startswith("+0,")


def test_cells_are_formed_under_the_limit_of_the_source(serve: Any, connect: Any, tmp_path: Path) -> None:
    text = load_card("yakopcic_nbsto").text + (
        '\n[forming]\nkind = "lognormal_voltage"\nvoltage = "2 V"\nspread = 0.01\npristine = "1 nS"\n'
        'formed = "500 uS"\nhold_voltage = "0.5 V"\nsource = "made up"\n'
    )
    card = tmp_path / "formed.toml"
    card.write_text(text, encoding="utf-8")
    server = serve(rack(card.as_posix()).replace('"gnd" = ["word0", "word2", "bit0", "bit1", "bit3"]', ""))
    smu = connect(server, "smu")
    swept(smu, np.array([0.5, 1.0, 1.5]), 1e-3, 1e-4)
    assert not server.arrays.cells(0).formed.any()
    swept(smu, np.array([2.5]), 1e-3, 1e-4)
    assert np.argwhere(server.arrays.cells(0).formed).tolist() == [list(CELL)]
    assert 1.4e-4 <= server.arrays.cells(0).programmed[CELL] <= 2.5e-4


def test_voltage_beyond_the_law_of_the_card_is_told_once(serve: Any, connect: Any) -> None:
    server = serve(rack("reram_milo").replace("only = []", 'only = ["iv_nonlinearity"]'))
    smu = connect(server, "smu")
    smu.ask(START + " smua.source.levelv = 0.5 smua.source.levelv = 0.75 smua.source.levelv = 0.8 print(1)")
    assert [fault.text for fault in server.audit.faults if "I-V law" in fault.text] == [
        "smu.a at 0.75 V: the I-V law of the card holds from -0.5 to 0.5 V; it goes on as it is (told once)"
    ]


def test_sweep_that_nobody_watches_moves_the_cell_step_by_step(serve: Any, connect: Any) -> None:
    """By the trigger model: each level has its own time, however often it is polled and whatever is checked."""
    found = []
    for limits, polls in (("", 30), ("", 0), ('[limits]\ncell_voltage = "0.5 V"', 0)):
        smu = connect(serve(rack("yakopcic_nbsto", limits)), "smu")
        smu.write(START + " smua.source.limiti = 1e-2 smub.source.output = 0 smub.source.offmode = 2")
        smu.write("smua.trigger.source.listv({0.2, 0.4, 0.6, 0.8, 0.2}) smua.trigger.source.action = 1")
        smu.write("smua.trigger.measure.i(smua.nvbuffer1) smua.trigger.measure.action = 1 smua.trigger.count = 5")
        smu.write("smua.measure.delay = 0.004 smua.trigger.initiate()")
        for _ in range(polls):
            smu.ask("print(status.operation.sweeping.condition)")
        smu.write("waitcomplete()")
        found.append(smu.numbers("printbuffer(1, 5, smua.nvbuffer1)"))
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    assert found[2] == pytest.approx(found[0], rel=1e-6)
    assert found[0][4] > 1.2 * found[0][0]
