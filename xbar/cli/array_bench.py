"""A bench for array work without a network: opened and written as `xbar read` and `xbar sweep` ask for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbar.cli.options import size
from xbar.errors import InputError
from xbar.units import parse, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from xbar.bench.bench import Bench
    from xbar.bench.chip import Chip
    from xbar.bench.settings import Unselected

USUAL_VOLTAGE = 0.2
"""Of readings where no card tells one [V]."""


def open_array(
    bench: str,
    card: str | None,
    array_size: str | None,
    seed: int | None,
    wires: str | None,
    chip: "Chip | None",
    trace: Path | None,
    force: bool,
    physics: "Mapping[str, Any] | None" = None,
) -> "Bench":
    """Return an open bench; size, card, seed and wires are the simulated one's, or override those of a bench file.

    `physics` are further options of the simulated bench by name, None where not given.
    """
    from xbar.execution.open_bench import open_bench

    options = array_options(bench, card, array_size, seed, wires, chip)
    options |= {name: value for name, value in (physics or {}).items() if value is not None}
    return open_bench(bench, record=trace, force=force, chip=chip, **options)


def array_options(
    bench: str, card: str | None, array_size: str | None, seed: int | None, wires: str | None, chip: "Chip | None"
) -> dict[str, Any]:
    """Return the options of the driver that a command names, with the usual size and card of a new simulated array."""
    options: dict[str, Any] = {}
    # A chip that is kept knows its own size and card.
    new = bench == "sim" and (chip is None or chip.state is None)
    if new or array_size is not None:
        options["rows"], options["cols"] = size(array_size or "32x32")
    if new or card is not None:
        options["card"] = card or "generic"
    if seed is not None:
        options["seed"] = seed
    if wires is not None:
        options["wires"] = wires
    return options


def read_voltage(text: str | None, bench: "Bench") -> float:
    """Return the voltage of readings [V]: the one asked for, else that of the card of a simulated bench, else 0.2 V."""
    from xbar.devices.card_file import parse_card

    if text is not None:
        return parse(text, "V")
    recorded = bench.setting("recorded")
    card = bench.setting("card_text") or (recorded.get("card_text") if isinstance(recorded, dict) else None)
    return parse_card(card, "card of the bench").read_voltage if isinstance(card, str) else USUAL_VOLTAGE


def kept_chip(path: Path | None, after: str | None) -> "Chip | None":
    """Return the chip of a file after a time such as "1 day", None where no file is named."""
    from xbar.bench.chip import open_chip
    from xbar.cli.options import seconds

    if path is None:
        if after is not None:
            raise InputError("time can pass only for a chip that is kept; name its file with --chip")
        return None
    return open_chip(path, after=seconds(after) or 0.0)


def is_new(bench: str, opened: "Bench") -> bool:
    """Tell whether the arrays are simulated ones that nothing was written to."""
    return bench == "sim" and (opened.chip is None or opened.chip.state is None)


def line_mode(text: str) -> "Unselected":
    """Return what lines are tied to that a reading does not use; raises `InputError` that lists the ways."""
    from xbar.bench.settings import Unselected

    try:
        return Unselected(text)
    except ValueError:
        known = ", ".join(mode.value for mode in Unselected)
        raise InputError(f"unselected lines cannot be left at {text!r}; choose one of {known}") from None


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
