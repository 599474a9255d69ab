"""Parameters of a QCoDeS run in netCDF, and which of them are voltage, current, cell and time.

Source: `qcodes/dataset/exporters/export_to_xarray.py` of QCoDeS 0.58: one variable for each parameter, with the
attributes `unit`, `label`, `depends_on`; dimensions are the set points, or "index" where these are not unique, or a
compressed "multi_index" (`cf_xarray.encode_multi_index_as_compress`) where they fill only a part of their grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from xbar.errors import InputError
from xbar.trace.foreign.attributes import has, read_names, read_text
from xbar.trace.foreign.netcdf import Variables
from xbar.units import scale

ROLES = {"voltage": "V", "current": "A", "measured": "V", "time": "s", "row": "", "col": ""}
"""What a parameter can be in a trace, and its unit there."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a run."""

    name: str
    unit: str
    label: str
    depends_on: tuple[str, ...]
    dims: tuple[str, ...]
    """Dimensions of its values, in order."""
    shape: tuple[int, ...]
    numeric: bool


@dataclass(frozen=True)
class Roles:
    """Which parameter is what: "NAME", or "NAME=UNIT" where the unit of the file is missing or wrong; None is unknown.

    Voltage and current are guessed where exactly one parameter is in V, one in A.
    """

    voltage: str | None = None
    current: str | None = None
    measured: str | None = None
    """The voltage that was measured, where another was asked for."""
    time: str | None = None
    row: str | None = None
    """Word line of the cell, counted from 0."""
    col: str | None = None
    """Bit line of the cell, counted from 0."""
    cell: tuple[int, int] | None = None
    """The one cell that was measured, where no parameter says it; None is (0, 0)."""


@dataclass(frozen=True)
class Chosen:
    """A parameter in its role."""

    parameter: Parameter
    factor: float
    """SI units of one unit of the file."""
    assumed: bool
    """Whether the unit is not that of the file."""


def choose(parameters: Mapping[str, Parameter], roles: Roles) -> dict[str, Chosen]:
    """Return the parameters by role; voltage and current are always among them.

    Raises `InputError`, with the list of parameters and their units, for a name that is not there, a unit that does
    not fit, or where a voltage or current is not named and cannot be guessed.
    """
    if roles.cell is not None and (roles.row is not None or roles.col is not None):
        raise InputError("the cell is given twice: give --cell, or --row and --col")
    if (roles.row is None) != (roles.col is None):
        raise InputError("a cell has a row and a column: give both --row and --col, or --cell ROW,COLUMN")
    chosen = {}
    for role, unit in ROLES.items():
        asked = getattr(roles, role)
        if asked is None and role in ("voltage", "current"):
            asked = _guess(parameters, role, unit)
        if asked is not None:
            chosen[role] = _named(parameters, asked, role, unit)
    return chosen


def _guess(parameters: Mapping[str, Parameter], role: str, unit: str) -> str:
    fitting = [p.name for p in parameters.values() if p.numeric and _factor(p.unit, unit) is not None]
    if len(fitting) == 1:
        return fitting[0]
    found = "no parameter is" if not fitting else f"{len(fitting)} parameters are"
    raise InputError(f"{role}: {found} in {unit}; name it with --{role} NAME. {_list(parameters)}")


def _named(parameters: Mapping[str, Parameter], asked: str, role: str, unit: str) -> Chosen:
    name, equals, given = asked.partition("=")
    if name not in parameters:
        raise InputError(f"{role}: the run has no parameter {name!r}. {_list(parameters)}")
    parameter = parameters[name]
    if not parameter.numeric:
        raise InputError(f"{role}: the values of {name} are no real numbers. {_list(parameters)}")
    if not unit:
        return Chosen(parameter, 1.0, False)
    text = given if equals else parameter.unit or unit
    factor = _factor(text, unit)
    if factor is None:
        raise InputError(
            f"{role}: {name} has the unit {text!r}, which is none of {unit}; write {name}=UNIT, for example "
            f"{name}=m{unit}, where the file is wrong. {_list(parameters)}"
        )
    return Chosen(parameter, factor, bool(equals) or not parameter.unit)


def _factor(text: str, unit: str) -> float | None:
    try:
        return scale(text, unit)
    except InputError:
        return None


def _list(parameters: Mapping[str, Parameter]) -> str:
    listed = [f"{p.name} [{p.unit or 'no unit'}]" for p in list(parameters.values())[:50]]
    return f"Parameters of the run: {', '.join(listed) or 'none'}"


def find_parameters(variables: Variables) -> dict[str, Parameter]:
    """Return the variables that are parameters: not the index that an export adds."""
    found = {}
    for name, (dataset, dims) in variables.items():
        if not (has(dataset, "unit") or has(dataset, "units")) or not has(dataset, "paramtype"):
            continue
        unit = read_text(dataset, "unit") or read_text(dataset, "units")
        numeric = dataset.dtype.kind in "fiu"
        depends = read_names(dataset, "depends_on")
        found[name] = Parameter(name, unit, read_text(dataset, "label"), depends, dims, dataset.shape, numeric)
    return found
