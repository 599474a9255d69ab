"""The size of a trace is told before the run, and a disk without room is refused before anything is written."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.errors import FileError
from xbar.execution.trace_size import trace_size
from xbar.mapping.mapped_network import MappedNetwork


@pytest.mark.parametrize("level", ["outputs", "full"])
def test_the_size_told_is_the_size_taken(
    conv_map: MappedNetwork, images: NDArray[np.float32], tmp_path: Path, level: Any
) -> None:
    """Two runs of different length: what the longer takes more is foreseen to a tenth."""
    many = np.concatenate([images] * 40)
    taken, told = [], []
    for number, x in enumerate((many[:300], many)):
        path = tmp_path / f"{number}.h5"
        xbar.run_network(conv_map, x, trace=path, level=level, embed=False, error_samples=0)
        taken.append(path.stat().st_size)
        told.append(trace_size(conv_map, {"x": x}, batch=100, level=level))
    assert told[1] - told[0] == pytest.approx(taken[1] - taken[0], rel=0.25)
    assert trace_size(conv_map, {"x": images}, batch=100, level="off") == 0


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_without_room_is_refused(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 50_000_100, 50_000_100))
    with pytest.raises(FileError, match="50 MB free"):
        xbar.run_network(digits_map, digits["x"], trace=tmp_path / "t.h5")
    assert not (tmp_path / "t.h5").exists()
