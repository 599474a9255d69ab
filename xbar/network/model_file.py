"""Read an ONNX file that may be hostile or broken: sizes, external data and declared shapes are checked first."""

import math
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from onnx import ModelProto, SparseTensorProto, TensorProto, helper

from xbar.errors import FileError, FormatError, Unsupported
from xbar.network.graph import sparse_tensors, tensors

LARGEST_MESSAGE = 2**31 - 1
"""Bytes of the largest protobuf message; a model with all its weights must fit into one."""
LARGEST_TENSOR = 2**28
"""Values of the largest tensor that a model may declare without storing it (1 GiB of float32)."""


def read_model(path: Path) -> ModelProto:
    """Read an `.onnx` file and the external data beside it.

    Raises:
        FileError: there is no such file, or it cannot be read.
        FormatError: it is not an ONNX model, is cut short, or points outside its own folder.
        Unsupported: it is larger than the 2 GiB of a protobuf message.
    """
    if path.is_dir():
        raise FileError(f"{path} is a folder: give the .onnx file inside it")
    try:
        if path.stat().st_size > LARGEST_MESSAGE:
            raise Unsupported(f"{path} has {path.stat().st_size} bytes: a protobuf message ends at {LARGEST_MESSAGE}")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FileError(f"there is no file {path}") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    return parse_model(data, str(path), path.parent)


def parse_model(data: bytes, label: str, folder: Path | None = None) -> ModelProto:
    """Parse a serialised ONNX model and check what it declares against what it holds.

    Args:
        data: the bytes of the file.
        label: where they come from, for messages.
        folder: the folder in which external data may lie; without it external data is refused.

    Raises:
        FormatError, FileError, Unsupported: see `read_model`.
    """
    if not data:
        raise FormatError(f"{label} is empty: export the ONNX model again")
    try:
        model: ModelProto = ModelProto.FromString(data)
    except DecodeError as error:
        raise FormatError(f"{label} is not an ONNX model, or it is cut short: export or copy it again") from error
    if not (model.ir_version and model.opset_import and model.graph.output):
        raise FormatError(f"{label} is not a complete ONNX model (no version, operator set or graph in it)")
    total = 0
    for tensor in tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            _read_external(tensor, label, folder)
            total += len(tensor.raw_data)
        if total > LARGEST_MESSAGE:
            raise Unsupported(f"the external data of {label} has more than {LARGEST_MESSAGE} bytes, the protobuf limit")
        _check_size(tensor, label)
    for sparse in sparse_tensors(model):
        _check_sparse(sparse, label)
    return model


def _read_external(tensor: TensorProto, label: str, folder: Path | None) -> None:
    """Replace a reference to external data by the data itself."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise FormatError(f"{label}: tensor {tensor.name!r} lies in another file ({location!r}), not in the model")
    if not location or "\\" in location or Path(location).is_absolute() or ":" in location:
        raise FormatError(f"{label}: tensor {tensor.name!r} lies in {location!r}, outside the model's folder: refused")
    path = (folder / location).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise FormatError(f"{label}: tensor {tensor.name!r} lies in {location!r}, outside the model's folder: refused")
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(_stored_bytes(tensor, label))))
    except ValueError as error:
        raise FormatError(f"{label}: tensor {tensor.name!r} has an offset or length that is no number") from error
    if offset < 0 or length != _stored_bytes(tensor, label):
        raise FormatError(
            f"{label}: tensor {tensor.name!r} of shape {list(tensor.dims)} has {_stored_bytes(tensor, label)} bytes, "
            f"but {length} at offset {offset} of {location!r} are declared"
        )
    try:
        if not path.is_file():
            raise FileError(f"{label}: the file {location!r} with tensor {tensor.name!r} is missing: copy it along")
        if path.stat().st_size < offset + length:
            raise FormatError(f"{label}: {location!r} is too short for tensor {tensor.name!r}: copy it again")
        with path.open("rb") as file:
            file.seek(offset)
            tensor.raw_data = file.read(length)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{label}: {location!r} cannot be read: {error.strerror or error}") from error
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")


def _values(tensor: TensorProto, label: str) -> int:
    """Return how many values a tensor declares."""
    if any(size < 0 for size in tensor.dims):
        raise FormatError(f"{label}: tensor {tensor.name!r} has a negative size: {list(tensor.dims)}")
    return math.prod(tensor.dims)


def _bits(tensor: TensorProto, label: str) -> int:
    """Return the bits of one value of a tensor."""
    name = TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in TensorProto.DataType.values() else ""
    if name in ("", "UNDEFINED"):
        raise FormatError(f"{label}: tensor {tensor.name!r} has the unknown data type {tensor.data_type}")
    for bits in (2, 4):
        if name.endswith(f"INT{bits}") or name == f"FLOAT{bits}E2M1":
            return bits
    return 8 * int(np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize)


def _stored_bytes(tensor: TensorProto, label: str) -> int:
    """Return the bytes that a tensor of this type and shape takes in raw form."""
    if tensor.data_type == TensorProto.STRING:
        raise FormatError(f"{label}: tensor {tensor.name!r} holds text, which cannot lie outside the model")
    size = -(-_values(tensor, label) * _bits(tensor, label) // 8)
    if size > LARGEST_MESSAGE:
        raise Unsupported(
            f"{label}: tensor {tensor.name!r} of shape {list(tensor.dims)} has {size} bytes, "
            f"more than the {LARGEST_MESSAGE} of a protobuf message"
        )
    return size


def _check_size(tensor: TensorProto, label: str) -> None:
    """Refuse a tensor whose stored data does not fill its declared shape, before anything is allocated."""
    count = _values(tensor, label)
    if tensor.HasField("raw_data"):
        held, needed = len(tensor.raw_data), _stored_bytes(tensor, label)
        fits = held == needed
    else:
        fields = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
        held = sum(len(getattr(tensor, field)) for field in fields)
        complex_values = tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128)
        packed = {count, -(-count // 2), -(-count // 4)} if tensor.data_type >= TensorProto.UINT4 else {count}
        needed = 2 * count if complex_values else count
        fits = held == needed or held in packed
    if not fits:
        raise FormatError(
            f"{label}: tensor {tensor.name!r} declares the shape {list(tensor.dims)} but holds "
            f"{held} of {needed} {'bytes' if tensor.HasField('raw_data') else 'values'}"
        )


def _check_sparse(sparse: SparseTensorProto, label: str) -> None:
    """Refuse a sparse tensor that would be huge when it is filled up."""
    if any(size < 0 for size in sparse.dims) or math.prod(sparse.dims) > LARGEST_TENSOR:
        raise FormatError(
            f"{label}: the sparse tensor {sparse.values.name!r} declares the shape {list(sparse.dims)}; "
            f"at most {LARGEST_TENSOR} values are accepted"
        )
