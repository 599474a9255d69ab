"""HDF5 at the edge: what is opened, what is refused, and how new files come into being."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from xbar import hdf5
from xbar.errors import FileError, FormatError, InputError


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Any]:
    """Give an HDF5 file open for writing, to make what is then looked at."""
    with h5py.File(tmp_path / "f.h5", "w") as opened:
        yield opened


def test_a_finished_file_opens_closed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as made:
        made["x"] = 1.0
    opened, state = hdf5.open_file(tmp_path / "f.h5")
    with opened:
        assert state == "closed"
        assert opened["x"][()] == 1.0
        assert opened.mode == "r"


LEFT_OPEN = """
import os, sys, h5py
file = h5py.File(sys.argv[1], "w", libver="latest")
file.create_dataset("x", (3,), "f8", chunks=(3,), maxshape=(None,))
file.flush()
if sys.argv[2] == "swmr":
    file.swmr_mode = True
os._exit(0)
"""


@pytest.mark.parametrize("mode", ["swmr", "plain"])
def test_an_unfinished_file_opens_only_where_it_was_prepared_for_it(tmp_path: Path, mode: str) -> None:
    """A writer that stopped under SWMR leaves a readable file; one that stopped before left nothing."""
    path = tmp_path / "f.h5"
    subprocess.run([sys.executable, "-c", LEFT_OPEN, str(path), mode], check=True)
    if mode == "plain":
        with pytest.raises(FileError, match="before anything was recorded"):
            hdf5.open_file(path)
        return
    opened, state = hdf5.open_file(path)
    with opened:
        assert state == "open"
        assert opened["x"].shape == (3,)


def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    """A file that another program is making is locked, and that is said."""
    code = 'import sys, h5py; f = h5py.File(sys.argv[1], "w"); print("ready", flush=True); sys.stdin.read()'
    command = [sys.executable, "-c", code, str(tmp_path / "f.h5")]
    # HDF5 writes the first bytes at the first flush: make them, so that it is the lock that refuses.
    command[2] = code.replace("print(", "f.flush(); print(")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        with pytest.raises(FileError, match=r"in use by another program|cannot be read"):
            hdf5.open_file(tmp_path / "f.h5")
        process.communicate(b"")


def test_what_is_not_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_bytes(b"hello" * 1000)
    for name, message in (
        ("none", "does not exist"),
        ("", "folder"),
        ("empty", "is empty"),
        ("text", "not an HDF5"),
    ):
        with pytest.raises(FileError, match=message):
            hdf5.open_file(tmp_path / name)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with h5py.File(path, "w", libver="latest") as made:
        made["x"] = np.arange(1000.0)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(FileError, match="damaged or cut off"):
        hdf5.open_file(path)


def test_a_user_block_is_accepted(tmp_path: Path) -> None:
    """Programs that write something of their own before HDF5's signature are allowed to."""
    with h5py.File(tmp_path / "f.h5", "w", userblock_size=1024) as made:
        made["x"] = 1.0
    opened, _ = hdf5.open_file(tmp_path / "f.h5")
    opened.close()


# ---- links and datasets
def test_links_inside_the_file_are_followed(file: Any) -> None:
    file["a/b/x"] = np.arange(3)
    file["soft"] = h5py.SoftLink("/a/b")
    file["a/relative"] = h5py.SoftLink("b/x")
    file["chain"] = h5py.SoftLink("soft/x")
    for name in ("a/b/x", "/a/b/x", "soft/x", "a/relative", "chain", "a/./b/x"):
        assert hdf5.find(file, name)[2] == 2
    assert hdf5.find(file["a"], "relative")[2] == 2


def _external_link(file: Any) -> None:
    file["x"] = h5py.ExternalLink("other.h5", "/x")


def _soft_to_external(file: Any) -> None:
    file["out"] = h5py.ExternalLink("other.h5", "/")
    file["x"] = h5py.SoftLink("/out/x")


def _circle(file: Any) -> None:
    file["x"], file["y"] = h5py.SoftLink("/y"), h5py.SoftLink("/x")


def _external_storage(file: Any) -> None:
    file.create_dataset("x", (10,), "f8", external=[("/etc/passwd", 0, 80)])


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((10,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (10,))
    file.create_virtual_dataset("x", layout)


def _huge(file: Any) -> None:
    file.create_dataset("x", (10**12,), "f8", chunks=(1000,))


def _huge_chunk(file: Any) -> None:
    file.create_dataset("x", (10,), "f8", chunks=(2**27,), maxshape=(None,))


def _other_kind(file: Any) -> None:
    file["x"] = np.arange(10)


def _other_axes(file: Any) -> None:
    file["x"] = np.zeros((10, 1))


def _references(file: Any) -> None:
    file.create_dataset("x", (10,), h5py.ref_dtype)


def _variable(file: Any) -> None:
    file.create_dataset("x", (10,), h5py.vlen_dtype(np.float64))


def _compound(file: Any) -> None:
    file.create_dataset("x", (10,), np.dtype([("a", "f8", (1000,))]))


def _nothing(file: Any) -> None:
    file["x"] = h5py.Empty("f8")


def _group(file: Any) -> None:
    file.create_group("x")


def _missing(file: Any) -> None:
    file["y"] = 1.0


def _foreign_filter(file: Any) -> None:
    file.create_dataset("x", data=np.zeros(10), chunks=(10,), **hdf5plugin.LZ4())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_external_link, "links to the outside"),
        (_soft_to_external, "links to the outside"),
        (_circle, "soft links in a row"),
        (_external_storage, "external storage"),
        (_virtual, "virtual dataset"),
        (_huge, "at most 100 are read"),
        (_huge_chunk, "chunks of"),
        (_other_kind, "expected is one of the kinds f"),
        (_other_axes, "expected are 1 axes"),
        (_references, "kinds"),
        (_variable, "kinds"),
        (_compound, "kinds"),
        (_nothing, "axes"),
        (_group, "not a dataset"),
        (_missing, "is missing"),
        (_foreign_filter, "filter 32004"),
    ],
)
def test_hostile_datasets_are_refused(file: Any, make: Callable[[Any], None], message: str) -> None:
    """Nothing outside the file is opened, nothing above the limit allocated; the dataset is named."""
    make(file)
    with pytest.raises(FormatError, match=message) as caught:
        hdf5.read_array(file, "x", kinds="f", ndim=1, max_items=100)
    assert "x" in str(caught.value)


