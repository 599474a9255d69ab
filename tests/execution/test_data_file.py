"""Data files: what is samples is read; what is damaged, pickled, locked, too large or no array is refused."""

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from xbar.errors import FileError, FormatError, InputError
from xbar.execution import data_file
from xbar.execution.data_file import load_arrays, load_data


def packed(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def archive(path: Path, **entries: bytes) -> Path:
    """Write a zip archive; "_" in a name stands for the dot."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name.replace("_", "."), content)
    return path


def test_inputs_and_labels_are_told_apart(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", left=np.ones((4, 2)), right=np.zeros((4, 3)), y=np.arange(4))
    data = load_data(tmp_path / "d.npz")
    assert sorted(data.inputs) == ["left", "right"]
    assert data.labels is not None
    first = data.first(3)
    assert first.labels is not None
    assert [len(first.inputs["left"]), len(first.labels)] == [3, 3]
    assert data.first(None) is data
    for samples in (0, -1, 5):
        with pytest.raises(InputError, match="1 to 4"):
            data.first(samples)


def test_what_is_no_array_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"'readme.txt', which is no array"):
        load_data(archive(tmp_path / "d.npz", x_npy=packed(np.zeros((2, 3))), readme_txt=b"hello"))


def test_archives_without_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "y.npz", y=np.arange(3))
    np.savez(tmp_path / "scalar.npz", x=np.float64(3))
    np.savez(tmp_path / "none.npz", x=np.zeros((0, 4)))
    archive(tmp_path / "empty.npz")
    for name in ("y", "scalar", "none", "empty"):
        with pytest.raises(FormatError, match=r"no input|empty"):
            load_data(tmp_path / f"{name}.npz")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    """An object whose unpickling would leave a mark leaves none."""

    class Mark:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "mark").write_text, ("hit",))

    np.savez(tmp_path / "d.npz", x=np.array([Mark()], dtype=object))
    with pytest.raises(FormatError, match="pickled objects, which are never loaded"):
        load_data(tmp_path / "d.npz")
    assert not (tmp_path / "mark").exists()


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes in the directory of the archive are added before anything is unpacked."""
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((1000, 100)))
    assert (tmp_path / "d.npz").stat().st_size < 10_000
    monkeypatch.setattr(data_file, "LARGEST", 500_000)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("was unpacked"))
    with pytest.raises(FormatError, match="800128 bytes"):
        load_data(tmp_path / "d.npz")


def test_an_array_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with pytest.raises(FormatError, match=r"d\.npz cannot be read"):
        load_data(archive(tmp_path / "d.npz", x_npy=content))


def test_an_archive_with_a_password(tmp_path: Path) -> None:
    """The first flag bit of an entry says that it is encrypted."""
    path = archive(tmp_path / "d.npz", x_npy=packed(np.zeros((2, 3))))
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="encrypted"):
        load_data(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        load_arrays(tmp_path / "none.npz")
    with pytest.raises((FileError, FormatError)):
        load_arrays(tmp_path)


def whole(compressed: bool) -> bytes:
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, x=np.random.default_rng(0).random((5, 6)).astype(np.float32), y=np.arange(5))
    return buffer.getvalue()


FILES = (whole(False), whole(True))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.integers(0, 2000), st.integers(1, 255))
def test_a_changed_byte_never_escapes_as_another_error(tmp_path: Path, content: bytes, place: int, mask: int) -> None:
    """A damaged file is refused as such, or read where the byte did not matter."""
    damaged = bytearray(content)
    damaged[place % len(content)] ^= mask
    (tmp_path / "d.npz").write_bytes(damaged)
    with contextlib.suppress(FormatError, FileError):
        load_data(tmp_path / "d.npz")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(50, 98)  # keys of which one has become bytes, which numpy cannot sort
@given(st.integers(0, 127), st.integers(1, 255))
def test_a_changed_header_in_a_sound_archive(tmp_path: Path, place: int, mask: int) -> None:
    """The checksum of the archive is right, the header of the array is not."""
    damaged = bytearray(packed(np.zeros((2, 3), np.float32)))
    damaged[place] ^= mask
    path = archive(tmp_path / "d.npz", x_npy=bytes(damaged))
    with contextlib.suppress(FormatError):
        load_data(path)
