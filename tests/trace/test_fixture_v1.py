"""Traces of schema xbar-trace/1, made when it was frozen: every later version reads and replays them."""

import gzip
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import xbar
from xbar.bench.bench import Bench
from xbar.bench.limits import Limits
from xbar.errors import ReplayError
from xbar.execution.open_bench import open_bench
from xbar.execution.replay_trace import replay_trace
from xbar.trace.reader import open_trace
from xbar.trace.recovery import recover
from xbar.trace.verification import verify

DATA = Path(__file__).parents[1] / "data" / "trace_v1"
CONTENT = {"board": "board", "killed": "board", "packed": "board", "network": "network", "full": "full"}
"""The traces, and whose content each has."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the traces."""
    path = tmp_path_factory.mktemp("v1")
    for name in CONTENT:
        (path / f"{name}.h5").write_bytes(gzip.decompress((DATA / f"{name}.h5.gz").read_bytes()))
    return path


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """Return the script that made them."""
    spec = importlib.util.spec_from_file_location("make_trace_v1", DATA / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", CONTENT)
def test_it_is_whole(folder: Path, name: str) -> None:
    """Nothing is damaged; the killed one alone did not end."""
    found = verify(folder / f"{name}.h5")
    killed = name == "killed"
    count = len(json.loads((DATA / f"{CONTENT[name]}.json").read_text(encoding="utf-8")))
    assert (found.operations, found.damaged, found.complete) == (count, False, not killed)
    assert (found.state, found.status) == (("open", "open") if killed else ("closed", "ok"))


@pytest.mark.parametrize("name", CONTENT)
def test_every_number_is_read_as_it_was(folder: Path, make: ModuleType, name: str) -> None:
    said, arrays = make.content(folder / f"{name}.h5")
    assert said == json.loads((DATA / f"{CONTENT[name]}.json").read_text(encoding="utf-8"))
    with np.load(DATA / f"{CONTENT[name]}.npz", allow_pickle=False) as expected:
        assert arrays.keys() == set(expected.files)
        for key, values in arrays.items():
            assert (values.dtype, values.shape) == (expected[key].dtype, expected[key].shape), key
            assert values.tobytes() == expected[key].tobytes(), key


def test_heads(folder: Path) -> None:
    """What was known when the bench opened, and where the trace comes from."""
    with open_trace(folder / "board.h5") as trace:
        assert [part.name for part in trace.header.drivers] == ["left", "right"]
        left, right = (part.capabilities for part in trace.header.drivers)
        assert (left.dac_bits, left.adc_bits, right.dac_bits, right.adc_bits) == (8, 12, None, None)
        assert trace.header.drivers[0].identity.serial == "17 µ"
        assert trace.provenance["sample"] == {"wafer": "W1", "die": "3,4"}
        assert trace.level == "full"
    with open_trace(folder / "network.h5") as trace:
        assert sorted(trace.embedded) == ["data.npz", "map.h5"]
        assert trace.result is not None
        assert 0.5 < trace.result["accuracy"]["analog"] <= 1.0


@pytest.mark.parametrize("name", ["board", "killed", "packed"])
def test_the_board_replays(folder: Path, make: ModuleType, tmp_path: Path, name: str) -> None:
    """The same operations get the same answers, and the recorded error; what was killed is a beginning."""
    again = tmp_path / "again.h5"
    with open_bench(f"replay:{folder / name}.h5", record=again, level="full") as bench:
        make.operate(bench)
        if name == "killed":
            with pytest.raises(ReplayError, match="its writer was stopped"):
                bench.wait(1.0)
        else:
            with pytest.raises(ReplayError, match="the run that it recorded ended there"):
                bench.wait(1.0)
    said, arrays = make.content(again)
    assert said[:-1] == json.loads((DATA / "board.json").read_text(encoding="utf-8"))
    with np.load(DATA / "board.npz", allow_pickle=False) as expected:
        for key in expected.files:
            assert arrays[key].tobytes() == expected[key].tobytes(), key


def test_a_changed_operation_does_not_replay(folder: Path, make: ModuleType) -> None:
    """A negative control: one voltage a converter step away."""
    with open_bench(f"replay:{folder / 'board.h5'}") as bench:
        original = bench.mvm

        def moved(arrays, voltages, *rest):  # type: ignore[no-untyped-def]  # stands for a method
            changed = voltages.copy()
            changed[0, 0, 3] += 0.2 / 127 * (-1 if changed[0, 0, 3] > 0 else 1)
            return original(arrays, changed, *rest)

        bench.mvm = moved  # type: ignore[method-assign]  # so that the script asks for something else
        with pytest.raises(ReplayError, match="first vector 0, array 0"):
            make.operate(bench)


def test_the_network_replays_from_the_trace_alone(folder: Path) -> None:
    report = replay_trace(folder / "network.h5")
    assert report.reproduced
    assert all(row.reproduced for row in report.rows if row.name == "accuracy")


def test_the_network_replays_with_its_map_and_data(folder: Path, make: ModuleType) -> None:
    """A trace with nothing embedded: the same map and data, made anew, are those of the trace."""
    mapped, data = make.network_data()
    with open_trace(folder / "full.h5") as trace:
        recorded = trace.result
    assert recorded is not None
    run = xbar.run_network(mapped, data["x"], data["y"], bench=f"replay:{folder / 'full.h5'}")
    assert run.accuracy is not None
    assert run.accuracy.analog == recorded["accuracy"]["analog"]


def test_the_killed_one_is_recovered(folder: Path, tmp_path: Path) -> None:
    done = recover(folder / "killed.h5", tmp_path / "saved.h5")
    with open_trace(tmp_path / "saved.h5") as saved, open_trace(folder / "board.h5") as board:
        assert len(saved) == len(board) == done.operations
        assert saved.complete


def test_the_boards_would_answer_the_same(folder: Path, make: ModuleType) -> None:
    """The numbers in the trace are those that the drivers gave: they do not come from the reader alone."""
    readings = []

    class Listener:
        def start(self, header: object) -> None: ...
        def record(self, operation: object) -> None:
            readings.append(operation.readings)  # type: ignore[attr-defined]  # an Operation

        def flush(self) -> None: ...
        def conclude(self, result: object) -> None: ...
        def close(self, status: str) -> None: ...

    with Bench(make.boards(), address="lab.toml", recorder=Listener(), limits=Limits(1.0, 1e-3)) as bench:
        make.operate(bench)
    with np.load(DATA / "board.npz", allow_pickle=False) as expected:
        for number, reading in enumerate(readings):
            for name, values in ({} if reading is None else vars(reading)).items():
                assert np.array_equal(values, expected[f"{number}_{name}"], equal_nan=values.dtype.kind == "f")
