"""A new trace file: every group, column, view and text is made before the first operation; later rows only grow."""

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xbar import hdf5
from xbar.bench.operation import Header
from xbar.trace.column import GrowingColumn
from xbar.trace.header_text import encode_header, to_json
from xbar.trace.input_codes import InputConverters
from xbar.trace.process_end import skip_hdf5_teardown
from xbar.trace.provenance import now
from xbar.trace.schema import (
    COLUMNS,
    EMBEDDED,
    FORMAT,
    OPERATION,
    OPERATION_COLUMN,
    OPERATION_UNITS,
    PAGE,
    RESULT,
    RESULT_BYTES,
    RUNNING,
    STATUS_BYTES,
    TIME_BYTES,
    VERSION,
    VIEWS,
    Column,
    code_type,
)
from xbar.version import __version__

SETUP_BYTES = 2**18
"""Room for everything in a new trace but texts and embedded files [bytes]; 0.1 MB is used."""

Filters = Callable[[str], Mapping[str, Any]]
"""Keywords of h5py's `create_dataset` that compress the column at a path."""


@dataclass
class TraceFile:
    """An open trace to which rows are appended."""

    file: Any
    columns: dict[str, GrowingColumn]
    operations: GrowingColumn
    ending: dict[str, Any]
    """The texts that are overwritten at the end; kept open, so that nothing is looked up in a file that failed."""

    def set_result(self, text: str) -> None:
        """Overwrite the result in place; `text` has at most `RESULT_BYTES` bytes in UTF-8."""
        self.ending[RESULT][()] = np.bytes_(text.encode())

    def set_end(self, status: str) -> None:
        """Overwrite status and end time in place; no object is created for it."""
        self.ending["status"][()] = np.bytes_(status.encode().ljust(STATUS_BYTES))
        self.ending["end_time"][()] = np.bytes_(now().encode().ljust(TIME_BYTES))


def create_file(
    path: Path,
    header: Header,
    provenance: Mapping[str, Any],
    level: str,
    embedded: Mapping[str, bytes],
    filters: Filters | None = None,
) -> TraceFile:
    """Make a trace file with everything in it but rows, and open it to readers.

    `embedded` are whole files that travel with the trace, by name. With `filters` the columns are compressed.

    The file must not exist. Raises `OSError` or `RuntimeError` where the system refuses; no file is left then.
    """
    texts = {"header": encode_header(header), "provenance": to_json(provenance, "provenance")}
    _check_room(
        path, SETUP_BYTES + sum(map(len, embedded.values())) + sum(len(text.encode()) for text in texts.values())
    )
    file = h5py.File(path, "w-", libver="latest", fs_strategy="page", fs_page_size=PAGE)
    try:
        run = _entry(file, header, provenance, level)
        for name, text in texts.items():
            hdf5.write_text(run, name, text)
        _embed(run, embedded)
        trace = _columns(file, run, header, filters)
        _views(run, "output_codes" if "network" in provenance else "cell_currents")
        file.flush()
        file.swmr_mode = True
    except BaseException:
        try:
            file.close()
        except (OSError, RuntimeError):
            skip_hdf5_teardown(file)
        path.unlink(missing_ok=True)
        raise
    return trace


def _check_room(path: Path, size: int) -> None:
    """Raise `OSError` where a new file in the folder is not given so many bytes.

    HDF5 crashes the process where it cannot write what it made before a file is open to readers (measured: a
    segmentation fault in its close), so it is asked only where it can.
    """
    with tempfile.TemporaryFile(dir=path.parent) as file:  # without a name where the system can: a kill leaves nothing
        if sys.platform == "linux":
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            for first in range(0, size, 1 << 20):
                file.write(bytes(min(1 << 20, size - first)))
            file.flush()


