"""Drawing a file by what it is."""

from pathlib import Path

import h5py
import pytest

import xbar
from xbar.errors import FileError, FormatError, InputError
from xbar.execution.results import RunResult
from xbar.figures.draw import draw
from xbar.mapping.mapped_network import MappedNetwork


def test_a_map_is_recognised(mapped: MappedNetwork, tmp_path: Path) -> None:
    xbar.save_map(mapped, tmp_path / "m.h5")
    assert draw(tmp_path / "m.h5").get_suptitle().startswith("Map for card pcm")
    with pytest.raises(InputError, match="array 77 does not exist"):
        draw(tmp_path / "m.h5", 77)


def test_a_trace_is_recognised(run: tuple[RunResult, Path]) -> None:
    assert draw(run[1], 2).get_suptitle().startswith("Trace run.h5 of sim:pcm: array 2")


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (None, "no xbar schema"),
        ("other/1", "is of schema 'other/1'; drawn are maps"),
        ("xbar-map/99", "this version reads"),
        ("xbar-trace/99", "install a matching version"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, schema: str | None, says: str) -> None:
    """Another kind of HDF5 file, and another version of a map or trace, are told apart."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        if schema is not None:
            file.attrs["xbar_schema"] = schema
    with pytest.raises(FormatError, match=says):
        draw(path)


def test_a_file_that_is_no_hdf5(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_text("no")
    with pytest.raises(FileError, match="not an HDF5 file"):
        draw(tmp_path / "x.h5")
