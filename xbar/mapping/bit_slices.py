"""Bit slices: a weight is a whole number whose digits stand on bit lines of their own.

A slice of b bits takes one of 2^b conductances, evenly spaced, and counts 2^(b k): the codes of the slices are shifted
and added digitally, after their converters. A device of few states holds few bits a cell, and many cells hold a weight.
Sources: ISAAC (A. Shafiee et al., ISCA 2016, doi 10.1109/ISCA.2016.12), 16-bit weights in eight cells of 2 bits; PRIME
(P. Chi et al., ISCA 2016, doi 10.1109/ISCA.2016.13), two cells of 4 bits.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xbar.devices.card import DeviceCard
from xbar.errors import InputError
from xbar.units import show

Floats = NDArray[np.float64]

USUAL_BITS: Final = 2
"""Bits of a slice on a device of any conductance, as in ISAAC, where nobody says otherwise."""
MOST_BITS: Final = 8
"""Most bits of a slice."""
WEIGHT_BITS: Final = (2, 16)
"""Fewest and most bits of a weight, sign included."""
APART: Final = 0.25
"""How far a state may lie from the even spacing, as a share of the spacing."""


@dataclass(frozen=True)
class BitSlices:
    """Slices of equal size."""

    count: int
    """Slices of a weight, at least 1."""
    bits: int
    """Bits of a slice, 1 to 8."""
    states: tuple[float, ...]
    """Conductance of each digit, 0 to 2^bits - 1 [S]."""

    @property
    def significance(self) -> Floats:
        """Get what each slice counts `(count,)`, the least significant first."""
        return np.ldexp(np.ones(self.count), self.bits * np.arange(self.count))

    @property
    def largest(self) -> int:
        """Get the largest number that the slices hold."""
        return int(2 ** (self.bits * self.count)) - 1

    @property
    def step(self) -> float:
        """Get the conductance between two digits [S]."""
        return (self.states[-1] - self.states[0]) / (len(self.states) - 1)

    def conductances(self, numbers: NDArray[np.int64]) -> Floats:
        """Return the conductances `(..., count)` [S] of whole numbers (any shape) from 0 to `largest`."""
        shift = self.bits * np.arange(self.count)
        digits = (numbers[..., None] >> shift) & (2**self.bits - 1)
        found: Floats = np.asarray(self.states, np.float64)[digits]
        return found


def slice_states(card: DeviceCard, bits: int) -> tuple[float, ...]:
    """Return the conductances of the digits of a slice on a device [S].

    Raises `InputError` for a number of bits outside 1 to 8, or one that the states of the card do not hold.
    """
    if not 1 <= bits <= MOST_BITS:
        raise InputError(f"a slice of {bits} bits cannot be; use 1 to {MOST_BITS}")
    found = _states(card, bits)
    if found is not None:
        return found
    assert card.levels is not None  # without levels every conductance of the range can be asked for
    states = card.levels.conductances
    fits = _most_bits(card)
    remedy = f"use slices of at most {fits} bit{'s' * (fits > 1)}" if fits else "use an encoding without slices"
    raise InputError(
        f"card {card.name!r} holds {len(states)} states, {show(states[0], 'S')} to {show(states[-1], 'S')}; a slice of "
        f"{bits} bits needs {2**bits} of them, evenly spaced to a quarter of a step; {remedy}"
    )


def usual_bits(card: DeviceCard) -> int:
    """Return the bits of a slice where nobody says: 2, or as many as the states of the card hold.

    Raises `InputError` for a card whose states hold no slice.
    """
    if card.levels is None:
        return USUAL_BITS
    bits = _most_bits(card)
    if not bits:
        slice_states(card, 1)
    return bits


def _most_bits(card: DeviceCard) -> int:
    return max((bits for bits in range(1, MOST_BITS + 1) if _states(card, bits) is not None), default=0)


def _states(card: DeviceCard, bits: int) -> tuple[float, ...] | None:
    """Return the conductances of the digits, None where the card's states are too few or unevenly spaced."""
    even = np.linspace(card.g_min, card.g_max, 2**bits)
    if card.levels is None:
        return tuple(float(g) for g in even)
    nearest = np.asarray(card.levels.nearest(even), np.float64)
    off = np.abs(nearest - even).max()
    if off > APART * (card.g_max - card.g_min) / (2**bits - 1) or len(set(nearest.tolist())) < 2**bits:
        return None
    return tuple(float(g) for g in nearest)
