"""The step of pulse trains: up and down in turn, with a reading after each pulse."""

from dataclasses import replace

import numpy as np

from xbar.bench.settings import Pulse, Unselected
from xbar.devices.pulse_response import PulseResponse
from xbar.programming.characterise_acts import Act, Ints, Pulses, Read
from xbar.programming.characterise_steps import ROUNDING, Situation, Steps
from xbar.units import show

COMPLIANCE = 1e-3
"""Compliance of pulses where the plan says none [A]."""
READINGS = 2
"""Readings after each pulse: two tell noise of reading from noise of writing."""


def pulses_step(at: Situation) -> Steps:
    """Return trains of pulses; where nothing else writes cells, a last train leaves them at different states."""
    if "pulse" not in at.has.native:
        return "this bench does not take pulses"
    pair = _pulses(at)
    if isinstance(pair, str):
        return pair
    said, every = at.plan.pulses, _every(at)
    readings = said.readings
    if at.limits.pulses_per_cell is not None:
        fits = at.limits.pulses_per_cell // (every * said.trains)
        if fits < 4:
            return f"the limit of {at.limits.pulses_per_cell} pulses a cell does not allow {said.trains} trains"
        readings = min(readings, fits)
    cells = _cells(at, pair[0].unselected)
    config = replace(at.read, repeat=READINGS)
    acts: list[Act] = [Read(cells, config)]
    for train in range(said.trains):
        for _ in range(readings):
            acts += [Pulses(cells, pair[train % 2], every), Read(cells, config)]
    if not at.programs and at.limits.pulses_per_cell is None:
        acts += _spread(cells, pair[said.trains % 2], every * readings)
    return tuple(acts)


def _cells(at: Situation, unselected: Unselected) -> Ints:
    """Return the cells that are pulsed `(n, 2)`: where other lines do not hold back a pulse, one of each line.

    A cell on the driven line sees the whole pulse where the other lines stand at 0 V, and most of it where they float.
    """
    count = at.plan.pulses.cells
    if unselected in (Unselected.HALF, Unselected.THIRD):
        return at.some_cells("pulses", count, None)
    many = min(count, at.has.rows, at.has.cols)
    draws = at.draws("pulses")
    rows, cols = (np.sort(draws.choice(n, many, replace=False)) for n in (at.has.rows, at.has.cols))
    return np.column_stack([rows, cols]).astype(np.int64)


def _spread(cells: Ints, pulse: Pulse, most: int) -> list[Act]:
    """Return pulses that leave the cells at states all over the range: each some more than the one before."""
    counts = np.linspace(0, most, len(cells)).round().astype(np.int64)
    return [Pulses(cells[counts == n], pulse, int(n)) for n in np.unique(counts) if n]


def _pulses(at: Situation) -> tuple[Pulse, Pulse] | str:
    """Return the SET and the RESET pulse, or what is missing."""
    said = at.plan.pulses
    own = None if at.card is None else at.card.write
    up = said.set_voltage if said.set_voltage is not None or own is None else own.set_voltage
    down = said.reset_voltage if said.reset_voltage is not None or own is None else own.reset_voltage
    width = said.width if said.width is not None or own is None else max(own.width, at.has.pulse_min)
    if up is None or down is None or width is None:
        return "no card tells the pulses; give set_voltage, reset_voltage and width in [pulses] of the plan"
    if width < at.has.pulse_min * (1 - 1e-9):
        return f"the bench gives pulses of at least {show(at.has.pulse_min, 's')}, not {show(width, 's')}"
    if not up * down < 0:
        return "SET and RESET pulses must have voltages of opposite signs"
    limit = said.current_limit or min(COMPLIANCE, at.limits.current)
    if at.limits.pulse_energy is not None and said.current_limit is None:
        limit = min(limit, at.limits.pulse_energy / (max(abs(up), abs(down)) * width))
    mode = _unselected(at, (up, down))
    made = [Pulse(float(v), float(width), current_limit=float(limit), unselected=mode) for v in (up, down)]
    return made[0], made[1]


def _unselected(at: Situation, volts: tuple[float, float]) -> Unselected:
    """Return what other lines are tied to: a half of the pulse, or a third where a half alone would move their cells.

    Cells of the two driven lines see a half in the pulse's own direction; of a third all others see some, most of them
    in the opposite one.
    """
    order = [Unselected.HALF, Unselected.THIRD, Unselected.GROUND, Unselected.FLOAT]
    write = None if at.card is None else at.card.write
    if write is not None:
        ends = (write.set_threshold, write.reset_threshold)
        half = any(abs(v) / 2 > abs(end) * (1 + ROUNDING) for v in volts for end in ends if v * end > 0)
        third = any(abs(v) / 3 > abs(end) * (1 + ROUNDING) for v in volts for end in ends)
        if half and not third:
            order = [Unselected.THIRD, Unselected.HALF, Unselected.GROUND, Unselected.FLOAT]
    return next((mode for mode in order if mode in at.has.unselected), Unselected.GROUND)


def _every(at: Situation) -> int:
    """Return pulses between two readings: a train crosses the range of a card's devices about once."""
    said = at.plan.pulses
    law = None if at.card is None else at.card.pulse_response
    if said.every is not None or not isinstance(law, PulseResponse):
        return said.every or 1
    return max(1, round((law.w_max - law.w_min) / law.step / said.readings))
