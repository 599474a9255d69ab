"""An operation as one row of the operations table and blocks of the columns; `decoding` gives it back, bit for bit."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.trace.input_codes import input_codes
from xbar.trace.projection import project
from xbar.trace.request_text import encode_error, encode_request, range_values
from xbar.trace.schema import CELL_FIELDS, MAX_BLOCK_BYTES, MAX_SMALL_TEXT, Flag

Level = Literal["outputs", "full", "off"]
"""outputs: voltages of products as projections only; full: also by the codes of the input converters, or as they were
where there are none; off: nothing."""
Block = tuple[NDArray[Any], ...]
"""Equally long one-dimensional arrays, one for each column of a slot."""


@dataclass
class EncodedOperation:
    """Fields of the row, without starts, counts and checksum, and the blocks by slot."""

    row: dict[str, Any]
    blocks: dict[str, Block]


def encode(
    operation: Operation,
    level: Level,
    code_type: DTypeLike,
    converter: tuple[int, np.dtype[Any]] | None = None,
) -> EncodedOperation:
    """Return an operation in the form of the file.

    `code_type` is the dtype of the column of output codes; `converter` are the bits of the arrays' input converters, by
    whose codes level full keeps voltages, and the dtype of their column. None keeps the voltages as they are.

    Raises `ValueError` or `OverflowError` for arrays whose shapes do not belong together, numbers that the columns do
    not hold exactly, and blocks above the limit.
    """
    request = operation.request
    encoded = EncodedOperation(
        {"kind": int(request.kind), "started": operation.started, "ended": operation.ended, "k": len(request.arrays)},
        {},
    )
    flags = Flag(0)
    if request.arrays:
        encoded.blocks["arrays"] = (exactly(request.arrays, "<i4", "array numbers"),)
    if request.targets is not None:
        flags |= Flag.TARGETS
        encoded.row["rows"], encoded.row["cols"] = request.targets.shape
        encoded.blocks["targets"] = (exactly(request.targets, "<f8", "targets"),)
    if request.voltages is not None:
        flags |= Flag.VOLTAGES | _encode_voltages(encoded, request, request.voltages, level, converter)
    if request.events is not None:
        flags |= Flag.EVENTS
        encoded.blocks["events"] = (exactly(request.events, "<u8", "events"),)
    if request.cells is not None:
        flags |= Flag.CELLS
    if operation.readings is not None:
        flags |= Flag.READINGS
    if operation.error is not None:
        flags |= Flag.ERROR
        encoded.blocks["error"] = (_text(encode_error(operation.error)),)
    ranges = [] if request.vector is None else range_values(request.vector)
    if isinstance(operation.readings, VectorReadings):
        ranges = _encode_vectors(encoded, operation.readings, code_type) + ranges
    if ranges:
        encoded.blocks["ranges"] = (np.concatenate(ranges),)
    _encode_cells(encoded, request, operation.readings)
    bits = converter[0] if converter is not None and "input_codes" in encoded.blocks else None
    encoded.blocks["request"] = (_text(encode_request(request, bits)),)
    encoded.row["flags"] = int(flags)
    _check_sizes(encoded)
    return encoded


def exactly(values: Any, dtype: DTypeLike, what: str) -> NDArray[Any]:
    """Return values as a flat, contiguous array of another dtype; raises `ValueError` where that changes a value."""
    given, wanted = np.asarray(values), np.dtype(dtype)
    if given.dtype == wanted:
        return np.ascontiguousarray(given).reshape(-1)
    with np.errstate(invalid="ignore", over="ignore"):
        cast = np.ascontiguousarray(given, wanted).reshape(-1)
        back = cast.astype(given.dtype)
    if not np.array_equal(back, given.reshape(-1), equal_nan=given.dtype.kind == "f"):
        raise ValueError(f"{what} of type {given.dtype} do not fit into {wanted}")
    return cast


def _text(text: str) -> NDArray[np.uint8]:
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_SMALL_TEXT:
        raise ValueError(f"text of {len(data)} bytes is above the limit of {MAX_SMALL_TEXT}")
    return np.frombuffer(data, np.uint8)


def _encode_voltages(
    encoded: EncodedOperation,
    request: Request,
    voltages: NDArray[Any],
    level: Level,
    converter: tuple[int, np.dtype[Any]] | None,
) -> Flag:
    """Keep the projections of a product's voltages, at level full their codes too; the voltages where it has none.

    Return the flags that say so.
    """
    kept = Flag.KEPT | Flag.SINGLE if voltages.dtype == np.float32 else Flag.KEPT
    if request.kind is OperationKind.MVM:
        k, encoded.row["batch"], encoded.row["rows"] = voltages.shape
        if k != len(request.arrays):
            raise ValueError(f"voltages of {k} arrays, but {len(request.arrays)} arrays are named")
        projections = project(voltages)
        encoded.blocks["projections"] = (projections.reshape(-1),)
        if level != "full":
            return Flag(0)
        # A voltage that is not finite has no code, and makes its projection not finite either.
        if converter is not None and np.isfinite(projections).all():
            codes = input_codes(request, *converter)
            if codes is not None:
                encoded.blocks["input_codes"] = (codes,)
                return kept
    slot, dtype = ("inputs_single", "<f4") if Flag.SINGLE in kept else ("inputs", "<f8")
    encoded.blocks[slot] = (exactly(voltages, dtype, "voltages"),)
    return kept


def _encode_vectors(
    encoded: EncodedOperation, readings: VectorReadings, code_type: DTypeLike
) -> list[NDArray[np.float64]]:
    """Put codes and status into blocks; return step and offset."""
    codes = np.asarray(readings.codes)
    k, batch, cols = codes.shape
    if readings.step.shape != (k, cols) or readings.offset.shape != (k, cols):
        raise ValueError(f"step {readings.step.shape} and offset {readings.offset.shape} should be {(k, cols)}")
    if k != encoded.row["k"] or batch != encoded.row.get("batch", batch):
        raise ValueError(f"codes {codes.shape} are not those of {encoded.row['k']} arrays and the asked batch")
    if codes.dtype.kind not in "iuf":
        raise ValueError(f"codes are {codes.dtype}; integers or floats are kept")
    encoded.row["batch"], encoded.row["cols"] = batch, cols
    encoded.row["code_type"] = codes.dtype.newbyteorder("<").str.encode()
    if _fits(codes, np.dtype(code_type)):
        encoded.blocks["codes"] = (np.ascontiguousarray(codes, code_type).reshape(-1),)
    else:
        encoded.blocks["codes_float"] = (exactly(codes, "<f8", "codes"),)
    status = np.asarray(readings.status)
    np.broadcast_to(status, codes.shape)  # raises where it does not
    encoded.row["status_axes"] = status.ndim
    encoded.row["status_shape"] = status.shape + (1,) * (3 - status.ndim)
    encoded.blocks["status"] = (exactly(status, "<u4", "status"),)
    return [exactly(part, "<f8", "ranges") for part in (readings.step, readings.offset)]


def _fits(codes: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    if codes.dtype.kind == "f":
        return False
    limits = np.iinfo(dtype)
    return (
        np.can_cast(codes.dtype, dtype) or not codes.size or (codes.min() >= limits.min and codes.max() <= limits.max)
    )


def _encode_cells(encoded: EncodedOperation, request: Request, readings: Any) -> None:
    """Put cells and their readings into rows, `repeat` for each cell; NaN where nothing was measured."""
    sweep, places = request.kind is OperationKind.SWEEP, request.cells
    found = readings if isinstance(readings, CellReadings) else None
    if places is None or (sweep and found is None):
        return
    encoded.row["cells"] = len(places)
    shape = (len(places), 1) if found is None else found.current.shape
    if not sweep and shape[0] != len(places):
        raise ValueError(f"readings {shape} are not those of {len(places)} cells")
    encoded.row["repeat"] = shape[1]
    where = exactly(places, "<i4", "cells").reshape(-1, 2)
    columns = [_spread(where[:, axis, None], shape) for axis in (0, 1)]
    for name in CELL_FIELDS:
        dtype, missing = ("<u4", 0) if name == "status" else ("<f8", np.nan)
        if found is None:
            columns.append(np.full(math.prod(shape), missing, dtype))
        else:
            columns.append(exactly(_spread(getattr(found, name), shape), dtype, name))
    encoded.blocks["cells"] = tuple(columns)


def _spread(values: NDArray[Any] | float, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return values as a flat, contiguous array of `shape`."""
    if np.shape(values) != shape:
        values = np.broadcast_to(values, shape)
    # A broadcast view of one value has a stride of 0, also when flat.
    return np.ascontiguousarray(values).reshape(-1)


def _check_sizes(encoded: EncodedOperation) -> None:
    for slot, block in encoded.blocks.items():
        largest = max(column.nbytes for column in block)
        if largest > MAX_BLOCK_BYTES:
            raise ValueError(f"{slot} of {largest} bytes is above the limit of {MAX_BLOCK_BYTES}; use a smaller batch")
