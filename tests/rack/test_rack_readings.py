"""What racks of several kinds read through served instruments, against the conductances of the array itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xbar
from xbar.bench.bench import Bench
from xbar.bench.limits import Limits
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig
from xbar.bench.status import Status
from xbar.errors import Unsupported
from xbar_drivers.rack.rack_driver import RackDriver

KINDS = ["linked", "unlinked", "four", "2450", "keysight", "b2902", "letters"]

ALL = np.argwhere(np.ones((4, 5), bool))

RESOLUTION = {"keysight": 1e-4 * 2e-5}
"""What a reading may be off where it is not half of the last digit of the range of 100 uA [A]: B1500A, 5 digits."""


@contextmanager
def opened(rack: Any, **changes: object) -> Iterator[RackDriver]:
    driver: RackDriver = rack.driver(**changes)
    driver.stop = threading.Event()
    driver.open()
    try:
        yield driver
    finally:
        assert driver.safe_off() == ()
        driver.close()


@pytest.mark.parametrize("kind", KINDS)
def test_reads_the_conductances(serve: Any, kind: str) -> None:
    """Every cell within the resolution of the instrument, no relay moved hot, nothing left on."""
    rack = serve(kind)
    with opened(rack) as driver:
        found = driver.read(0, ALL, ReadConfig(voltage=0.2))
    expected = 0.2 * rack.conductances[ALL[:, 0], ALL[:, 1]]
    assert np.abs(found.current[:, 0] - expected).max() <= RESOLUTION.get(kind, 0.51e-10)
    assert (found.status == 0).all()
    assert rack.server.report() == []


@pytest.mark.parametrize("transport", ["socket", "vxi11"])
def test_reads_over_other_transports(serve: Any, transport: str) -> None:
    rack = serve("linked", transport)
    with opened(rack) as driver:
        found = driver.read(0, ALL[:3], ReadConfig(voltage=0.1))
    assert found.current[:, 0] == pytest.approx(0.1 * rack.conductances[0, :3], abs=0.51e-10)
    assert rack.server.report() == []


@pytest.mark.parametrize("mode", [Unselected.FLOAT, Unselected.GROUND, Unselected.HALF, Unselected.THIRD])
def test_bias_schemes_of_four_sources(serve: Any, mode: Unselected) -> None:
    """With ground, V/2 or V/3 on the other lines the sensing source sees what flows into its bit line."""
    rack = serve("four")
    with opened(rack) as driver:
        found = driver.read(0, np.array([[1, 2]]), ReadConfig(voltage=0.3, unselected=mode)).current[0, 0]
    g = rack.conductances
    others = g[:, 2].sum() - g[1, 2]
    if mode == Unselected.FLOAT:
        assert found > 0.3 * g[1, 2] * 1.05, "sneak currents add up"
    else:
        share = {Unselected.GROUND: 0.0, Unselected.HALF: 0.5, Unselected.THIRD: 1 / 3}[mode]
        # The bias is a 20 V range's step of 1 mV off, at most.
        assert found == pytest.approx(0.3 * g[1, 2] + share * 0.3 * others, abs=1e-3 * others + 1e-9)


def test_half_bias_with_three_sources(serve: Any) -> None:
    """One bias source gives V/2 to both kinds of lines, and V/3 is refused with the reason."""
    rack = serve("keysight")
    with opened(rack) as driver:
        found = driver.read(0, np.array([[0, 0]]), ReadConfig(voltage=0.2, unselected=Unselected.HALF)).current[0, 0]
        with pytest.raises(Unsupported, match="V/3 needs four sources"):
            driver.read(0, np.array([[0, 0]]), ReadConfig(voltage=0.2, unselected=Unselected.THIRD))
    g = rack.conductances
    assert found == pytest.approx(0.2 * g[0, 0] + 0.1 * g[1:, 0].sum(), rel=2e-3)


def test_two_sources_refuse_half_bias_with_the_reason(linked: Any) -> None:
    with opened(linked) as driver:
        assert driver.capabilities.unselected == {Unselected.FLOAT, Unselected.GROUND}
        notes = {effect.name: effect.note for effect in driver.capabilities.effects}
        assert "three sources" in notes["unselected_half"]
        with pytest.raises(Unsupported, match="V/2 needs three sources"):
            driver.read(0, ALL[:1], ReadConfig(unselected=Unselected.HALF))


def test_no_cells_and_many_repeats(linked: Any) -> None:
    """Nothing asked for is nothing measured; several readings of a cell differ in time alone, without noise."""
    with opened(linked) as driver:
        assert driver.read(0, ALL[:0], ReadConfig()).current.shape == (0, 1)
        found = driver.read(0, ALL[:2], ReadConfig(repeat=300))
        with pytest.raises(Unsupported, match="50000"):
            driver.read(0, ALL[:1], ReadConfig(repeat=50_001))
        with pytest.raises(Unsupported, match="split it"):
            driver.sweep(0, (0, 0), np.zeros(5001), ReadConfig())
    assert found.current.shape == (2, 300)
    assert (found.current == found.current[:, :1]).all()
    assert (np.diff(found.time.ravel()) > 0).all()


def test_sweep_is_one_script_without_zero_between(linked: Any) -> None:
    """All points in the order asked for, two questions for the whole sweep."""
    volts = np.array([0.0, 0.1, 0.2, 0.1, -0.1, -0.2, 0.05])
    with opened(linked) as driver:
        before = linked.server.messages
        found = driver.sweep(0, (2, 3), volts, ReadConfig(repeat=2))
        assert linked.server.messages - before <= 3
    assert found.current == pytest.approx(np.repeat(volts[:, None] * linked.conductances[2, 3], 2, axis=1), abs=2e-10)
    assert (np.diff(found.time.ravel()) > 0).all()


@pytest.mark.parametrize("kind", ["linked", "unlinked"])
def test_product_bit_by_bit(serve: Any, kind: str) -> None:
    """Signed input codes times conductances, to the resolution of the readings that are added up."""
    rack = serve(kind)
    volts = np.random.default_rng(1).uniform(-0.2, 0.2, (1, 2, 4))
    volts[0, 1, :] = 0.0
    with opened(rack) as driver:
        found = driver.mvm((0,), volts, VectorConfig(input_range=0.2, output_range=1e-3), None)
    codes = np.rint(volts[0] / 0.2 * 127) / 127 * 0.2
    assert found.current[0] == pytest.approx(codes @ rack.conductances, abs=4 * 0.51e-10)
    assert (found.current[0, 1] == 0).all()
    assert rack.server.report() == []


def test_product_of_fewer_rows_and_columns(linked: Any) -> None:
    with opened(linked) as driver:
        found = driver.mvm((0,), np.full((1, 1, 2), 0.2), VectorConfig(columns=3), None)
    assert found.codes.shape == (1, 1, 3)
    assert found.current[0, 0] == pytest.approx(0.2 * linked.conductances[:2, :3].sum(0), abs=4 * 0.51e-10)


@pytest.mark.parametrize("kind", ["linked", "unlinked", "2450", "keysight", "b2902"])
def test_compliance_is_flagged(serve: Any, kind: str) -> None:
    """A limit below the cell's current: the current stands at the limit, the reading says so."""
    rack = serve(kind)
    with opened(rack) as driver:
        found = driver.read(0, ALL[:1], ReadConfig(voltage=0.2, current_limit=1e-6))
    assert found.status[0, 0] & (Status.COMPLIANCE | Status.OTHER_COMPLIANCE)
    assert abs(found.current[0, 0]) <= 1.001e-6


