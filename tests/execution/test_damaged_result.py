"""What a trace says it gave may be changed: the replay tells what differs, or that the file is damaged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.errors import FormatError
from xbar.execution.replay_trace import replay_trace
from xbar.mapping.mapped_network import MappedNetwork


@pytest.fixture
def trace(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path) -> Path:
    """Return the trace of a short run."""
    path = tmp_path / "t.h5"
    xbar.run_network(digits_map, digits["x"], digits["y"], trace=path)
    return path


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the result that a trace holds, in the room that it has."""
    with h5py.File(path, "r+") as file:
        result = json.loads(file["run/result"][()])
        edit(result)
        file["run/result"][()] = np.bytes_(json.dumps(result).encode())


def test_a_layer_that_is_gone_is_told(trace: Path) -> None:
    """Layers that were taken out of the record are not passed over as reproduced."""
    change(trace, lambda result: result["layers"].pop())
    report = replay_trace(trace)
    assert not report.reproduced
    assert [row.name for row in report.rows if not row.reproduced] == ["number of layers"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda result: result.update(accuracy=None),
        lambda result: result.update(accuracy={}),
        lambda result: result.update(layers=[1, 2]),
        lambda result: result.update(layers=None),
        lambda result: result.update(outputs=[]),
        lambda result: result.update(error_samples="many"),
        lambda result: result.update(error_samples=-1),
        lambda result: result.update(error_samples=float("inf")),
    ],
)
def test_a_result_that_cannot_be_read_is_damaged(trace: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    change(trace, edit)
    with pytest.raises(FormatError, match="damaged"):
        replay_trace(trace)
