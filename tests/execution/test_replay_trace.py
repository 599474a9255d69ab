"""A trace alone runs again and says of each result whether it is reproduced."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.errors import FormatError, ReplayError
from xbar.execution.data_file import Data
from xbar.execution.embedding import embedded_files, embedded_map
from xbar.execution.replay_trace import replay_trace
from xbar.mapping.map_file import map_hash
from xbar.mapping.mapped_network import MappedNetwork


@pytest.fixture
def trace(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path) -> Path:
    path = tmp_path / "t.h5"
    xbar.run_network(digits_map, digits["x"], digits["y"], trace=path, seed=2, at=3600.0)
    return path


def test_every_result_is_reproduced(trace: Path) -> None:
    report = replay_trace(trace)
    assert report.reproduced
    names = [row.name for row in report.rows]
    assert names[:2] == ["accuracy, digital", "accuracy, analog"]
    assert len(names) == 2 + 2 * 2 + 1
    assert all(row.reproduced for row in report.rows)
    assert report.run.seed == 2
    assert report.to_dict()["reproduced"] is True


def test_a_changed_result_is_told(trace: Path) -> None:
    """What the file says it gave is compared with what its operations give."""
    with h5py.File(trace, "r+") as file:
        text = file["run/result"][()].decode()
        file["run/result"][()] = np.bytes_(text.replace('"analog": 0.', '"analog": 1.', 1).encode())
    report = replay_trace(trace)
    assert not report.reproduced
    assert [row.name for row in report.rows if not row.reproduced] == ["accuracy, analog"]


def test_map_and_data_travel_with_the_trace(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], trace: Path
) -> None:
    with xbar.open_trace(trace) as opened:
        files = opened.embedded
    assert map_hash(embedded_map(files["map.h5"])) == map_hash(digits_map)
    assert sorted(files) == ["data.npz", "map.h5"]
    big = {"x": np.zeros(8_100_000)}
    assert embedded_files(digits_map, big, None) == {}


def test_without_embedding_the_trace_says_what_it_lacks(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    path = tmp_path / "bare.h5"
    xbar.run_network(digits_map, digits["x"], digits["y"], trace=path, embed=False)
    with xbar.open_trace(path) as opened:
        assert opened.embedded == {}
    with pytest.raises(FormatError, match="--no-embed"):
        replay_trace(path)


def test_other_data_are_refused_by_their_hash(trace: Path, digits: dict[str, NDArray[Any]]) -> None:
    name = "x"
    other = Data({name: digits["x"] + np.float32(1e-7)}, digits["y"])
    with pytest.raises(ReplayError, match="hash"):
        replay_trace(trace, other)
    assert replay_trace(trace, Data({name: digits["x"]}, digits["y"])).reproduced


def test_a_run_that_did_not_end_has_nothing_to_compare(digits_map: MappedNetwork, tmp_path: Path) -> None:
    """The bench closed after an error: the operations are there, the result is not."""
    path = tmp_path / "t.h5"
    files = embedded_files(digits_map, {"x": np.zeros((1, 64), np.float32)}, None)
    with pytest.raises(RuntimeError), xbar.open_bench("sim", record=path, embedded=files) as bench:  # noqa: PT012  # the block is the test
        bench.wait(1.0)
        raise RuntimeError
    with xbar.open_trace(path) as opened:
        assert opened.result is None
    with pytest.raises(FormatError, match="did not end"):
        replay_trace(path)
