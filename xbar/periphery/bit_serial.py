"""Bit-serial inputs: the bits of an input code are driven one after the other, and their conversions added.

Each bit plane drives word lines at the full input range or not at all; the ADC converts each plane in its one range,
and the codes are shifted by the weight of the bit and added, digitally. Two ways with the sign:

* "sign-magnitude": the bits of the magnitude, driven with the sign of the input (bipolar drivers); bits - 1 planes.
* "twos-complement": the bits of the two's complement, driven with one polarity; the last plane has a negative weight.

Source: A. Shafiee et al., "ISAAC", ISCA 2016, doi 10.1109/ISCA.2016.12 (one-bit planes, shift and add, two's
complement).
"""

from typing import Any, Literal, TypeAlias

from xbar.namespace import namespace

BitSerial: TypeAlias = Literal["sign-magnitude", "twos-complement"]


def weights(way: BitSerial, bits: int) -> tuple[int, ...]:
    """Return the weight of each plane of codes of `bits` bits, sign included, the lowest first."""
    magnitude = tuple(1 << plane for plane in range(bits - 1))
    return magnitude if way == "sign-magnitude" else (*magnitude, -(1 << (bits - 1)))


def plane(codes: Any, way: BitSerial, number: int) -> Any:
    """Return plane `number` of whole-number `codes` (any shape): -1, 0 or 1, in their type.

    The planes times their weights add to the codes.
    """
    xp = namespace(codes)
    whole = xp.astype(codes, xp.int32)
    if way == "sign-magnitude":
        bit = (xp.abs(whole) >> number) & 1
        return xp.astype(xp.where(whole < 0, -bit, bit), codes.dtype)
    return xp.astype((whole >> number) & 1, codes.dtype)
