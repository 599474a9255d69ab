"""The simulated array behind a served bench, as the rack file or a chip file says, and kept in a chip file."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xbar.array.periphery import Periphery
from xbar.array.simulated_arrays import SimulatedArrays
from xbar.bench.chip import Chip
from xbar.bench.driver import DriverState
from xbar.devices.card import SWITCHES, DeviceCard
from xbar.devices.card_file import load_card
from xbar.errors import FileError, FormatError, InputError, UnknownNameError
from xbar_drivers.emulated.rack_file import RackFile

LARGEST_TARGETS = 2**30
"""Bytes of the largest file of conductances."""


def make_arrays(rack: RackFile, chip: Chip | None = None) -> SimulatedArrays:
    """Return the array of a rack file, its cells as the chip or the file says.

    Raises `InputError`, `FileError` or `FormatError`.
    """
    whole = load_card(rack.card)
    card = whole.only(_effects(rack))
    arrays = SimulatedArrays(1, rack.rows, rack.cols, card, Periphery(seed=rack.seed))
    if chip is not None and chip.state is not None:
        _restore(arrays, rack, chip, whole)
        return arrays
    if card.forming is not None:
        return arrays  # fresh cells: nothing can be written before they are formed
    arrays.program(0, np.clip(_targets(rack, card), card.g_min, card.g_max), 0.0)
    return arrays


def keep_chip(chip: Chip, arrays: SimulatedArrays, rack: RackFile, pulses: NDArray[np.int64]) -> None:
    """Write the chip file: the state of the arrays as the simulated bench has it, and pulses that were given.

    Raises `FileError`.
    """
    card, before = load_card(rack.card), {} if chip.state is None else chip.state.values
    if not chip.model:
        _, chip.rows, chip.cols = arrays.shape
        chip.arrays, chip.model = 1, f"sim:{card.name}"
    given = np.argwhere(pulses > 0)
    for count in np.unique(pulses[pulses > 0]):
        chip.count_pulses(0, given[pulses[tuple(given.T)] == count], int(count))
    counters, cells = arrays.state()
    own = {"seed": rack.seed, "card": card.name, "card_sha256": card.sha256, "card_text": card.text}
    chip.state = DriverState({"vectors": 0, **before, **own, **counters}, cells)
    chip.save()


def _effects(rack: RackFile) -> list[str]:
    for name in (*rack.without, *(rack.only or ())):
        if name not in SWITCHES:
            raise UnknownNameError(f"effect {name!r} is not known; known are {', '.join(SWITCHES)}")
    kept = SWITCHES if rack.only is None else rack.only
    return [name for name in kept if name not in rack.without]


def _restore(arrays: SimulatedArrays, rack: RackFile, chip: Chip, card: DeviceCard) -> None:
    assert chip.state is not None
    said = chip.state.values
    if (chip.arrays, chip.rows, chip.cols) != (1, rack.rows, rack.cols):
        raise InputError(
            f"chip {chip.path} is {chip.arrays} arrays of {chip.rows} x {chip.cols} cells, the rack file has one of "
            f"{rack.rows} x {rack.cols}; give it the chip's size"
        )
    if said.get("card_sha256") != card.sha256 or said.get("seed") != rack.seed:
        raise InputError(
            f"chip {chip.path} is of card {said.get('card')!r} and seed {said.get('seed')!r}, the rack file has "
            f"{card.name!r} and {rack.seed}; give it the chip's"
        )
    try:
        arrays.restore(said, chip.state.arrays, chip.after)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"the state in the chip file is incomplete ({error}); it is damaged") from error


def _targets(rack: RackFile, card: DeviceCard) -> NDArray[np.float64]:
    shape = (rack.rows, rack.cols)
    if rack.conductances is not None:
        return _load_targets(rack.conductances, shape)
    if rack.cells == "random":
        return np.random.Generator(np.random.Philox(key=rack.seed)).uniform(card.g_min, card.g_max, shape)
    return np.full(shape, card.g_min if rack.cells == "low" else card.g_max)


def _load_targets(path: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    try:
        if path.stat().st_size > LARGEST_TARGETS:
            raise FormatError(f"{path} is larger than {LARGEST_TARGETS} bytes")
        found = np.load(path, allow_pickle=False)
    except OSError as error:
        raise FileError(f"conductances {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise FormatError(f"conductances {path} is not an .npy file of numbers: {error}") from error
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype.kind != "f":
        raise FormatError(f"conductances {path} must be {shape[0]} x {shape[1]} floating-point numbers in siemens")
    return found.astype(np.float64)
