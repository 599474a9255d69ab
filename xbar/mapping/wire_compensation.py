"""Line-resistance compensation: conductances whose array, wires included, gives the product that was wanted.

Wires take a share of every cell's current that depends on its place and on all other cells. Conductances are raised
where much is lost and lowered where little is, until the effective operator of the array is the wanted one times a
gain; the gain, one for each group of bit lines (a pair, or a line that stands alone), is what the range of the device
leaves, and is divided out digitally.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.wires import Wires
from xbar.mapping.encoding import Encoding

Floats = NDArray[np.float64]

ROUNDS = 24
"""Rounds of correction. Each divides what is left by three or more where the wires take half of a current or less."""

ENOUGH = 1e-4
"""Change of the largest conductance between rounds, relative to the range, below which the rounds end."""


@dataclass(frozen=True, eq=False)
class Compensated:
    """The tiles of one matrix, compensated."""

    targets: Floats
    """Target conductances `(tiles, rows, columns)` [S]."""
    seen: Floats
    """What the array makes of them, wires included `(tiles, rows, columns)` [S]."""
    gain: Floats
    """What is left of each group of bit lines `(tiles, groups)`: 1 without wires."""


def compensate(wanted: Floats, encoding: Encoding, wires: Wires, array: tuple[int, int]) -> Compensated:
    """Return conductances for wanted ones `(tiles, rows, columns)` [S].

    Args:
        wanted: conductances that an array without wires would get.
        encoding: that made them; the result stays in its range.
        wires: those of the arrays.
        array: word lines and bit lines of an array; cells beyond the tile stand at the lower end of the range.

    """
    low, high = encoding.low, encoding.high
    rows, columns = wanted.shape[1:]
    cells = np.full((len(wanted), *array), low)
    now = wanted.copy()
    for _ in range(ROUNDS):
        cells[:, :rows, :columns] = now
        seen = _seen(cells, wires)[:, :rows, :columns]
        gain = _gain(encoding, seen, wanted)
        aim = np.repeat(gain, encoding.group, axis=1)[:, None, :] * wanted
        # A cell that wires cut off gives nothing at any conductance: it stays.
        carries = seen > 0
        factor = np.where(carries, aim / np.where(carries, seen, 1.0), 1.0)
        following = np.clip(now * factor, low, high)
        change = float(np.abs(following - now).max())
        now = following
        if change <= ENOUGH * (high - low):
            break
    cells[:, :rows, :columns] = now
    seen = _seen(cells, wires)[:, :rows, :columns]
    return Compensated(now, seen, _gain(encoding, seen, wanted))


def _seen(cells: Floats, wires: Wires) -> Floats:
    from xbar.circuit.operator import effective_operator

    return np.asarray(effective_operator(cells, wires).matrix, np.float64)


def _gain(encoding: Encoding, seen: Floats, wanted: Floats) -> Floats:
    """Return the gain (tiles, groups) that fits what is seen of each group to what is wanted, least squares."""
    got, asked = encoding.differences(seen), encoding.differences(wanted)
    power = np.square(asked).sum(axis=1)
    fitted = (got * asked).sum(axis=1) / np.where(power > 0, power, 1.0)
    # An output of zeros alone, or one that nothing is left of, takes any gain.
    return np.where((power > 0) & (fitted > 1e-6), fitted, 1.0)
