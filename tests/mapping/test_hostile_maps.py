"""A map file made to mislead is refused by its contents, before its hash is looked at or anything large allocated."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import xbar
from xbar.errors import FileError, FormatError
from xbar.hdf5 import write_text
from xbar.mapping.map_file import load_map
from xbar.mapping.mapped_network import MappedNetwork


def change_settings(path: Path, change: Callable[[dict[str, Any]], str | None]) -> None:
    """Change the settings of a map file; a text that `change` returns stands in their place."""
    with h5py.File(path, "r+") as file:
        settings = json.loads(file["settings"][()])
        text = change(settings)
        del file["settings"]
        write_text(file, "settings", json.dumps(settings) if text is None else text)


def put(*place: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change that puts the last of `place` where the others lead."""

    def change(settings: dict[str, Any]) -> None:
        here: Any = settings
        for part in place[:-2]:
            here = here[part]
        here[place[-2]] = place[-1]

    return change


INFINITE = float("inf")


@pytest.mark.parametrize(
    ("place", "word"),
    [
        (("tile", [128]), "damaged"),
        (("tile", "x"), "damaged"),
        (("tile", None), "damaged"),
        (("tile", [INFINITE, 64]), "infinity"),
        (("tile", [64, 7]), "larger than 64 x 7"),
        (("tile", [-5, 64]), "larger than -5 x 64"),
        (("encoding", "pairs"), "'pairs'.*differential"),
        (("encoding", "offset"), "does not fit|declares"),
        (("encoding", 7), "7 is not known"),
        (("encoding", {}), "cannot be"),
        (("encoding", {"name": "slices", "slices": 10**9, "slice_bits": 2}), "1 to 16 slices"),
        (("encoding", {"name": "slices", "slices": 2, "slice_bits": 10**9}), "slice of 1000000000 bits"),
        (("encoding", {"name": "slices", "slices": 16, "slice_bits": 8}), "make up 128 bits"),
        (("encoding", {"name": "slices", "slices": 1, "slice_bits": 1}), "another encoding"),
        (("encoding", {"name": "differential", "slices": 1, "slice_bits": 1}), "known are slices"),
        (("encoding", {"name": "slices", "slices": "4", "slice_bits": 1}), "cannot be"),
        (("matrices", {}), "at most 0 are read"),
        (("matrices", []), "at most 0 are read"),
        (("matrices", 0, "down", INFINITE), "infinity"),
        (("matrices", 0, "down", 0), "does not fit"),
        (("matrices", 0, "across", -1), "does not fit"),
        (("matrices", 0, "down", 10**12), "does not fit"),
        (("matrices", 0, "inputs", 10**12), "does not fit"),
        (("matrices", 0, "outputs", 63), "does not fit"),
        (("layers", "abc"), "damaged"),
        (("layers", []), "not those of its network"),
        (("layers", 0, "matrix", 5), "names matrix 5"),
        (("layers", 0, "matrix", 1), "does not fit"),
        (("layers", 0, "node", -1), "not those of its network"),
        (("layers", 0, "part", 1), "not those of its network"),
        (("layers", 0, "input_scale", 0), "scales its inputs by 0"),
        (("layers", 0, "input_scale", -1.0), "scales its inputs by -1"),
        (("layers", 0, "input_scale", float("nan")), "scales its inputs by nan"),
        (("layers", 0, "input_scale", INFINITE), "scales its inputs by inf"),
        (("layers", 0, "input_scale", 1e-320), "scales its inputs by 1e-320"),
        (("layers", 0, "input_scale", [1]), "damaged"),
    ],
    ids=str,
)
def test_settings_that_mislead(map_file: Path, place: tuple[Any, ...], word: str) -> None:
    change_settings(map_file, put(*place))
    with pytest.raises(FormatError, match=word) as refused:
        load_map(map_file)
    assert "its hash" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "7", "[" * 100_000], ids=["", "{", "[]", "text", "7", "deep"])
def test_settings_that_are_no_settings(map_file: Path, text: str) -> None:
    change_settings(map_file, lambda _: text)
    with pytest.raises(FormatError, match="damaged"):
        load_map(map_file)


