"""Samples in blocks: every sample stands at the same place of an equally large block, whatever the batch.

Some operators give other bits at another place of a batch (Softplus of ONNX Runtime does: its vector loop and its
remainder differ), so blocks are aligned to the index of the sample and always full.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError, Unsupported

SAMPLES = 20
"""Samples of a block, for models that leave the batch open."""


@dataclass(frozen=True)
class TensorSpec:
    """What the model says about one of its inputs."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    """Size of each axis, None where it is open. Axis 0 is the samples."""


@dataclass(frozen=True, eq=False)
class Block:
    """A full block of samples."""

    feeds: dict[str, NDArray[Any]]
    """Input arrays by name; axis 0 has exactly the samples of a block, padded by repeated edge samples."""
    first: int
    """Index of the sample at place 0."""
    valid: slice
    """Places that hold real samples."""


def cut_blocks(specs: Sequence[TensorSpec], inputs: Mapping[str, NDArray[Any]], first: int, block: int) -> list[Block]:
    """Check input arrays against the model and cut them into aligned blocks.

    Args:
        specs: inputs of the model.
        inputs: array by input name; axis 0 is the samples.
        first: index of the first sample, 0 or more.
        block: samples of a block.

    Raises:
        InputError: a name, shape, type or value does not fit; the message names the input.
    """
    names = [spec.name for spec in specs]
    if sorted(names) != sorted(inputs):
        raise InputError(f"the network needs the inputs {names}, not {list(inputs)}")
    if first < 0:
        raise InputError(f"the index of the first sample is {first}: it starts at 0")
    arrays = {spec.name: _fit(spec, np.asarray(inputs[spec.name]), block) for spec in specs}
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) != 1:
        raise InputError(f"the inputs have different numbers of samples: {counts}")
    samples = next(iter(counts.values()))
    if samples == 0:
        raise InputError(f"the input {names[0]!r} holds no samples")
    blocks = []
    for start in range(first - first % block, first + samples, block):
        low, high = max(first, start), min(first + samples, start + block)
        before, after = low - start, start + block - high
        feeds = {name: _pad(array[low - first : high - first], before, after) for name, array in arrays.items()}
        blocks.append(Block(feeds, start, slice(before, block - after)))
    return blocks


def _pad(part: NDArray[Any], before: int, after: int) -> NDArray[Any]:
    """Repeat the first and the last sample so that the block is full."""
    if before or after:
        part = np.concatenate([np.repeat(part[:1], before, axis=0), part, np.repeat(part[-1:], after, axis=0)])
    return np.ascontiguousarray(part)


def _fit(spec: TensorSpec, array: NDArray[Any], block: int) -> NDArray[Any]:
    """Return an input array in the type of the model after checking shape and values."""
    open_axes = ["samples", *("any" if size is None else str(size) for size in spec.shape[1:])]
    if not spec.shape:
        raise Unsupported(f"the input {spec.name!r} is a scalar; xbar needs the samples on axis 0 of every input")
    fits = array.ndim == len(spec.shape) and all(
        wanted is None or wanted == given for wanted, given in zip(spec.shape[1:], array.shape[1:], strict=True)
    )
    if not fits:
        raise InputError(f"the input {spec.name!r} needs the shape [{', '.join(open_axes)}], not {list(array.shape)}")
    result = _cast(spec, array)
    if result.dtype.kind == "f":
        bad = int(np.count_nonzero(~np.isfinite(result)))
        if bad:
            raise InputError(f"the input {spec.name!r} holds {bad} values that are NaN or infinite as {spec.dtype}")
    return result


def _cast(spec: TensorSpec, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the type of the model where no meaning is lost; numbers become floats freely."""
    if array.dtype == spec.dtype:
        return array
    wanted, given = spec.dtype.kind, array.dtype.kind
    if wanted == "f" and given in "biuf":
        with np.errstate(over="ignore"):
            return array.astype(spec.dtype)
    if wanted in "iu" and given in "biu":
        limits = np.iinfo(spec.dtype)
        if array.size and (int(array.min()) < limits.min or int(array.max()) > limits.max):
            raise InputError(
                f"the input {spec.name!r} has values from {array.min()} to {array.max()}, not {spec.dtype}"
            )
        return array.astype(spec.dtype)
    if wanted == "O" and given in "US":
        return array.astype(np.str_).astype(object)
    raise InputError(f"the input {spec.name!r} needs the type {spec.dtype}, not {array.dtype}")


def trim(blocks: Sequence[Block], results: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Join the outputs of all blocks and drop the samples that only fill them up.

    Args:
        blocks: the blocks that were run.
        results: outputs by name, for each block.

    Raises:
        Unsupported: an output is not an array whose axis 0 is the samples.
    """
    joined: dict[str, NDArray[Any]] = {}
    for name in results[0] if results else ():
        parts = []
        for block, result in zip(blocks, results, strict=True):
            places = len(next(iter(block.feeds.values())))
            output = result[name]
            shape = list(output.shape) if isinstance(output, np.ndarray) else type(output).__name__
            if not isinstance(output, np.ndarray) or output.ndim == 0 or len(output) != places:
                raise Unsupported(
                    f"axis 0 of the output {name!r} is not the samples: {shape} for {places} samples. "
                    "Export the model with the batch on axis 0 of every output"
                )
            parts.append(output[block.valid])
        joined[name] = np.concatenate(parts)
    return joined
