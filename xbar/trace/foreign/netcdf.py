"""Variables and dimensions of a netCDF-4 file, read as the HDF5 file that it is."""

import math
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xbar import hdf5
from xbar.errors import FormatError
from xbar.trace.foreign.attributes import has, read_text

MAX_VARIABLES = 4096
"""Most variables of a file."""
MAX_VALUES = 2**24
"""Most values of one variable."""
MAX_AXES = 16
MULTI_INDEX = "compress"
"""Attribute of a compressed multi-index: the names of its levels (CF conventions 1.11, section 8.2)."""

Variables = dict[str, tuple[Any, tuple[str, ...]]]


def variables(file: Any) -> Variables:
    """Return dataset and dimensions of each variable in the root.

    Raises `FormatError` for links to the outside, too many variables, or dimensions that are not there.
    """
    names = list(file)
    if len(names) > MAX_VARIABLES:
        raise FormatError(f"{file.filename} has {len(names)} variables; at most {MAX_VARIABLES} are read")
    found: Variables = {}
    for name in names:
        item = hdf5.find(file, name)
        if isinstance(item, h5py.Dataset):
            dataset = hdf5.find_dataset(file, name, kinds="fiubcSOV", ndim=_axes(item))
            found[name] = (dataset, ())
    return {name: (dataset, _dimensions(file, name, dataset, found)) for name, (dataset, _) in found.items()}


def _axes(dataset: Any) -> int:
    if dataset.id.get_create_plist().get_layout() == h5py.h5d.VIRTUAL:
        # Not a word of its shape before this: asking for it would open the other files.
        raise FormatError(f"{dataset.file.filename}: {dataset.name} is a virtual dataset; other files are not read")
    rank = int(dataset.id.get_space().get_simple_extent_ndims())
    if rank > MAX_AXES:
        raise FormatError(f"{dataset.file.filename}: {dataset.name} has {rank} axes; at most {MAX_AXES} are read")
    return rank


def _dimensions(file: Any, name: str, dataset: Any, known: Variables) -> tuple[str, ...]:
    """Return the names of a variable's dimensions: what its axes refer to, or itself where it is one."""
    place, axes = f"{file.filename}: {name}", len(dataset.shape)
    if not has(dataset, "DIMENSION_LIST"):
        if axes > 1:
            raise FormatError(f"{place} has {axes} axes and names no dimensions; the file is no netCDF-4")
        return (name,) * axes
    try:
        attribute = dataset.attrs.get_id("DIMENSION_LIST")
        if attribute.shape != (axes,) or h5py.check_vlen_dtype(attribute.dtype) != h5py.ref_dtype:
            raise FormatError(f"{place}: its list of dimensions is of another kind; the file is damaged")
        dims = tuple(file[references[0]].name.lstrip("/") for references in dataset.attrs["DIMENSION_LIST"])
    except (KeyError, IndexError, OSError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{place}: its dimensions cannot be read ({error}); the file is damaged") from None
    for axis, dim in enumerate(dims):
        if dim not in known or known[dim][0].shape != (dataset.shape[axis],):
            raise FormatError(f"{place}: its dimension {dim} is not in the file with {dataset.shape[axis]} values")
    return dims


def values(file: Any, name: str, axes: int) -> NDArray[np.float64]:
    """Return a numeric variable as float64; raises `FormatError` beyond `MAX_VALUES`."""
    found = hdf5.read_array(file, name, kinds="fiu", ndim=axes, max_items=MAX_VALUES)
    return np.asarray(found, np.float64)


def spread(file: Any, name: str, dims: tuple[str, ...], over: tuple[str, ...], known: Variables) -> NDArray[np.float64]:
    """Return a variable of dimensions `dims` at every point of the dimensions `over`, `(n,)` in C order.

    Raises `FormatError` where it has dimensions beyond these.
    """
    shape = tuple(int(known[dim][0].shape[0]) for dim in over)
    if math.prod(shape) > MAX_VALUES:
        raise FormatError(f"{file.filename}: a grid of {shape} points; at most {MAX_VALUES} are read")
    if len(over) == 1 and dims != over:
        levels = read_text(known[over[0]][0], MULTI_INDEX).split()
        if dims == (name,) and name in levels:
            return _level(file, name, levels, over[0], known)
    if not set(dims) <= set(over):
        raise FormatError(f"{file.filename}: {name} has the dimensions {dims}; the others lie on {over}")
    order = [dims.index(dim) for dim in over if dim in dims]
    held = values(file, name, len(dims)).transpose(order)
    within = held.reshape([size if dim in dims else 1 for dim, size in zip(over, shape, strict=True)])
    return np.broadcast_to(within, shape).reshape(-1)


def _level(file: Any, name: str, levels: list[str], index: str, known: Variables) -> NDArray[np.float64]:
    """Return a level of a compressed multi-index at each of its entries."""
    if any(level not in known or len(known[level][0].shape) != 1 for level in levels):
        raise FormatError(f"{file.filename}: the levels {', '.join(levels)} of {index} are not all in the file")
    sizes = [int(known[level][0].shape[0]) for level in levels]
    codes = hdf5.read_array(file, index, kinds="iu", ndim=1, max_items=MAX_VALUES)
    if codes.size and not 0 <= int(codes.min()) <= int(codes.max()) < math.prod(sizes):
        raise FormatError(f"{file.filename}: {index} points beyond its levels; the file is damaged")
    place = codes.astype(np.int64) // math.prod(sizes[levels.index(name) + 1 :]) % sizes[levels.index(name)]
    return values(file, name, 1)[place]
