"""What travels with the trace of a run, so that it can be run again from the trace alone: map and data."""

import hashlib
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.execution.results import RunResult
from xbar.mapping.map_file import load_map, save_map
from xbar.mapping.mapped_network import MappedNetwork

MAP, DATA = "map.h5", "data.npz"
"""Names of the embedded files."""

LARGEST = 64_000_000
"""Most bytes of map and data that are embedded."""

LAYERS_KEPT = 256
"""Most layers whose errors are kept with the result."""

Arrays = Mapping[str, NDArray[Any]]


def embedded_files(mapped: MappedNetwork, inputs: Arrays, labels: NDArray[Any] | None) -> dict[str, bytes]:
    """Return map and data as files by name, or none where they take more than 64 MB together."""
    size = sum(array.nbytes for array in inputs.values()) + sum(m.targets.nbytes for m in mapped.matrices)
    if size > LARGEST:
        return {}
    buffer = io.BytesIO()
    arrays: dict[str, Any] = dict(inputs) if labels is None else {**inputs, "y": labels}
    np.savez(buffer, **arrays)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MAP
        save_map(mapped, path)
        files = {MAP: path.read_bytes(), DATA: buffer.getvalue()}
    return files if sum(map(len, files.values())) <= LARGEST else {}


def embedded_map(content: bytes) -> MappedNetwork:
    """Return the map in the bytes of a map file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MAP
        path.write_bytes(content)
        return load_map(path)


def data_hash(inputs: Arrays, labels: NDArray[Any] | None) -> str:
    """Return a hash of names, types, shapes and values of the data."""
    digest = hashlib.sha256()
    for name, array in sorted({**inputs, **({} if labels is None else {"y": labels})}.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def kept_result(run: RunResult) -> dict[str, Any]:
    """Return what a trace keeps of a run, as JSON values: figures, and a hash of the bits of each output."""
    values = run.to_dict()
    kept = {name: values[name] for name in ("accuracy", "error_samples", "samples")}
    # The trace has room for so many: a figure takes about 100 bytes.
    kept["layers"] = values["layers"][:LAYERS_KEPT]
    bits = {name: np.ascontiguousarray(array).tobytes() for name, array in run.outputs.items()}
    return {**kept, "outputs": {name: hashlib.sha256(content).hexdigest() for name, content in bits.items()}}
