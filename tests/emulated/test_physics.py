"""What clients measure through SMUs and relays, against the conductances of the array itself."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar_drivers.emulated.audit import FaultKind
from xbar_drivers.emulated.server import BenchServer

SOURCES = (
    "format.asciiprecision=12 smua.source.limiti=1e-3 smub.source.limiti=1e-3 "
    "smub.source.rangev=0.2 smua.source.levelv=0.2"
)
RESOLUTION = 0.51e-10
"""Half the last digit in the range of 100 uA [A]."""

ON = "smua.source.output=1 smub.source.output=1"


def cells(server: BenchServer) -> NDArray[np.float64]:
    return np.asarray(server.arrays.conductances(0))


def word(i: int, row: int) -> str:
    return f"1{row}{i + 1:02d}"


def bit(j: int, row: int) -> str:
    return f"1{row}{j + 7:02d}"


def grounded(words: set[int], bits: set[int]) -> list[str]:
    """Crosspoints that tie all other lines to ground."""
    return [word(i, 3) for i in range(6) if i not in words] + [bit(j, 3) for j in range(8) if j not in bits]


@pytest.mark.parametrize(("row", "col"), [(0, 0), (2, 5), (5, 7)])
def test_one_cell_between_two_channels(bench: BenchServer, smu: Any, switch: Any, row: int, col: int) -> None:
    """With all other lines at ground the sensing channel sees the cell's current, no sneak path."""
    switch.ask(f"channel.close('{','.join([word(row, 1), bit(col, 2), *grounded({row}, {col})])}') print(1)")
    assert switch.ask("print(errorqueue.count)") == "0.00000e+00"
    smu.write(SOURCES)
    smu.write(ON)
    expected = 0.2 * cells(bench)[row, col]
    assert smu.numbers("print(smub.measure.i())")[0] == pytest.approx(-expected, abs=RESOLUTION)


def test_floating_lines_let_sneak_currents_through(bench: BenchServer, smu: Any, switch: Any) -> None:
    """With the other lines open the current is that of the whole network, computed here by elimination."""
    switch.ask(f"channel.close('{word(1, 1)},{bit(2, 2)}') print(1)")
    smu.write(SOURCES)
    smu.write(ON)
    g = cells(bench)
    laplacian = np.block([[np.diag(g.sum(1)), -g], [-g.T, np.diag(g.sum(0))]])
    known = [1, 6 + 2]
    free = [k for k in range(14) if k not in known]
    levels = np.array([0.2, 0.0])
    voltages = np.linalg.solve(laplacian[np.ix_(free, free)], -laplacian[np.ix_(free, known)] @ levels)
    current = laplacian[8, known] @ levels + laplacian[8, free] @ voltages
    assert smu.numbers("print(smub.measure.i())")[0] == pytest.approx(current, abs=RESOLUTION)
    assert abs(current) > 1.5 * 0.2 * g[1, 2]


def test_rows_closed_to_one_source_sum_in_the_column(bench: BenchServer, smu: Any, switch: Any) -> None:
    """A product of a bit vector: rows 0, 2 and 3 at the drive voltage, one column sensed."""
    rows = {0, 2, 3}
    switch.ask(f"channel.close('{','.join([*(word(i, 1) for i in rows), bit(4, 2), *grounded(rows, {4})])}') print(1)")
    smu.write(SOURCES)
    smu.write(ON)
    expected = 0.2 * cells(bench)[sorted(rows), 4].sum()
    assert smu.numbers("print(smub.measure.i())")[0] == pytest.approx(-expected, abs=RESOLUTION)


def test_compliance_limits_the_current_and_is_reported(bench: BenchServer, smu: Any, switch: Any) -> None:
    switch.ask(f"channel.close('{','.join([word(0, 1), *grounded({0}, set())])}') print(1)")
    smu.write(SOURCES)
    smu.write("smua.source.limiti=1e-6 smua.source.output=1")
    current, status = smu.numbers("print(smua.measure.i(), status.measurement.instrument.smua.condition)")
    assert current == pytest.approx(1e-6, rel=1e-5)
    assert int(status) & 2 == 2
    assert smu.ask("print(smua.source.compliance)") == "true"
    total = cells(bench)[0].sum()
    assert smu.numbers("print(smua.measure.v())")[0] == pytest.approx(1e-6 / total, abs=2e-6)


def test_current_source_sees_the_resistance(bench: BenchServer, smu: Any, switch: Any) -> None:
    switch.ask(f"channel.close('{','.join([word(3, 1), *grounded({3}, set())])}') print(1)")
    smu.write("smua.source.func=0 smua.source.leveli=1e-6 smua.source.limitv=1 smua.source.output=1")
    assert smu.numbers("print(smua.measure.r())")[0] == pytest.approx(1 / cells(bench)[3].sum(), rel=1e-4)


def test_reading_beyond_a_fixed_range_overflows(smu: Any, switch: Any) -> None:
    switch.ask(f"channel.close('{','.join([word(0, 1), *grounded({0}, set())])}') print(1)")
    smu.write(SOURCES + " smua.measure.rangei=1e-9 smua.source.output=1")
    current, status = smu.numbers("print(smua.measure.i(), status.measurement.instrument.smua.condition)")
    assert current == 9.91e37
    assert int(status) & 128 == 128