def test_limit_of_the_bench_holds_where_none_is_named(linked: Any) -> None:
    """1 uA of the bench is below the 1 mA of the rack file, and below the cell's current."""
    with opened(linked) as driver:
        driver.limits = Limits(cell_voltage=0.5, current=1e-6)
        found = driver.read(0, ALL[:1], ReadConfig(voltage=0.2))
    assert found.status[0, 0] & Status.COMPLIANCE
    assert abs(found.current[0, 0]) <= 1.001e-6


@pytest.mark.parametrize("kind", ["linked", "unlinked", "keysight"])
def test_overflow_is_nan_with_a_flag(serve: Any, kind: str) -> None:
    """A fixed range that does not hold the current: never 9.9e37."""
    rack = serve(kind)
    with opened(rack) as driver:
        found = driver.read(0, ALL[:2], ReadConfig(voltage=0.2, current_range=1e-8))
    assert np.isnan(found.current).all()
    assert (found.status & Status.OVERRANGE).all()


@pytest.mark.parametrize("kind", ["linked", "unlinked"])
def test_pulses_are_timed_by_the_instrument(serve: Any, kind: str) -> None:
    rack = serve(kind)
    ground = Unselected.GROUND
    with opened(rack) as driver:
        before = rack.server.clock.now()
        driver.pulse(0, ALL[:2], Pulse(0.3, 2e-3, unselected=ground), count=5)
        assert rack.server.clock.now() - before >= 2 * 5 * 4e-3
        for wrong in (Pulse(0.3, 1e-6, unselected=ground), Pulse(0.3, 2e-3, rise=1e-3, unselected=ground)):
            with pytest.raises(Unsupported, match="square pulses of at least 1 ms"):
                driver.pulse(0, ALL[:1], wrong)
    assert rack.server.report() == []


