"""A run on a rack that was cut off goes on: recorded products are not measured again, stopped ones are."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.bench.operation import OperationKind
from xbar.bench.status import Status
from xbar.errors import DriverError, Interrupted, ReplayError, XbarError
from xbar.execution.results import RunResult
from xbar.mapping.bare_weights import network_of
from xbar.mapping.mapped_network import MappedNetwork
from xbar_drivers.rack.tsp_scan import TspScanner

Whole = tuple[NDArray[Any], list[int]]

X = np.random.default_rng(4).uniform(-1, 1, (12, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def mapped() -> MappedNetwork:
    """Return a map of one matrix on the four rows and four of the five columns of the array."""
    weights = np.random.default_rng(3).standard_normal((4, 2)).astype(np.float32)
    return xbar.map_network(network_of(weights, "w"), xbar.load_card("generic"), tile=(4, 5))


def measure(rack: Any, mapped: MappedNetwork, trace: Path, **how: Any) -> RunResult:
    """Run on what stands on the rack's array."""
    settings = {"batch": 2, "program": False, "error_samples": 0, **how}
    return xbar.run_network(mapped, X, bench=rack.bench_file(), trace=trace, **settings)


def values(run: RunResult) -> NDArray[Any]:
    return next(iter(run.outputs.values()))


def on_scan(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Do something before every scan of the instruments, which is told its number from 1; scans hold 20 readings."""
    monkeypatch.setattr("xbar_drivers.rack.tsp_scan.MOST_STEPS", 20)
    scan, seen = TspScanner.scan, [0]

    def scanned(self: TspScanner, *arguments: Any) -> Any:
        seen[0] += 1
        act(seen[0])
        return scan(self, *arguments)

    monkeypatch.setattr(TspScanner, "scan", scanned)


def measure_badly(
    rack: Any, mapped: MappedNetwork, trace: Path, act: Callable[[int], None], error: type[BaseException], message: str
) -> None:
    """Run while something is done before scans, which ends the run."""
    with pytest.MonkeyPatch.context() as patch:
        on_scan(patch, act)
        with pytest.raises(error, match=message):
            measure(rack, mapped, trace)


@pytest.fixture(scope="module")
def whole(linked: Any, mapped: MappedNetwork, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Return the outputs of a run that is not cut off, and how many scans it had done behind each product."""
    seen, behind = [0], list[int]()

    def progress(what: str, done: int, total: int) -> None:
        behind.append(seen[0])

    with pytest.MonkeyPatch.context() as patch:
        on_scan(patch, lambda number: seen.__setitem__(0, number))
        run = measure(linked, mapped, tmp_path_factory.mktemp("whole") / "whole.h5", progress=progress)
    return values(run), behind


def check_resumed(rack: Any, mapped: MappedNetwork, folder: Path, whole: Whole, recorded: int, again: int) -> None:
    """Resume old.h5: the outputs of a whole run, `recorded` products answered from the trace, the rest measured."""
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        on_scan(patch, asked.append)
        run = measure(rack, mapped, folder / "new.h5", resume=folder / "old.h5")
    assert np.array_equal(values(run), whole[0])
    with xbar.open_trace(folder / "new.h5") as new, xbar.open_trace(folder / "old.h5") as old:
        assert len(new) == 6
        assert (new.provenance["resumed"]["operations"], new.provenance["resumed"]["done_again"]) == (recorded, again)
        ended = new.operations["ended"]
        assert (np.diff(ended) > 0).all()
        assert np.array_equal(ended[:recorded], old.operations["ended"][:recorded])
        # Two vectors of both signs and five columns take at most 2 x 70 readings.
        assert 0 < len(asked) <= (6 - recorded) * 7
    replayed = xbar.run_network(mapped, X, bench=f"replay:{folder / 'new.h5'}", error_samples=0)
    assert np.array_equal(values(replayed), whole[0])


def test_after_an_exception(linked: Any, mapped: MappedNetwork, whole: Whole, tmp_path: Path) -> None:
    def progress(what: str, done: int, total: int) -> None:
        if done == 6:
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        measure(linked, mapped, tmp_path / "old.h5", progress=progress)
    check_resumed(linked, mapped, tmp_path, whole, 3, 0)


def test_after_ctrl_c_in_a_product(linked: Any, mapped: MappedNetwork, whole: Whole, tmp_path: Path) -> None:
    """The product that was stopped stands in the old trace with its flag, and is measured again as a whole."""
    behind = whole[1]

    def stop(number: int) -> None:
        if number == behind[2] + 2:
            signal.raise_signal(signal.SIGINT)

    measure_badly(linked, mapped, tmp_path / "old.h5", stop, Interrupted, "Ctrl-C")
    with xbar.open_trace(tmp_path / "old.h5") as old:
        assert (old.status, len(old)) == ("aborted", 4)
        assert (np.asarray(old.readings(3).status) & Status.ABORTED).any()  # type: ignore[union-attr]  # it has readings
    check_resumed(linked, mapped, tmp_path, whole, 3, 1)


@pytest.mark.parametrize("product", [2, 5])
def test_after_a_lost_connection(
    product: int, linked: Any, mapped: MappedNetwork, whole: Whole, tmp_path: Path
) -> None:
    """Readings up to the loss are in the old trace; the run fails and has no result, also in its last product."""
    behind = whole[1]

    def lose(number: int) -> None:
        if number >= behind[product - 1] + 2:
            raise DriverError("the cable is out")

    measure_badly(linked, mapped, tmp_path / "old.h5", lose, DriverError, "the cable is out")
    with xbar.open_trace(tmp_path / "old.h5") as old:
        assert (old.status, old.result) == ("failed", None)
        assert np.isnan(old.readings(product).current).any()  # type: ignore[union-attr]  # it has readings
        recorded = len(old)
    check_resumed(linked, mapped, tmp_path, whole, product, recorded - product)


KILLED = """
import os, sys
import numpy as np
import xbar

def progress(what, done, total):
    if done == 8:
        os._exit(9)  # as kill -9: nothing is closed

xbar.run_network(
    xbar.load_map(sys.argv[1]), np.load(sys.argv[2]), bench=sys.argv[3], trace=sys.argv[4], progress=progress,
    batch=2, program=False, error_samples=0, flush=0, threads=1
)
"""


def test_after_kill(linked: Any, mapped: MappedNetwork, whole: Whole, tmp_path: Path) -> None:
    """The instruments are free again, nothing was left on between two products, and the trace is taken up."""
    xbar.save_map(mapped, tmp_path / "m.h5")
    np.save(tmp_path / "x.npy", X)
    words = [tmp_path / "m.h5", tmp_path / "x.npy", linked.bench_file(), tmp_path / "old.h5"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, words)], check=False, capture_output=True)
    assert killed.returncode == 9, killed.stderr
    check_resumed(linked, mapped, tmp_path, whole, 4, 0)