def test_output_off_drives_nothing(bench: BenchServer, smu: Any, switch: Any) -> None:
    """Off and high impedance: the line floats, and the other channel measures what leaks into it alone."""
    switch.ask(f"channel.close('{word(0, 1)},{bit(0, 2)}') print(1)")
    smu.write(SOURCES + " smua.source.offmode=2 smua.source.output=0 smub.source.output=1")
    smu.write("smub.source.levelv=0.1")
    assert smu.numbers("print(smua.measure.v())")[0] == pytest.approx(0.1, abs=1e-6)
    smu.write("smua.source.offmode=0")
    assert smu.numbers("print(smua.measure.v())")[0] == pytest.approx(0.0, abs=1e-6)


def test_relay_moved_under_voltage_is_a_fault(bench: BenchServer, smu: Any, switch: Any) -> None:
    before = len(bench.audit.faults)
    switch.ask(f"channel.close('{word(0, 1)}') print(1)")
    assert len(bench.audit.faults) == before
    smu.ask(SOURCES + " smua.source.output=1 print(1)")
    switch.ask(f"channel.open('{word(0, 1)}') print(1)")
    added = bench.audit.faults[before:]
    assert [fault.kind for fault in added] == [FaultKind.HOT_SWITCHING]
    assert added[0].client.startswith("switch/")
    assert "switch.1.row1" in added[0].text


def test_sources_tied_together_are_a_fault(bench: BenchServer, smu: Any, switch: Any) -> None:
    """An output that is off in its normal mode is a source of 0 V: tied to one that drives, it takes current."""
    before = len(bench.audit.faults)
    switch.ask(f"channel.close('{word(0, 1)},{word(0, 2)}') print(1)")
    smu.ask(SOURCES + " smua.source.output=1 print(1)")
    added = bench.audit.faults[before:]
    assert [fault.kind for fault in added] == [FaultKind.SHORTED]
    assert added[0].text == "smu.a at 0.2 V and smu.b at 0 V are tied together"
    assert smu.numbers("print(smua.measure.i())")[0] == pytest.approx(1e-3, rel=1e-4)


def test_read_noise_of_the_cells_is_in_the_readings(serve: Any, connect: Any, rack_text: Any) -> None:
    """The spread of many readings of one cell is the card's read noise."""
    server = serve(rack_text["all"].replace("only = []", 'only = ["read_noise"]'))
    smu, switch = connect(server, "smu"), connect(server, "switch")
    switch.ask(f"channel.close('{','.join([word(1, 1), bit(1, 2), *grounded({1}, {1})])}') print(1)")
    smu.write(SOURCES)
    smu.write(ON)
    smu.write("smub.measure.count=500 smub.measure.nplc=0.01 smub.measure.i(smub.nvbuffer1)")
    readings = -np.array(smu.numbers("printbuffer(1, 500, smub.nvbuffer1)")) / 0.2
    array = server.arrays.cells(0)
    g = array.drifted(0.0)
    sigma = array.sigma(g)
    assert sigma is not None
    assert readings.mean() == pytest.approx(g[1, 1], abs=5 * sigma[1, 1] / np.sqrt(500))
    assert readings.std() == pytest.approx(sigma[1, 1], rel=0.2)


def test_noise_of_the_instrument_falls_with_integration(serve: Any, connect: Any, rack_text: Any) -> None:
    server = serve(rack_text["all"].replace("noise = false", "noise = true"))
    smu, switch = connect(server, "smu"), connect(server, "switch")
    switch.ask(f"channel.close('{','.join([word(1, 1), bit(1, 2), *grounded({1}, {1})])}') print(1)")
    smu.write(SOURCES + " smub.measure.rangei=1e-3 " + ON)
    spreads = []
    for nplc in (0.001, 10):
        smu.write(f"smub.measure.nplc={nplc} smub.measure.count=200 smub.measure.i(smub.nvbuffer1)")
        spreads.append(np.std(smu.numbers("printbuffer(1, 200, smub.nvbuffer1)")))
    assert spreads[0] > 10 * spreads[1]
    assert spreads[0] == pytest.approx(3e-7 * 1e-3 / np.sqrt(0.001), rel=0.3)


def test_time_passes_with_integration(bench: BenchServer, smu: Any) -> None:
    start = bench.clock.now()
    smu.ask("smua.measure.nplc=25 print(smua.measure.i())")
    assert bench.clock.now() - start == pytest.approx(25 / 50, abs=0.01)


def test_wires_take_their_share(serve: Any, connect: Any, rack_text: Any) -> None:
    """Word and bit lines of 100 ohm a segment: what the channels see is the circuit's own answer."""
    from xbar.circuit.port_admittance import port_admittance
    from xbar.circuit.wires import Wires

    server = serve(rack_text["all"].replace("rows = 6", 'wires = "100 ohm"\nrows = 6'))
    smu, switch = connect(server, "smu"), connect(server, "switch")
    switch.ask(f"channel.close('{','.join([word(4, 1), bit(6, 2), *grounded({4}, {6})])}') print(1)")
    smu.write(SOURCES)
    smu.write(ON)
    admittance = port_admittance(cells(server), Wires(100.0, 100.0)).matrix
    expected = 0.2 * admittance[6 + 6, 4]
    assert smu.numbers("print(smub.measure.i())")[0] == pytest.approx(expected, abs=RESOLUTION)
    assert abs(expected) < 0.2 * cells(server)[4, 6] * 0.999
