"""I-V curves in which the cell switches: the branches between turns and jumps, each a curve of one state."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from xbar_calibration.fit import Bools, Floats, Ints
from xbar_calibration.observations import Curves

APART: Final = 0.2
"""|ln| of the currents of falling over rising voltages, median of one sign of the voltage, above which cells switch,"""
CLEAR: Final = 5.0
"""where it is that many standard errors of the median as well."""
JUMP: Final = 0.7
"""Change of ln(I / V) from point to point that is a jump from state to state: a factor of two,"""
OUTSTANDING: Final = 8.0
"""where it is that many times the usual change as well."""
BEGUN: Final = 0.05
"""Fall of ln(I / V) at rising voltages that is the beginning of a RESET, where it is three usual changes as well."""
SHORTEST: Final = 4
"""Points at rising and at falling voltages by which switching is told."""


@dataclass(frozen=True, eq=False)
class Branches:
    """Curves without those that switch, of which the branches stand instead."""

    curves: Curves
    switching: int
    """Curves that switch."""
    branches: int
    """Branches of them that are kept."""

    @property
    def note(self) -> str:
        """Get what to say of it; empty where no curve switches."""
        if not self.switching:
            return ""
        many = "1 curve" if self.switching == 1 else f"{self.switching} curves"
        return (
            f"cells switch in {many}: {self.branches} branches of one state stand for them, the points before a jump "
            "and those of falling voltages; what changes gradually at rising voltages is left out"
        )


def branches(curves: Curves) -> Branches:
    """Return the curves, those in which the cell switches cut into branches of one state each.

    A cell that was brought to its state at the largest voltage keeps it on the way back, so falling voltages tell one
    state; rising ones do as far as an abrupt jump. Where neither jump nor way back are, nothing is cut.
    """
    order = np.argsort(curves.curve, kind="stable")
    _, start = np.unique(curves.curve[order], return_index=True)
    number, kept, switching, count = np.full(len(order), -1, np.int64), 0, 0, 0
    for points in np.split(order, start[1:]):
        own = _parts(curves.voltage[points], curves.current[points])
        if own is None:
            number[points] = kept
            kept += 1
            continue
        switching += 1
        found = np.unique(own[own >= 0])
        for part in found:
            number[points[own == part]] = kept
            kept += 1
        count += len(found)
    if not switching:
        return Branches(curves, 0, 0)
    good = number >= 0
    cut = replace(
        curves, curve=number[good], cell=curves.cell[good], voltage=curves.voltage[good], current=curves.current[good]
    )
    return Branches(cut, switching, count)


def _parts(voltage: Floats, current: Floats) -> Ints | None:
    """Return the branch of each point `(n,)`, -1 where it has none; None where the cell does not switch."""
    chord = np.where(current * voltage > 0, current / np.where(voltage == 0, 1.0, voltage), np.nan)
    level = np.log(chord)
    rising = np.r_[True, np.diff(np.abs(voltage)) > 0]
    found, switches = np.full(len(voltage), -1, np.int64), False
    for sign in (1, -1):
        side = (np.sign(voltage) == sign) & np.isfinite(level)
        switches = switches or _apart(np.abs(voltage), level, side & rising, side & ~rising)
    if not switches:
        return None
    turns = np.r_[True, (np.diff(rising.astype(np.int8)) != 0) | (np.diff(np.sign(voltage)) != 0)]
    for part, points in enumerate(np.split(np.arange(len(voltage)), np.flatnonzero(turns)[1:])):
        points = points[np.isfinite(level[points])]
        found[_steady(points, level, bool(len(points)) and bool(rising[points].mean() > 0.5))] = part
    return found


def _apart(size: Floats, level: Floats, rising: Bools, falling: Bools) -> bool:
    """Tell whether currents of falling voltages differ from those of rising ones, each compared where both are."""
    if min(rising.sum(), falling.sum()) < SHORTEST:
        return False
    at = np.argsort(size[rising], kind="stable")
    x, y = size[rising][at], level[rising][at]
    both = falling & (size >= x[0]) & (size <= x[-1])
    if both.sum() < SHORTEST:
        return False
    difference = level[both] - np.interp(size[both], x, y)
    middle = float(np.median(difference))
    # Points beyond a jump are alike on both ways: the scatter is that of neighbours.
    scatter = float(np.median(np.abs(np.diff(difference)))) if len(difference) > 2 else 0.0
    return abs(middle) > max(APART, CLEAR * scatter / float(np.sqrt(len(difference))))


def _steady(points: Ints, level: Floats, rising: bool) -> Ints:
    """Return the points of a branch that belong to one state: of rising voltages those before a jump, if there is one.

    Of falling voltages it is the longest stretch without a jump.
    """
    if len(points) < 2:
        return points[:0]
    change = np.abs(np.diff(level[points]))
    jumps = np.flatnonzero(change > max(JUMP, OUTSTANDING * float(np.median(change))))
    if rising:
        if not len(jumps):
            return points[:0]
        first = points[: jumps[0] + 1]
        # A RESET begins before it jumps: no law lets I / V fall as the voltage rises.
        fallen = np.maximum.accumulate(level[first]) - level[first] > max(BEGUN, 3 * float(np.median(change)))
        return first[: int(fallen.argmax())] if fallen.any() else first
    return max(np.split(points, jumps + 1), key=len)