def test_48_by_48_takes_few_round_trips(serve: Any) -> None:
    """Six cards of 6 x 16 joined at their rows: a quarter of the array in a quarter of 100 messages."""
    rack = serve("large")
    cells = np.argwhere(np.ones((12, 48), bool))
    with opened(rack) as driver:
        before = rack.server.messages
        found = driver.read(0, cells, ReadConfig(voltage=0.2))
        assert rack.server.messages - before <= 25
    assert found.current.reshape(12, 48) == pytest.approx(0.2 * rack.conductances[:12], abs=0.51e-10)
    assert rack.server.report() == []


def test_trace_of_a_rack_replays_bit_for_bit(linked: Any, tmp_path: Path) -> None:
    """Reads, sweeps, products, pulses and waits, recorded on the rack, then asked of the trace."""
    volts = np.random.default_rng(2).choice([-0.2, 0.0, 0.2], (2, 4))

    def session(bench: Bench) -> list[np.ndarray[Any, Any]]:
        read = bench[0].read(ALL[:5], ReadConfig(voltage=0.1, repeat=2))
        sweep = bench[0].sweep((1, 1), [0.0, 0.2, -0.2])
        product = bench[0].mvm(volts)
        bench[0].pulse(ALL[:1], Pulse(0.2, 1e-3, unselected=Unselected.GROUND))
        bench.wait(1.0)
        return [read.current, read.voltage, read.time, sweep.current, product.current, product.codes]

    path = tmp_path / "rack.h5"
    with xbar.open_bench(linked.bench_file(), record=path) as bench:
        first = session(bench)
    with xbar.open_bench(f"replay:{path}") as bench:
        second = session(bench)
    for one, two in zip(first, second, strict=True):
        assert np.array_equal(one, two, equal_nan=True)


def test_waits_pass_on_the_served_bench_too(linked: Any) -> None:
    """Where served instruments skip waits, a wait of an hour takes no time here and an hour there."""
    with opened(linked) as driver:
        before, there = driver.clock(), linked.server.clock.now()
        driver.wait(3600.0)
        assert driver.clock() - before >= 3600.0
        assert linked.server.clock.now() - there >= 3600.0


def test_some_tiles_on_the_rack_and_some_simulated(linked: Any, tmp_path: Path) -> None:
    """Two drivers on one bench: array 0 is the rack's, array 1 a simulated one; each multiplies for itself."""
    file = linked.path.with_name("mixed.toml")
    file.write_text(
        f"""
schema = "xbar-bench/1"
[[drivers]]
name = "chip"
driver = "rack"
address = "{linked.path.name}"
[drivers.limits]
cell_voltage = "0.5 V"
current = "1 mA"
[[drivers]]
name = "twin"
driver = "sim"
[drivers.geometry]
rows = 4
cols = 5
""",
        encoding="utf-8",
    )
    volts = np.full((1, 1, 4), 0.2)
    with xbar.open_bench(file, record=tmp_path / "mixed.h5") as bench:
        assert (len(bench), bench.driver_of(0), bench.driver_of(1)) == (2, 0, 1)
        found = bench.mvm([0], volts).current
        assert bench.mvm([1], volts).current.shape == (1, 1, 5)
    assert found[0, 0] == pytest.approx(0.2 * linked.conductances.sum(0), abs=4 * 0.51e-9)