def test_a_name_that_leads_through_a_dataset_is_refused(file: Any) -> None:
    file["x"] = 1.0
    with pytest.raises(FormatError, match="is a dataset"):
        hdf5.find(file, "x/y")


def test_arrays_come_in_native_byte_order(file: Any) -> None:
    file["x"] = np.arange(6, dtype=">f4").reshape(2, 3)
    values = hdf5.read_array(file, "x", kinds="f", ndim=2, max_items=6)
    assert values.dtype == np.float32
    assert values.dtype.isnative
    assert values.tolist() == [[0, 1, 2], [3, 4, 5]]
    file["scalar"] = 2.5
    assert hdf5.read_array(file, "scalar", kinds="f", ndim=0, max_items=1) == 2.5


@pytest.mark.parametrize("options", [{"compression": "gzip", "shuffle": True}, dict(hdf5plugin.Zstd())])
def test_packed_arrays_are_read(file: Any, options: dict[str, Any]) -> None:
    file.create_dataset("x", data=np.arange(100.0), chunks=(10,), **options)
    assert hdf5.read_array(file, "x", kinds="f", ndim=1, max_items=100).sum() == 4950


# ---- texts and attributes
@pytest.mark.parametrize("text", ["", "plain", "µS\nand more", "x" * 100_000])
def test_texts_come_back(file: Any, text: str) -> None:
    hdf5.write_text(file, "t", text)
    file["plain"] = text
    assert hdf5.read_text(file, "t") == text
    assert hdf5.read_text(file, "plain") == text


def test_wrong_texts_are_refused(file: Any) -> None:
    hdf5.write_text(file, "long", "x" * 100)
    file["variable"] = "x" * 100
    file.create_dataset("latin", data=np.bytes_(b"\xff\xfe"))
    file.create_dataset("list", data=np.array([b"a", b"b"]))
    file["number"] = 1.0
    file.create_dataset("references", (), h5py.ref_dtype)
    for name in ("long", "variable", "latin", "list", "number", "references"):
        with pytest.raises(FormatError, match=name):
            hdf5.read_text(file, name, max_bytes=50)


def test_attributes(file: Any) -> None:
    file.attrs.update(text="µS", number=2.5, whole=3, many=[1.0, 2.0], fixed=np.bytes_(b"ab"))
    assert [hdf5.read_attribute(file, name) for name in ("text", "number", "whole", "fixed", "none")] == [
        "µS",
        2.5,
        3.0,
        "ab",
        None,
    ]
    with pytest.raises(FormatError, match="many"):
        hdf5.read_attribute(file, "many")


def test_units_and_names_are_written(file: Any) -> None:
    file["x"] = 1.0
    hdf5.describe(file["x"], "S", "Conductance")
    assert hdf5.read_attribute(file["x"], "units") == "S"
    assert hdf5.read_attribute(file["x"], "long_name") == "Conductance"


# ---- new files
def test_a_new_path_is_left_alone(tmp_path: Path) -> None:
    assert hdf5.new_path(tmp_path / "x.h5") == tmp_path / "x.h5"
    assert list(tmp_path.iterdir()) == []


def test_force_renames_to_the_next_free_name(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    for content in ("first", "second"):
        path.write_text(content)
        with pytest.raises(FileError, match="give --force"):
            hdf5.new_path(path)
        assert path.read_text() == content
        hdf5.new_path(path, force=True)
        assert not path.exists()
    assert (tmp_path / "x.1.h5").read_text() == "first"
    assert (tmp_path / "x.2.h5").read_text() == "second"


def test_checking_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_text("old")
    hdf5.check_new_path(path, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_places_where_nothing_can_be_made_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="does not exist"):
        hdf5.new_path(tmp_path / "none" / "x.h5")
    with pytest.raises(FileError, match="is a folder"):
        hdf5.new_path(tmp_path, force=True)
    # As root every folder is writable, so the system's answer is replaced.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileError, match="not writable"):
        hdf5.new_path(tmp_path / "x.h5")


def test_an_atomic_file_is_whole_or_absent(tmp_path: Path) -> None:
    """The name appears at the end of the block, with everything; after an error nothing is left."""
    path = tmp_path / "x.h5"
    with hdf5.atomic_file(path) as partial, h5py.File(partial, "w") as made:
        made["x"] = 1.0
        assert not path.exists()
    with h5py.File(path) as whole:
        assert whole["x"][()] == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (InputError("mine"), InputError, "mine"),
        (OSError(28, "No space left on device"), FileError, "No space left"),
        (KeyboardInterrupt("now"), KeyboardInterrupt, "now"),
    ],
)
def test_an_error_leaves_no_half_file(tmp_path: Path, error: BaseException, kind: Any, message: str) -> None:
    """The partial file is removed, an older file stays, and the system's errors become ours."""
    (tmp_path / "x.h5").write_text("old")

    def fail() -> None:
        with hdf5.atomic_file(tmp_path / "x.h5") as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(kind, match=message):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]
    assert (tmp_path / "x.h5").read_text() == "old"
