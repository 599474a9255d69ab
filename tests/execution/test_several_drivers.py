"""Several drivers on one bench: arrays numbered through, limits of each, one trace, one cursor of the replay."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xbar
from xbar.bench.bench import Bench
from xbar.bench.driver import Unsafe
from xbar.bench.limits import Limits
from xbar.bench.registry import make_driver
from xbar.errors import FileError, InputError, LimitError, ReplayError
from xbar.execution.open_bench import open_bench
from xbar.trace.recorder import TraceRecorder

FILE = """
schema = "xbar-bench/1"
[[drivers]]
name = "near"
driver = "sim"
card = "pcm"
[drivers.geometry]
arrays = {near}
rows = {rows}
cols = {cols}
[drivers.limits]
cell_voltage = "0.25 V"
current = "1 mA"
[[drivers]]
name = "far"
driver = "sim"
card = "pcm"
[drivers.geometry]
arrays = {far}
rows = {rows}
cols = {cols}
"""


def lab(folder: Path, near: int = 1, far: int = 2, rows: int = 4, cols: int = 3) -> Path:
    path = folder / "lab.toml"
    path.write_text(FILE.format(near=near, far=far, rows=rows, cols=cols), encoding="utf-8")
    return path


def work(bench: Bench) -> list[Any]:
    """Do a bit of everything on all arrays; return every number that came back."""
    found: list[Any] = []
    for array in range(len(bench)):
        bench[array].program(np.full((4, 3), (5 + 5 * array) * 1e-6))
    bench.wait(10.0)
    found.append(bench[0].read_all().current)
    found.append(bench.mvm([1, 2], np.full((2, 5, 4), 0.1), xbar.VectorConfig(0.2, 20e-6)).codes)
    bench.wait(100.0)
    found.append(bench[0].mvm(np.full((2, 4), 0.1), xbar.VectorConfig(0.2, 20e-6)).codes)
    found.append(bench[2].sweep((1, 1), [0.1, 0.2]).current)
    found.append(bench.clock)
    return found


def test_arrays_are_numbered_through(tmp_path: Path) -> None:
    """Array 1 of the bench is array 0 of the second driver, a chip of its own."""
    with open_bench(lab(tmp_path)) as bench:
        assert len(bench) == 3
        assert [bench.driver_of(array) for array in range(3)] == [0, 1, 1]
        assert (bench.capabilities.arrays, bench[2].capabilities.arrays) == (3, 2)
        assert (bench.settings["near"]["seed"], bench.settings["far"]["seed"]) == (0, 1)
        bench[1].program(np.full((4, 3), 10e-6))
        mine = bench[1].read_all().current
    with open_bench("sim", card="pcm", arrays=2, rows=4, cols=3, seed=1) as alone:
        alone[0].program(np.full((4, 3), 10e-6))
        assert np.array_equal(alone[0].read_all().current, mine)
    with pytest.raises(InputError, match="array 3 does not exist"), open_bench(lab(tmp_path)) as bench:
        bench[3].read_all()


def test_a_product_takes_arrays_of_one_driver(tmp_path: Path) -> None:
    """The message names the drivers."""
    with open_bench(lab(tmp_path)) as bench, pytest.raises(InputError, match="drivers near, far"):
        bench.mvm([0, 1], np.zeros((2, 1, 4)))


def test_each_driver_keeps_its_limits(tmp_path: Path) -> None:
    """0.4 V is too much for the first driver's cells, not for those of the second; the bench tells the tightest."""
    with open_bench(lab(tmp_path)) as bench:
        assert bench.limits.cell_voltage == 0.25
        with pytest.raises(LimitError, match="250 mV"):
            bench[0].read_all(xbar.ReadConfig(voltage=0.4))
        assert bench[1].read_all(xbar.ReadConfig(voltage=0.4)).current.shape == (12, 1)


def test_clocks_are_level_after_a_wait(tmp_path: Path) -> None:
    """The driver that did less makes up for it: a wait of 10 s ends 10 s after the bench's clock."""
    with open_bench(lab(tmp_path)) as bench:
        bench[0].program(np.full((4, 3), 10e-6))
        before = bench.clock
        assert before > 0
        bench.wait(10.0)
        assert bench.clock == pytest.approx(before + 10.0)
        second = bench[1].read_all()
        assert second.time.min() >= before + 10.0