def test_more_matrices_than_the_network_has(map_file: Path) -> None:
    """One dataset linked many times would be read as often."""
    change_settings(map_file, lambda s: s["matrices"].extend(s["matrices"] * 1000))
    with pytest.raises(FormatError, match="2002 matrices for a network of 2"):
        load_map(map_file)


@pytest.mark.parametrize("name", ["matrices/0/targets", "matrices/0/scale", "layers/0/output_range"])
def test_a_shape_that_is_declared_but_not_there(map_file: Path, name: str) -> None:
    """A few bytes declare gigabytes: the file is refused by what is declared, before it is read."""
    with h5py.File(map_file, "r+") as file:
        axes = file[name].ndim
        del file[name]
        file.create_dataset(name, shape=(2**14, 2**16, 1)[:axes], dtype="f8", chunks=True, compression="gzip")
    with pytest.raises(FormatError, match="declares"):
        load_map(map_file)


def set_target(file: Any, value: float) -> None:
    file["matrices/0/targets"][0, 0, 0] = value


def set_range(file: Any, value: float) -> None:
    file["layers/0/output_range"][0, 0] = value


@pytest.mark.parametrize(
    ("change", "value"), [(set_target, np.nan), (set_target, np.inf), (set_range, 0.0), (set_range, np.nan)]
)
def test_numbers_that_cannot_be(map_file: Path, change: Callable[[Any, float], None], value: float) -> None:
    with h5py.File(map_file, "r+") as file:
        change(file, value)
    with pytest.raises(FormatError, match="does not fit its tiles"):
        load_map(map_file)


def test_a_link_to_another_file_is_not_followed(map_file: Path) -> None:
    with h5py.File(map_file, "r+") as file:
        del file["matrices/0/targets"]
        file["matrices/0/targets"] = h5py.ExternalLink("other.h5", "/targets")
    with pytest.raises(FormatError, match="another file"):
        load_map(map_file)


@pytest.mark.parametrize("name", ["targets", "scale"])
def test_one_changed_number_does_not_match_the_hash(map_file: Path, name: str) -> None:
    with h5py.File(map_file, "r+") as file:
        values = file[f"matrices/1/{name}"]
        values[(0,) * values.ndim] = np.nextafter(values[(0,) * values.ndim], 1.0)
    with pytest.raises(FormatError, match="hash"):
        load_map(map_file)


def test_another_name_in_the_settings_does_not_match_the_hash(map_file: Path) -> None:
    change_settings(map_file, put("layers", 0, "name", "other"))
    with pytest.raises(FormatError, match="hash"):
        load_map(map_file)


def test_files_that_are_no_map(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(FormatError, match="is not an xbar map"):
        load_map(tmp_path / "empty.h5")
    (tmp_path / "text.h5").write_text("no map", encoding="utf-8")
    with pytest.raises(FileError, match="HDF5"):
        load_map(tmp_path / "text.h5")


@pytest.fixture
def compensated_file(digits_map: MappedNetwork, tmp_path: Path) -> Path:
    """Return a map in slices, compensated for wires: it says what they leave of each group of bit lines."""
    path = tmp_path / "c.h5"
    how: dict[str, Any] = {"tile": (64, 64), "encoding": "slices", "compensate_wires": "1 ohm"}
    xbar.save_map(xbar.map_network(digits_map.network, digits_map.card, **how), path)
    return path


@pytest.mark.parametrize(("value", "word"), [(np.nan, "wires leave"), (0.0, "wires leave"), (None, "left is missing")])
def test_what_wires_leave_is_checked(compensated_file: Path, value: float | None, word: str) -> None:
    with h5py.File(compensated_file, "r+") as file:
        if value is None:
            del file["matrices/0/left"]
        else:
            file["matrices/0/left"][0, 0] = value
    with pytest.raises(FormatError, match=word):
        load_map(compensated_file)


def test_a_map_of_the_other_schema(map_file: Path) -> None:
    """A map of pairs does not come as one of the encodings that old versions refuse, nor a newer one as either."""
    for schema, word in (("xbar-map/2", "has another encoding"), ("xbar-map/3", "is of schema 'xbar-map/3'")):
        with h5py.File(map_file, "r+") as file:
            file.attrs["xbar_schema"] = schema
        with pytest.raises(FormatError, match=word):
            load_map(map_file)
