"""The scalar part of a request, and an error, as JSON; arrays stand in columns."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar import errors
from xbar.bench.operation import OperationKind, Request
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig
from xbar.errors import DriverError, XbarError
from xbar.trace.header_text import from_json


def encode_request(request: Request, input_bits: int | None = None) -> str:
    """Return the settings of a request as text: equal settings give equal text.

    `input_bits` are those of the converters by whose codes the voltages are kept.
    """
    values: dict[str, Any] = {}
    if request.read is not None:
        values["read"] = _plain(request.read)
    if request.pulse is not None:
        values["pulse"] = _plain(request.pulse)
    if request.vector is not None:
        values["vector"] = {
            "input_range": list(np.shape(request.vector.input_range)),
            "output_range": list(np.asarray(request.vector.output_range).shape),
            "columns": None if request.vector.columns is None else int(request.vector.columns),
        }
    if request.kind is OperationKind.SWEEP and request.cells is not None:
        values["cell"] = [int(n) for n in request.cells.reshape(-1)]
    if request.count is not None:
        values["count"] = int(request.count)
    if request.seconds is not None:
        values["seconds"] = float(request.seconds)
    if input_bits is not None:
        values["input_bits"] = input_bits
    return _TEXT.encode(values)


_TEXT = json.JSONEncoder(sort_keys=True)
"""Kept: `json.dumps` would make one for every operation."""


def _plain(config: ReadConfig | Pulse) -> dict[str, Any]:
    """Return the fields of a configuration with plain numbers, so that NumPy scalars do not reach JSON."""
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in vars(config).items()}
    return plain | {"unselected": config.unselected.value}


def range_values(config: VectorConfig) -> list[NDArray[np.float64]]:
    """Return input and output range as flat arrays [V], [A]; their shapes stand in the text."""
    return [np.asarray(value, np.float64).reshape(-1) for value in (config.input_range, config.output_range)]


def decode_read(values: dict[str, Any]) -> ReadConfig | None:
    """Return the read configuration of a request's text."""
    if "read" not in values:
        return None
    return ReadConfig(**(values["read"] | {"unselected": Unselected(values["read"]["unselected"])}))


def decode_pulse(values: dict[str, Any]) -> Pulse | None:
    """Return the pulse of a request's text."""
    if "pulse" not in values:
        return None
    return Pulse(**(values["pulse"] | {"unselected": Unselected(values["pulse"]["unselected"])}))


def decode_vector(values: dict[str, Any], numbers: NDArray[np.float64]) -> VectorConfig | None:
    """Return the vector configuration of a request's text; `numbers` are its input and output ranges, in this order."""
    if "vector" not in values:
        return None
    given, ranges = values["vector"], []
    for name in ("input_range", "output_range"):
        shape = tuple(int(n) for n in given[name])
        size = int(np.prod(shape, dtype=np.int64))
        part, numbers = numbers[:size], numbers[size:]
        ranges.append(float(part[0]) if shape == () else part.reshape(shape).copy())
    return VectorConfig(ranges[0], ranges[1], given["columns"])


def encode_error(error: Exception) -> str:
    """Return class and message of an error as text."""
    kind = type(error)
    return json.dumps({"class": f"{kind.__module__}.{kind.__qualname__}", "message": str(error)})


def decode_error(text: str) -> Exception:
    """Return the recorded error: the same class of `xbar.errors`, or a `DriverError` that names the class."""
    values = from_json(text, "error of an operation")
    module, _, name = str(values.get("class")).rpartition(".")
    message = str(values.get("message"))
    kind = getattr(errors, name, None) if module == errors.__name__ else None
    if isinstance(kind, type) and issubclass(kind, XbarError):
        return kind(message)
    return DriverError(f"{name}: {message}")
