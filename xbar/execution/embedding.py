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

MAP, DATA, RECALIBRATION = "map.h5", "data.npz", "recalibration.npz"
"""Names of the embedded files."""

LARGEST = 64_000_000
"""Most bytes of map and data that are embedded."""

LAYERS_KEPT = 256
"""Most layers whose errors are kept with the result."""

Arrays = Mapping[str, NDArray[Any]]


def embedded_files(
    mapped: MappedNetwork, inputs: Arrays, labels: NDArray[Any] | None, recalibration: Arrays | None = None
) -> dict[str, bytes]:
    """Return map, data and calibration samples as files by name, or none where they take more than 64 MB together."""
    calibration = dict(recalibration or {})
    size = sum(array.nbytes for array in (*inputs.values(), *calibration.values()))
    if size + sum(m.targets.nbytes for m in mapped.matrices) > LARGEST:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MAP
        save_map(mapped, path)
        files = {MAP: path.read_bytes(), DATA: _npz(dict(inputs) if labels is None else {**inputs, "y": labels})}
        if calibration:
            files[RECALIBRATION] = _npz(calibration)
    return files if sum(map(len, files.values())) <= LARGEST else {}


def _npz(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez(buffer, **named)
    return buffer.getvalue()


def embedded_map(content: bytes) -> MappedNetwork:
    """Return the map in the bytes of a map file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MAP
        path.write_bytes(content)
        return load_map(path)


def kept_result(run: RunResult) -> dict[str, Any]:
    """Return what a trace keeps of a run, as JSON values: figures, and a hash of the bits of each output."""
    values = run.to_dict()
    kept = {name: values[name] for name in ("accuracy", "error_samples", "samples")}
    # The trace has room for so many: a figure takes about 100 bytes.
    kept["layers"] = values["layers"][:LAYERS_KEPT]
    bits = {name: np.ascontiguousarray(array).tobytes() for name, array in run.outputs.items()}
    return {**kept, "outputs": {name: hashlib.sha256(content).hexdigest() for name, content in bits.items()}}
