"""Draw a file of xbar, whatever it is: a map or a trace."""

from pathlib import Path

from matplotlib.figure import Figure

from xbar.errors import FormatError
from xbar.hdf5 import open_file, read_attribute
from xbar.mapping.map_file import SCHEMA as MAP_SCHEMA
from xbar.trace.schema import FORMAT as TRACE_FORMAT

MAP_FORMAT = MAP_SCHEMA.partition("/")[0] + "/"
"""Begins the schema of maps of every version."""


def draw(path: str | Path, array: int | None = None) -> Figure:
    """Return the figure of a map or a trace.

    Args:
        path: the file.
        array: the only array to draw; None leaves the choice to the figure.

    Raises:
        FileError: it cannot be opened.
        FormatError: it is neither a map nor a trace, of another version, or damaged.
        InputError: the array is not in it, or there is nothing to draw.

    """
    file, _ = open_file(path)
    with file:
        schema = read_attribute(file, "xbar_schema")
    if isinstance(schema, str) and schema.startswith(MAP_FORMAT):
        from xbar.figures.map_figure import map_figure
        from xbar.mapping.map_file import load_map

        return map_figure(load_map(path), array)
    if isinstance(schema, str) and schema.startswith(TRACE_FORMAT):
        from xbar.figures.trace_figure import trace_figure
        from xbar.trace.reader import open_trace

        with open_trace(path) as trace:
            return trace_figure(trace, array)
    what = "has no xbar schema" if schema is None else f"is of schema {schema!r}"
    raise FormatError(f"{path} {what}; drawn are maps (`xbar map`) and traces (`xbar run --trace`)")
