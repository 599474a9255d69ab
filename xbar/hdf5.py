"""HDF5 at the edge: open files that may be hostile, read within bounds, write new files that are whole or absent.

A foreign file may name other files (external links, external storage, virtual datasets), declare 10^12 values in six
kilobytes, or link in a circle. Nothing here follows such a link or allocates before the declared shape was bounded.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from xbar.errors import FileError, FormatError, XbarError

State = Literal["closed", "open"]
"""closed: its writer finished it; open: the writer still runs or was killed, and what was flushed can be read."""

MAX_CHUNK_BYTES = 64 * 2**20
"""Largest chunk that is read [bytes]: HDF5 allocates a whole chunk for one value of it."""
MAX_TEXT_BYTES = 64 * 2**20
"""Largest text that is read unless the caller says otherwise [bytes]."""
MAX_LINKS = 16
"""Soft links that are followed one after another."""
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32015: "zstd"}
"""Filters that are accepted; HDF5 would load a library from the disk for any other."""
PLUGINS = frozenset({32015})
"""Those of them that are not built into HDF5 and come with the package hdf5plugin."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"


# ---- opening and finding
def open_file(path: str | os.PathLike[str]) -> tuple[Any, State]:
    """Open an HDF5 file for reading and return it (`h5py.File`, a context manager) and its state.

    A file that its writer did not close is opened in single-writer-multiple-reader mode (state "open"). Raises
    `FileError` for a file that is missing, locked, damaged or not HDF5.
    """
    path = Path(path)
    _check_signature(path)
    try:
        return h5py.File(path, "r"), "closed"
    except (OSError, RuntimeError) as error:
        reason = str(error)
    unfinished = is_marked_open(path)
    if unfinished:
        try:
            # Only a file that was switched to SWMR can be read here; one killed while it was set up cannot.
            return h5py.File(path, "r", swmr=True), "open"
        except (OSError, RuntimeError):
            pass
    if "unable to lock" in reason:
        raise FileError(f"{path} is in use by another program; wait until that has finished, or read a copy")
    if unfinished:
        raise FileError(f"{path} was not finished: its writer stopped before anything was recorded; make it again")
    raise FileError(f"{path} is damaged or cut off and cannot be opened ({reason}); take another copy of it")


