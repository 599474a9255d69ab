"""Rows of a trace as a data frame of pandas or a dataset of xarray, units kept."""

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import Unsupported
from xbar.trace.tables import TABLES, Table

if TYPE_CHECKING:
    import pandas
    import xarray

    from xbar.trace.selection import Selection

DIMENSIONS = {"operations": "operation", "reads": "reading", "targets": "cell"}
"""The dimension of each flat table."""
MEASURED = {
    "operations": ("kind", "started", "ended", "wall", "arrays", "failed"),
    "reads": ("applied", "voltage", "current", "status", "range"),
    "targets": ("target",),
}
"""The variables of each; the other columns say where and when, and are coordinates."""
PRODUCT = ("operation", "time", "array", "vector", "event")
"""Coordinates of the products in the dataset of vectors."""


def needed(name: str) -> ModuleType:
    """Return an optional package; raises `Unsupported` that says how to install it."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise Unsupported(f'{name} is needed for this: pip install "xbar-emulator[analysis]"') from error


def to_pandas(selection: "Selection") -> "pandas.DataFrame":
    """Return the rows of a selection; see `Selection.to_pandas`."""
    frame: pandas.DataFrame = needed("pandas").DataFrame({name: selection[name] for name in selection.columns})
    frame.attrs["units"] = dict(selection.units)
    return frame


def to_xarray(selection: "Selection") -> "xarray.Dataset":
    """Return the rows of a selection; see `Selection.to_xarray`."""
    package, table = needed("xarray"), selection.table()
    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    if selection.name == "vectors":
        variables, coordinates = _products(table)
    else:
        dimension = DIMENSIONS[selection.name]
        for name, values in table.columns.items():
            place = variables if name in MEASURED[selection.name] else coordinates
            place[name] = ((dimension,), values)
    for name, (dimensions, values) in [*variables.items(), *coordinates.items()]:
        place = variables if name in variables else coordinates
        kind = TABLES[selection.name][name]
        place[name] = (dimensions, values, {"units": kind.units, "long_name": kind.long_name})
    found: xarray.Dataset = package.Dataset(variables, coordinates, {"table": selection.name})
    return found


def _products(table: Table) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return variables `(product, col)` and coordinates of the vectors; rows stand in C order of (..., col)."""
    cols: NDArray[Any] = table["col"]
    first = np.flatnonzero(cols == 0)
    width = int(cols.max(initial=-1)) + 1
    product = np.cumsum(cols == 0) - 1
    ragged = len(first) * width != len(cols)
    variables: dict[str, Any] = {}
    for name in ("code", "current", "status"):
        values: NDArray[Any] = table[name]
        if ragged:
            dtype, missing = (values.dtype, 0) if name == "status" else (np.dtype(np.float64), np.nan)
            padded = np.full((len(first), width), missing, dtype)
            padded[product, cols] = values
        else:
            padded = values.reshape(len(first), width)
        variables[name] = (("product", "col"), padded)
    coordinates: dict[str, Any] = {name: (("product",), table[name][first]) for name in PRODUCT}
    coordinates["col"] = (("col",), np.arange(width, dtype=cols.dtype))
    return variables, coordinates
