"""Choose an encoding by name, for a card; and read the one that a map file names."""

import operator
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from xbar.devices.card import DeviceCard
from xbar.errors import FormatError, InputError
from xbar.mapping.bit_slices import WEIGHT_BITS, BitSlices, slice_states, usual_bits
from xbar.mapping.differential_pair import DifferentialPair
from xbar.mapping.encoding import Encoding
from xbar.mapping.offset_column import OffsetColumn
from xbar.units import show

PLAIN: Final = ("differential", "offset", "digital-offset")
"""Encodings with one conductance, or one difference, for a weight."""
SLICED: Final = ("slices", "offset-slices", "digital-offset-slices")
"""The same in bit slices."""
ENCODINGS: Final = (*PLAIN, *SLICED)

USUAL_WEIGHT_BITS: Final = 8
"""Bits of a weight, sign included, that slices make up where nobody says otherwise."""
MOST_SPARE: Final = 7
"""Most bits by which whole slices pass the bits of a weight."""
MIDDLE: Final = 0.01
"""How far from the middle of the range a state may lie that stands for 0, as a share of the range."""


def choose_encoding(
    name: str, card: DeviceCard, slice_bits: int | None = None, weight_bits: int | None = None
) -> Encoding:
    """Return the encoding of a name for a card.

    Args:
        name: one of `ENCODINGS`.
        card: the device, whose range and states the conductances keep to.
        slice_bits: bits of a slice, 1 to 8; None takes 2, or as many as the states of the card hold.
        weight_bits: bits of a weight that the slices make up at least, sign included, 2 to 16; None takes 8. A pair
            has its sign for nothing: its slices make up one bit less.

    Raises:
        InputError: an unknown name, bits that cannot be, slices that the card's states do not hold, bits for an
            encoding without slices, or an offset on a card without a state in the middle of its range.

    """
    if name not in ENCODINGS:
        raise InputError(f"encoding {name!r} is not known; known are {', '.join(ENCODINGS)}")
    if name in PLAIN:
        for what, bits in (("slice", slice_bits), ("weight", weight_bits)):
            if bits is not None:
                raise InputError(
                    f"{what} bits {bits} say nothing to encoding {name!r}, which has no slices; leave them out or "
                    f"choose one of {', '.join(SLICED)}"
                )
        return _plain(name, card)
    fewest, most = WEIGHT_BITS
    wanted = USUAL_WEIGHT_BITS if weight_bits is None else weight_bits
    if not fewest <= wanted <= most:
        raise InputError(f"weight bits {wanted} must be {fewest} to {most}, sign included")
    each = usual_bits(card) if slice_bits is None else slice_bits
    states = slice_states(card, each)
    return _sliced(name, card, BitSlices(-(-(wanted - (name == "slices")) // each), each, states))


def _plain(name: str, card: DeviceCard) -> Encoding:
    if name == "differential":
        return DifferentialPair(card.g_min, card.g_max)
    if card.levels is not None:
        middle = (card.g_min + card.g_max) / 2
        nearest = float(np.asarray(card.levels.nearest(np.array([middle])))[0])
        if abs(nearest - middle) > MIDDLE * (card.g_max - card.g_min):
            raise InputError(
                f"card {card.name!r} has no state at {show(middle, 'S')}, the middle of its range, where encoding "
                f"{name!r} has a weight of 0; use {name}-slices, whose digits are states of the card"
            )
    return OffsetColumn(card.g_min, card.g_max, digital=name == "digital-offset")


def _sliced(name: str, card: DeviceCard, slices: BitSlices) -> Encoding:
    if name == "slices":
        return DifferentialPair(card.g_min, card.g_max, slices)
    return OffsetColumn(card.g_min, card.g_max, slices, digital=name == "digital-offset-slices")


def encoding_of(settings: object, card: DeviceCard) -> Encoding:
    """Return the encoding that a map file names, `Encoding.settings`, for the card in it.

    Raises `FormatError` for one that this version does not know or that the card cannot hold.
    """
    try:
        if isinstance(settings, Mapping):
            return _of_slices(settings, card)
        if settings in PLAIN:
            return choose_encoding(str(settings), card)
    except (InputError, KeyError, TypeError) as error:
        raise FormatError(f"encoding {settings!r} cannot be ({error})") from error
    raise FormatError(f"encoding {settings!r} is not known; this version reads {', '.join(ENCODINGS)}")


def _of_slices(settings: Mapping[str, Any], card: DeviceCard) -> Encoding:
    name, count, bits = settings["name"], operator.index(settings["slices"]), operator.index(settings["slice_bits"])
    most = WEIGHT_BITS[1]
    if name not in SLICED or not 1 <= count <= most:
        raise InputError(f"known are {', '.join(SLICED)} of 1 to {most} slices")
    slices = BitSlices(count, bits, slice_states(card, bits))
    fewest = 1 if name == "slices" else 2
    if not fewest <= count * bits <= most + MOST_SPARE:
        raise InputError(f"{count} slices of {bits} bits make up {count * bits} bits")
    return _sliced(name, card, slices)