def test_another_rack_is_refused(linked: Any, serve: Any, mapped: MappedNetwork, tmp_path: Path) -> None:
    """Another way of reading, and other instruments: nothing is driven."""
    measure(linked, mapped, tmp_path / "old.h5")
    slower = linked.bench_file()
    slower.write_text(slower.read_text(encoding="utf-8") + "[options]\nnplc = 1.0\n", encoding="utf-8")
    with pytest.raises(ReplayError, match=r"settings, nplc was 0.1, it is 1.0 now"):
        xbar.run_network(
            mapped, X, bench=slower, trace=tmp_path / "n.h5", resume=tmp_path / "old.h5", batch=2, program=False
        )
    other = serve("2450")
    with pytest.raises(XbarError, match=r"model was 'emulated:2636B\+3706A', it is 'emulated:2450\+2450\+707B'"):
        measure(other, mapped, tmp_path / "n.h5", resume=tmp_path / "old.h5")
    assert not (tmp_path / "n.h5").exists()


def test_the_clock_goes_on_where_the_wall_is(linked: Any, tmp_path: Path) -> None:
    """Time that passed since the run was cut off has passed for the cells too: the clock knows."""
    with xbar.open_bench(linked.bench_file(), record=tmp_path / "old.h5") as bench:
        bench.read(0, [(0, 0)])
    with xbar.open_trace(tmp_path / "old.h5") as old:
        ended, wall = float(old.operations["ended"][0]), float(old.operations["wall"][0])
    with xbar.open_bench(linked.bench_file(), record=tmp_path / "new.h5", resume=tmp_path / "old.h5") as bench:
        bench.read(0, [(0, 0)])
        assert bench.clock == pytest.approx(ended, abs=0.5)
        bench.read(0, [(0, 1)])
    with xbar.open_trace(tmp_path / "new.h5") as new:
        assert [operation.request.kind for operation in new] == [OperationKind.READ] * 2
        passed = float(new.operations["wall"][1]) - wall
        assert float(new.operations["started"][1]) >= ended
        assert float(new.operations["ended"][1]) - ended == pytest.approx(passed, abs=0.5)