def is_marked_open(path: Path) -> bool:
    """Return whether the file says of itself that a writer has it open (flags of superblock version 3, byte 11).

    Asking HDF5 for SWMR instead would also open a file that was cut off: its length is not checked then.
    Source: HDF5 File Format Specification 3.0, section II.A.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return len(head) == 12 and head[:8] == SIGNATURE and head[8] >= 3 and head[11] != 0


def _check_signature(path: Path) -> None:
    """Raise `FileError` unless the file is readable and begins as HDF5 does (at 0 or at 512 times a power of two)."""
    try:
        with path.open("rb") as file:
            size, offset = path.stat().st_size, 0
            while offset < size:
                file.seek(offset)
                if file.read(len(SIGNATURE)) == SIGNATURE:
                    return
                offset = max(512, 2 * offset)
    except FileNotFoundError:
        raise FileError(f"{path} does not exist; check the name and the folder") from None
    except IsADirectoryError:
        raise FileError(f"{path} is a folder; name a file in it") from None
    except OSError as error:
        if path.is_dir():  # Windows says "permission denied" for a folder
            raise FileError(f"{path} is a folder; name a file in it") from None
        raise FileError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if not size:
        raise FileError(f"{path} is empty: its writer stopped before anything was recorded, or a copy of it broke off")
    raise FileError(f"{path} is not an HDF5 file; check that it is the right one and was copied whole")


def find(group: Any, name: str) -> Any:
    """Return the group or dataset at a path below `group`, following hard links and soft links inside the file only.

    Raises `FormatError` for a missing name, an external or unknown link, or a circle of soft links.
    """
    here, parts, links = group, _parts(name), 0
    while parts:
        part = parts.pop(0)
        target = _soft_target(here, part, name)
        try:
            if target is None:
                here = here[part]
                continue
        except (KeyError, OSError, RuntimeError):
            raise FormatError(f"{_place(group, name)} cannot be opened; the file is damaged") from None
        links += 1
        if links > MAX_LINKS:
            raise FormatError(f"{_place(group, name)}: more than {MAX_LINKS} soft links in a row; not followed")
        parts = _parts(target) + parts
        here = here.file["/"] if target.startswith("/") else here
    return here


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part and part != "."]


def _soft_target(here: Any, part: str, name: str) -> str | None:
    """Return where the link `part` of a group leads if it is soft, None if it is hard; nothing else is accepted.

    The link itself is looked at, never what it leads to: asking h5py whether a name exists would open other files.
    """
    if not isinstance(here, h5py.Group):
        raise FormatError(f"{_place(here, name)}: a part of the name is a dataset; the file is not what it should be")
    links, key = here.id.links, part.encode()
    try:
        if not links.exists(key):
            raise FormatError(f"{_place(here, name)} is missing; the file is incomplete or of another kind")
        kind = links.get_info(key).type
        if kind == h5py.h5l.TYPE_HARD:
            return None
        if kind == h5py.h5l.TYPE_SOFT:
            return str(links.get_val(key).decode("utf-8", "replace"))
    except (KeyError, OSError, RuntimeError):
        raise FormatError(f"{_place(here, name)} cannot be looked up; the file is damaged") from None
    raise FormatError(f"{_place(here, name)} leads to another file; links to the outside are not followed")


def _place(group: Any, name: str) -> str:
    """Return file and dataset for messages."""
    try:
        return f"{group.file.filename}: {name}"
    except (OSError, RuntimeError, ValueError):
        return name


# ---- bounded reading
def find_dataset(group: Any, name: str, *, kinds: str, ndim: int) -> Any:
    """Return a dataset whose values lie in this file, with an allowed dtype, number of axes, chunk size and filter.

    `kinds` are letters of `numpy.dtype.kind`, such as "f" or "iu". Nothing is read. Raises `FormatError` otherwise.
    """
    dataset, place = find(group, name), _place(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise FormatError(f"{place} is not a dataset")
    # The creation list is looked at first: asking a virtual dataset for its shape would already open its sources.
    properties = dataset.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL:
        raise FormatError(f"{place} is a virtual dataset; values in other files are not read")
    if properties.get_external_count():
        raise FormatError(f"{place} keeps its values in another file; external storage is not read")
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if unknown := [code for code in filters if code not in FILTERS]:
        raise FormatError(f"{place} uses HDF5 filter {unknown[0]}; accepted are {', '.join(FILTERS.values())}")
    if not PLUGINS.isdisjoint(filters):
        register_filters()
    _check_type(dataset, place, kinds, ndim)
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > MAX_CHUNK_BYTES:
        raise FormatError(f"{place} has chunks of {dataset.chunks} values; the limit is {MAX_CHUNK_BYTES} bytes")
    return dataset


def register_filters() -> None:
    """Let HDF5 know the filters that are not built in; done when a file needs one, not before."""
    import hdf5plugin

    assert set(hdf5plugin.FILTERS.values()) >= PLUGINS


def _check_type(dataset: Any, place: str, kinds: str, ndim: int) -> None:
    try:
        dtype, shape = dataset.dtype, dataset.shape
    except (TypeError, ValueError):
        raise FormatError(f"{place} has a type that cannot be read") from None
    if dtype.kind not in kinds:
        raise FormatError(f"{place} holds {dtype}; expected is one of the kinds {', '.join(kinds)}")
    if shape is None or len(shape) != ndim:
        raise FormatError(f"{place} has the shape {shape}; expected are {ndim} axes")


def read_array(group: Any, name: str, *, kinds: str, ndim: int, max_items: int) -> NDArray[Any]:
    """Return a numeric dataset as an array in native byte order.

    The declared shape is bounded by `max_items` values before anything is allocated. Raises `FormatError` as
    `find_dataset` does, for more values, or for values that cannot be read.
    """
    dataset = find_dataset(group, name, kinds=kinds, ndim=ndim)
    if math.prod(dataset.shape) > max_items:
        raise FormatError(f"{_place(group, name)} declares {dataset.shape} values; at most {max_items} are read")
    try:
        values = dataset[()]
    except (OSError, RuntimeError, TypeError) as error:
        raise FormatError(f"{_place(group, name)} cannot be read ({error}); the file is damaged") from None
    array: NDArray[Any] = np.asarray(values)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def read_text(group: Any, name: str, *, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return a single text (UTF-8) of at most `max_bytes` bytes. Raises `FormatError` otherwise."""
    dataset, place = find_dataset(group, name, kinds="SO", ndim=0), _place(group, name)
    if dataset.dtype.kind == "O" and h5py.check_string_dtype(dataset.dtype) is None:
        raise FormatError(f"{place} is not a text")
    if dataset.dtype.itemsize > max_bytes:
        raise FormatError(f"{place} declares {dataset.dtype.itemsize} bytes of text; at most {max_bytes} are read")
    try:
        return _text(bytes(dataset[()]), place, max_bytes)
    except (OSError, RuntimeError, TypeError) as error:
        raise FormatError(f"{place} cannot be read ({error}); the file is damaged") from None


