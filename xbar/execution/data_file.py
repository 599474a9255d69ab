"""Data files: `.npz` with the network's inputs, first axis the samples, and optionally `y`, the labels."""

import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import FileError, FormatError, InputError

LARGEST = 2**34
"""Largest size of all arrays of a file, unpacked [bytes]."""

DAMAGED = (
    *(ValueError, TypeError, SyntaxError, EOFError, KeyError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
"""What numpy and zipfile raise for a file that is damaged, locked by a password, or packed in an unknown way."""


@dataclass(frozen=True, eq=False)
class Data:
    """Samples to run."""

    inputs: dict[str, NDArray[Any]]
    """By name; a single input may be called "x"."""
    labels: NDArray[Any] | None
    """Classes `(samples,)`, or None."""

    def first(self, samples: int | None) -> "Data":
        """Return the first `samples` samples, or all where None. Raises `InputError` where there are fewer."""
        count = len(next(iter(self.inputs.values())))
        if samples is None:
            return self
        if not 1 <= samples <= count:
            raise InputError(f"{samples} samples asked for; the data hold 1 to {count}")
        labels = None if self.labels is None else self.labels[:samples]
        return Data({name: array[:samples] for name, array in self.inputs.items()}, labels)


def load_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an `.npz` file by name.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no `.npz` file, holds pickled objects, or unpacks to more than 16 GiB.

    """
    file = Path(path)
    try:
        if not zipfile.is_zipfile(file):
            if not file.exists():
                raise FileError(f"data file {file} does not exist; check the path")
            raise FormatError(f"{file} is not an .npz file; write it with numpy.savez({file.name!r}, x=..., y=...)")
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            other = [name for name in archive.namelist() if not name.endswith(".npy")]
        if size > LARGEST:
            raise FormatError(f"{file} unpacks to {size} bytes; at most {LARGEST} are read. Split the data")
        if other:
            raise FormatError(f"{file} holds {other[0]!r}, which is no array; write the file with numpy.savez")
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        # numpy gives the bytes of an entry that does not begin as an array does.
        if bad := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise FormatError(f"{file} is damaged: {bad[0]!r} is no array; write the file with numpy.savez")
        return arrays
    except (FileError, FormatError):
        raise
    except OSError as error:
        raise FileError(f"data file {file} cannot be read: {error.strerror or error}") from error
    except DAMAGED as error:
        reason = "it holds pickled objects, which are never loaded" if "pickle" in str(error) else str(error)
        raise FormatError(f"{file} cannot be read: {reason}. Save plain arrays with numpy.savez") from error


def load_data(path: str | Path) -> Data:
    """Return inputs and labels of an `.npz` file: `y` is the labels, everything else an input.

    Raises what `load_arrays` raises, and `FormatError` where there is no input or arrays differ in samples.
    """
    arrays = load_arrays(path)
    labels = arrays.pop("y", None)
    if not arrays or any(array.ndim == 0 for array in arrays.values()):
        raise FormatError(f"{path} holds no input; save the samples as x (first axis the samples) and labels as y")
    counts = {name: len(array) for name, array in arrays.items()} | (
        {} if labels is None else {"y": len(labels) if labels.ndim else 0}
    )
    if len(set(counts.values())) != 1 or not next(iter(counts.values())):
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise FormatError(
            f"the arrays of {path} differ in samples or are empty ({said}); the first axis of each is the samples"
        )
    return Data(arrays, labels)