def _entry(file: Any, header: Header, provenance: Mapping[str, Any], level: str) -> Any:
    """Write what NeXus viewers show: root, entry, instrument, process and sample."""
    start = str(provenance.get("start_time", now()))
    file.attrs.update(
        NX_class="NXroot",
        default="run",
        creator="xbar",
        creator_version=__version__,
        file_time=start,
        HDF5_Version=h5py.version.hdf5_version,
        xbar_schema=f"{FORMAT}{VERSION}",
    )
    run = _group(file, "run", "NXentry")
    run.create_dataset("status", data=np.bytes_(RUNNING.ljust(STATUS_BYTES)), dtype=f"S{STATUS_BYTES}")
    run.create_dataset("end_time", data=np.bytes_(" " * TIME_BYTES), dtype=f"S{TIME_BYTES}")
    identity = header.identity
    fields = {
        "run": {
            "title": f"xbar {header.address}",
            "start_time": start,
            "entry_identifier_uuid": str(provenance.get("uuid", "")),
            "record_level": level,
        },
        "instrument:NXinstrument": {
            "name": identity.model,
            "driver": identity.driver,
            "serial": identity.serial,
            "firmware": identity.firmware,
        },
        "process:NXprocess": {"program": "xbar", "version": __version__, "date": start},
        "sample:NXsample": _plain(provenance.get("sample")),
    }
    for place, values in fields.items():
        name, _, kind = place.partition(":")
        group = _group(run, name, kind) if kind else run
        for key, value in values.items():
            hdf5.write_text(group, key.replace("/", "_"), value)
    return run


def _embed(run: Any, embedded: Mapping[str, bytes]) -> None:
    """Write files that travel with the trace, and room for the result of what is recorded."""
    group = _group(run, EMBEDDED, "NXcollection")
    for name, content in embedded.items():
        group.create_dataset(name, data=np.frombuffer(content, np.uint8))
    run.create_dataset(RESULT, data=np.bytes_(b""), dtype=f"S{RESULT_BYTES}")


def _plain(values: Any) -> dict[str, str]:
    """Return the entries of a mapping that are texts or numbers, as text."""
    if not isinstance(values, Mapping):
        return {}
    return {str(k): str(v) for k, v in values.items() if isinstance(v, str | int | float) and str(k).strip("./")}


def _columns(file: Any, run: Any, header: Header, filters: Filters | None) -> TraceFile:
    small_chunks = header.capabilities.hardware and filters is None
    for name in ("data", "cells"):
        _group(run, name, "NXcollection")

    def make(column: Column, dtype: Any) -> GrowingColumn:
        chunk = column.hardware_chunk if small_chunks else column.chunk
        packed = None if filters is None else filters(column.path)
        return GrowingColumn(run, column.path, dtype, chunk, column.units, column.long_name, packed)

    types = {
        "data/codes": code_type(header.capabilities.adc_bits),
        "data/input_codes": InputConverters(header).code_type,
    }
    columns = {c.path: make(c, types.get(c.path, c.dtype)) for c in COLUMNS}
    operations = make(OPERATION_COLUMN, OPERATION)
    operations.dataset.attrs["units"] = to_json(OPERATION_UNITS, "units")
    return TraceFile(file, columns, operations, {name: run[name] for name in ("status", "end_time", RESULT)})


def _views(run: Any, default: str) -> None:
    """Make plots for viewers: soft links to columns, so nothing has to be filled in at the end."""
    run.attrs["default"] = default
    for name, (signal, axis, paths) in VIEWS.items():
        view = _group(run, name, "NXdata")
        view.attrs["signal"] = signal
        view.attrs["title"] = " over ".join(_label(run[path]) for path in paths)  # silx shows no units on its axes
        if axis is not None:
            view.attrs["axes"] = [axis]
        for path in paths:
            view[path.rpartition("/")[2]] = h5py.SoftLink(f"/run/{path}")


def _label(dataset: Any) -> str:
    """Return long name and unit, such as "Current [A]"."""
    name, units = dataset.attrs["long_name"], dataset.attrs["units"]
    return f"{name} [{units}]" if units else str(name)


def _group(parent: Any, name: str, kind: str) -> Any:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group