def _text(value: bytes, place: str, max_bytes: int) -> str:
    if len(value) > max_bytes:
        raise FormatError(f"{place} holds {len(value)} bytes of text; at most {max_bytes} are read")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{place} is not text in UTF-8") from None


def read_attribute(item: Any, name: str) -> str | float | None:
    """Return a single text or number that is an attribute of a group or dataset, or None where there is none.

    Raises `FormatError` for a list, another type or a text above 64 kB.
    """
    place, limit = f"{_place(item, item.name)} attribute {name}", 65536
    try:
        if name not in item.attrs:
            return None
        attribute = item.attrs.get_id(name)
        if attribute.shape != () or attribute.dtype.kind not in "SOiuf" or attribute.dtype.itemsize > limit:
            raise FormatError(f"{place} is neither a single text nor a single number")
        value = item.attrs[name]
    except (KeyError, OSError, RuntimeError, TypeError):
        raise FormatError(f"{place} cannot be read; the file is damaged") from None
    if isinstance(value, str | bytes):
        return _text(value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value), place, limit)
    if isinstance(value, np.number | int | float):
        return float(value)
    raise FormatError(f"{place} is neither a single text nor a single number")


# ---- writing
def write_text(group: Any, name: str, text: str) -> Any:
    """Create a text of fixed length (UTF-8), which `read_text` bounds before it allocates; return the dataset."""
    data = text.encode("utf-8")
    return group.create_dataset(name, data=np.bytes_(data), dtype=h5py.string_dtype("utf-8", max(1, len(data))))


def describe(dataset: Any, units: str, long_name: str) -> None:
    """Give a dataset its unit (SI; "" for a pure number) and the name that viewers show."""
    dataset.attrs["units"] = units
    dataset.attrs["long_name"] = long_name


def check_new_path(path: str | os.PathLike[str], force: bool) -> Path:
    """Return the path if a file can be made there; nothing is touched.

    Raises `FileError` where the folder is missing or not writable, the path is a folder, or a file stands there and
    `force` was not given.
    """
    path = Path(path)
    folder = path.parent
    if not folder.is_dir():
        raise FileError(f"folder {folder} of {path.name} does not exist; make it first or choose another")
    if path.is_dir():
        raise FileError(f"{path} is a folder; name a file in it")
    if not os.access(folder, os.W_OK):
        raise FileError(f"folder {folder} is not writable, {path.name} cannot be made there; choose another folder")
    if os.path.lexists(path) and not force:
        raise FileError(f"{path} exists; give --force to keep the old one under another name, or choose another name")
    return path


def new_path(path: str | os.PathLike[str], force: bool = False) -> Path:
    """Make room for a new file and return its path: with `force` an old `x.h5` is renamed to the next free `x.1.h5`.

    Raises `FileError` as `check_new_path` does, or where the old file cannot be renamed.
    """
    path = check_new_path(path, force)
    if os.path.lexists(path):
        number = 1
        while os.path.lexists(old := path.with_name(f"{path.stem}.{number}{path.suffix}")):
            number += 1
        try:
            path.rename(old)
        except OSError as error:
            raise FileError(f"{path} cannot be renamed to {old.name} ({error.strerror}); close it elsewhere") from None
    return path


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside `path` to write to (`x.h5.partial`); at the end it is synced to disk and renamed to `path`.

    After an error the partial file is removed, so `path` is whole or absent. Close the file before the block ends.
    Raises `FileError` where the system refuses to write.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except BaseException as error:
        _remove(partial)
        if isinstance(error, OSError) and not isinstance(error, XbarError):
            raise FileError(
                f"{path} cannot be written ({error.strerror or error}); free space or choose another folder"
            ) from error
        raise


def _remove(path: Path) -> None:
    """Remove a file if the system lets us; the error on the way here is the one to report."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _sync_folder(folder: Path) -> None:
    """Make a rename durable. Windows has no such call and does not need it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