def test_a_trace_replays_all_drivers_in_one_order(tmp_path: Path) -> None:
    """Every number and the clock are those of the recording; waits are one operation of the whole bench."""
    path = tmp_path / "two.h5"
    with open_bench(lab(tmp_path), record=path) as bench:
        said = work(bench)
    with xbar.open_trace(path) as trace:
        names = [part.name for part in trace.header.drivers]
        assert names == ["near", "far"]
        assert len(trace) == 3 + 2 + 4
        assert [int(kind) for kind in trace.operations["kind"]].count(6) == 2
        assert trace.request(4 + 1).arrays == (1, 2)
    with open_bench(f"replay:{path}", record=tmp_path / "again.h5") as bench:
        assert bench.identity.model == "replay:sim:pcm + replay:sim:pcm"
        again = work(bench)
        assert bench.setting("remaining") == 0
    for one, other in zip(said, again, strict=True):
        assert np.array_equal(one, other)
    with xbar.open_trace(tmp_path / "again.h5") as trace:
        assert trace.header.drivers[1].settings["recorded"]["seed"] == 1


def test_an_operation_on_the_other_driver_is_a_miss(tmp_path: Path) -> None:
    """Both drivers share one place in the trace: what one was asked, the other cannot answer."""
    path = tmp_path / "two.h5"
    with open_bench(lab(tmp_path), record=path) as bench:
        bench[0].read_all()
        bench[1].read_all()
    with open_bench(f"replay:{path}") as bench:
        with pytest.raises(ReplayError, match=r"operation 1: .*nearest"):
            bench[1].read_all()
        bench[0].read_all()
        bench[1].read_all()
        with pytest.raises(ReplayError, match="has 2 operations"):
            bench.wait(1.0)


def test_a_wait_that_was_not_recorded_twice_is_a_miss(tmp_path: Path) -> None:
    """Two waits asked for where one was recorded are an error, though two drivers waited."""
    path = tmp_path / "two.h5"
    with open_bench(lab(tmp_path), record=path) as bench:
        bench.wait(1.0)
    with open_bench(f"replay:{path}") as bench:
        bench.wait(1.0)
        with pytest.raises(ReplayError, match="has 1 operations"):
            bench.wait(1.0)


def test_a_seed_does_not_say_which_chips(tmp_path: Path) -> None:
    """A seed in the call would make all drivers the same chip."""
    with pytest.raises(InputError, match="several drivers"):
        open_bench(lab(tmp_path), seed=3)


def test_everything_is_switched_off_where_a_later_driver_does_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first driver, open already, is switched off and closed."""
    calls: list[str] = []
    good, bad = make_driver("sim", "", {"rows": 2, "cols": 2}), make_driver("replay", str(tmp_path / "no.h5"), {})
    safe_off, close = good.safe_off, good.close

    def noted_safe_off() -> Unsafe:
        calls.append("off")
        return safe_off()

    def noted_close() -> None:
        calls.append("close")
        close()

    monkeypatch.setattr(good, "safe_off", noted_safe_off)
    monkeypatch.setattr(good, "close", noted_close)
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={})
    with pytest.raises(FileError, match="does not exist"):
        Bench({"good": good, "bad": bad}, recorder=recorder, limits=Limits(0.1, 1e-3))
    assert calls == ["off", "close"]
    assert not (tmp_path / "t.h5").exists()


@pytest.mark.parametrize("near", [1, 3])
def test_a_network_runs_over_both_and_replays(near: int, tmp_path: Path, digits: Any, digits_map: Any) -> None:
    """Tiles of one layer may lie on both drivers; the replay gives the outputs bit for bit."""
    mapped, x, y = digits_map, digits["x"], digits["y"]
    rows, cols = mapped.tile
    file = lab(tmp_path, near, mapped.arrays - near, rows, cols)
    result = xbar.run_network(mapped, x, y, bench=file, trace=tmp_path / "t.h5", at=60.0)
    assert result.accuracy is not None
    assert result.accuracy.analog > 0.8
    again = xbar.run_network(mapped, x, y, bench=f"replay:{tmp_path / 't.h5'}")
    name = mapped.network.outputs[0]
    assert np.array_equal(result.outputs[name], again.outputs[name])
