"""A bench for array work without a network: opened and written as `xbar read` and `xbar sweep` ask for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbar.cli.options import size
from xbar.errors import InputError
from xbar.units import parse, show

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xbar.bench.bench import Bench


def open_array(
    bench: str, card: str | None, array_size: str | None, seed: int | None, trace: Path | None, force: bool
) -> "Bench":
    """Return an open bench; size, card and seed are the simulated one's, or override those of a bench file."""
    from xbar.execution.open_bench import open_bench

    options: dict[str, Any] = {}
    if bench == "sim" or array_size is not None:
        options["rows"], options["cols"] = size(array_size or "32x32")
    if card is not None or bench == "sim":
        options["card"] = card or "generic"
    if seed is not None:
        options["seed"] = seed
    return open_bench(bench, record=trace, force=force, **options)


def targets(text: str, bench: "Bench") -> "NDArray[np.float64]":
    """Return target conductances `(rows, cols)` [S].

    `text` is "ramp" (even steps over the range of the card, row by row), a quantity such as "10 uS", or an .npz file
    with one array in siemens.
    """
    import numpy as np

    from xbar.execution.data_file import load_arrays

    has = bench.capabilities
    if has.conductance_range is None:
        raise InputError(
            "the arrays of this bench cannot be written in one shot; leave --target out to read them as they are"
        )
    low, high = has.conductance_range
    shape = (has.rows, has.cols)
    if text == "ramp":
        return np.linspace(low, high, has.rows * has.cols).reshape(shape)
    if text.endswith(".npz"):
        arrays = load_arrays(text)
        if len(arrays) != 1:
            raise InputError(f"{text} holds {len(arrays)} arrays; save one, target conductances {shape} in siemens")
        return np.asarray(next(iter(arrays.values())), np.float64)
    value = parse(text, "S")
    if not low <= value <= high * (1 + 1e-12):
        raise InputError(
            f"target {show(value, 'S')} is outside the range of the card, {show(low, 'S')} to {show(high, 'S')}"
        )
    return np.full(shape, value)
