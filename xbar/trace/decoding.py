"""A row of the operations table and its blocks as an operation."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from xbar.bench.operation import OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.errors import FormatError
from xbar.trace.encoding import Block
from xbar.trace.header_text import from_json
from xbar.trace.input_codes import LARGEST, coded_voltages
from xbar.trace.request_text import decode_error, decode_pulse, decode_read, decode_vector
from xbar.trace.schema import CELL_FIELDS, Flag

Blocks = Mapping[str, Block]
"""The blocks of one operation by slot; a block of no rows is left out."""


_NO_CELLS = tuple(np.zeros(0, "<u4" if name == "status" else "<f8") for name in CELL_FIELDS)


def decode_request(row: Any, blocks: Blocks) -> Request:
    """Return what was asked; voltages are None where only their projections were kept."""
    with _damage("request"):
        kind, flags = OperationKind(int(row["kind"])), Flag(int(row["flags"]))
        values = from_json(_read_text(blocks, "request"), "request of an operation")
        targets = _part(blocks, "targets", "<f8")
        return Request(
            kind,
            tuple(int(n) for n in _part(blocks, "arrays", "<i4")),
            targets=targets.reshape(int(row["rows"]), int(row["cols"])) if flags & Flag.TARGETS else None,
            voltages=_decode_voltages(row, blocks, values),
            events=_part(blocks, "events", "<u8") if flags & Flag.EVENTS else None,
            cells=_decode_cells(row, blocks, values) if flags & Flag.CELLS else None,
            read=decode_read(values),
            vector=decode_vector(values, _ranges(row, blocks)[1]),
            pulse=decode_pulse(values),
            count=None if values.get("count") is None else int(values["count"]),
            seconds=None if values.get("seconds") is None else float(values["seconds"]),
        )


def decode_readings(row: Any, blocks: Blocks) -> CellReadings | VectorReadings | None:
    """Return what came back, None where nothing did."""
    with _damage("readings"):
        if not int(row["flags"]) & Flag.READINGS:
            return None
        if int(row["kind"]) != OperationKind.MVM:
            shape = (-1, int(row["repeat"]))
            columns = blocks["cells"][2:] if "cells" in blocks else _NO_CELLS
            return CellReadings(*(column.reshape(shape).copy() for column in columns))
        k, batch, cols = (int(row[name]) for name in ("k", "batch", "cols"))
        stored = blocks["codes"][0] if "codes" in blocks else _part(blocks, "codes_float", "<f8")
        codes = stored.reshape(k, batch, cols).astype(_code_type(row))
        step, offset = _ranges(row, blocks)[0].reshape(2, k, cols).copy()
        axes = row["status_shape"][: int(row["status_axes"])]
        status = _part(blocks, "status", "<u4").reshape([int(n) for n in axes])
        return VectorReadings(codes, step, offset, status)


def decode_projections(row: Any, blocks: Blocks) -> NDArray[np.float32] | None:
    """Return the projections `(k, batch)` [V] of a product, None for other operations."""
    if "projections" not in blocks and not (row["kind"] == OperationKind.MVM and int(row["flags"]) & Flag.VOLTAGES):
        return None
    with _damage("projections"):
        return _part(blocks, "projections", "<f4").reshape(int(row["k"]), int(row["batch"]))


def decode_outcome_error(row: Any, blocks: Blocks) -> Exception | None:
    """Return the error in which the operation ended, or None."""
    with _damage("error"):
        return decode_error(_read_text(blocks, "error")) if int(row["flags"]) & Flag.ERROR else None


@contextmanager
def _damage(what: str) -> Iterator[None]:
    """Turn what a row with a right checksum but a wrong content gives into a `FormatError`."""
    try:
        yield
    except FormatError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        raise FormatError(f"{what} of an operation cannot be read ({error!r}); the trace is damaged") from error


def _part(blocks: Blocks, slot: str, dtype: DTypeLike) -> NDArray[Any]:
    """Return a copy of the only column of a slot; empty where the operation has none."""
    return blocks[slot][0].astype(dtype) if slot in blocks else np.zeros(0, dtype)


def _read_text(blocks: Blocks, slot: str) -> str:
    return _part(blocks, slot, "u1").tobytes().decode("utf-8")


def _code_type(row: Any) -> np.dtype[Any]:
    dtype = np.dtype(bytes(row["code_type"]).decode("ascii"))
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ValueError(f"codes of type {dtype}")
    return dtype


def _ranges(row: Any, blocks: Blocks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (step and offset, input and output range), flat."""
    numbers = _part(blocks, "ranges", "<f8")
    has_readings = int(row["kind"]) == OperationKind.MVM and int(row["flags"]) & Flag.READINGS
    split = 2 * int(row["k"]) * int(row["cols"]) if has_readings else 0
    return numbers[:split], numbers[split:]


def _decode_voltages(row: Any, blocks: Blocks, said: dict[str, Any]) -> NDArray[Any] | None:
    """Return the asked voltages, those of their codes where `said` names the converter; None where none were kept."""
    flags = Flag(int(row["flags"]))
    if not flags & Flag.KEPT:
        return None
    slot, dtype = ("inputs_single", "<f4") if flags & Flag.SINGLE else ("inputs", "<f8")
    if (bits := said.get("input_bits")) is not None:
        vector = decode_vector(said, _ranges(row, blocks)[1])
        if vector is None or type(bits) is not int or not 2 <= bits <= LARGEST:
            raise ValueError(f"input codes of {bits} bits")
        shape = (int(row["k"]), int(row["batch"]), int(row["rows"]))
        codes = blocks["input_codes"][0] if "input_codes" in blocks else np.zeros(0, np.int8)
        return coded_voltages(codes, shape, vector.input_range, bits, dtype)
    values = _part(blocks, slot, dtype)
    if int(row["kind"]) != OperationKind.MVM:
        return values
    return values.reshape(int(row["k"]), int(row["batch"]), int(row["rows"]))


def _decode_cells(row: Any, blocks: Blocks, values: dict[str, Any]) -> NDArray[np.int64]:
    if "cell" in values:
        return np.array([values["cell"]], np.int64).reshape(1, 2)
    if "cells" not in blocks:
        return np.zeros((0, 2), np.int64)
    step = max(1, int(row["repeat"]))
    return np.stack([column[::step] for column in blocks["cells"][:2]], axis=1).astype(np.int64)
