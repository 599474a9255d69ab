"""Pulses of growing amplitude: each cell takes the next step of its staircase; a change of polarity begins anew."""

import numpy as np
from numpy.typing import NDArray

from xbar.bench.crossbar import Crossbar
from xbar.bench.settings import Pulse
from xbar.programming.write_settings import WriteVerify

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PulseSteps:
    """Where each of some cells stands on its staircases, and what it took.

    Args:
        crossbar: the array.
        how: width, compliance, unselected lines, rules for giving up.
        places: `(n, 2)` (row, column) of the cells.
        stairs: amplitudes of SET and RESET [V].

    """

    def __init__(self, crossbar: Crossbar, how: WriteVerify, places: Ints, stairs: tuple[Floats, Floats]) -> None:
        self._crossbar, self._how, self._places = crossbar, how, places
        self._stairs = {1: stairs[0], -1: stairs[1]}
        n = len(places)
        self.pulses, self.turns = np.zeros(n, np.int64), np.zeros(n, np.int64)
        """Pulses that each cell took, and changes of its polarity."""
        self._at_stop, self._way, self._level = (np.zeros(n, np.int64) for _ in range(3))
        """Pulses of the last amplitude in a row; polarity of the last pulse, 0 before the first; its place."""

    def given_up(self, some: Ints) -> NDArray[np.bool_]:
        """Return which of some cells have had what the rules for giving up allow."""
        how = self._how
        over = self.pulses[some] >= how.max_pulses
        if how.max_turns is not None:
            over |= self.turns[some] >= how.max_turns
        if how.max_at_stop is not None:
            over |= self._at_stop[some] >= how.max_at_stop
        return np.asarray(over)

    def step(self, some: Ints, up: NDArray[np.bool_]) -> None:
        """Give each of some cells one pulse, SET where `up`, RESET elsewhere; cells of one amplitude in one call."""
        way = np.where(up, 1, -1)
        before = self._way[some]
        self.turns[some] += (before != 0) & (before != way)
        level = np.where(before == way, self._level[some] + 1, 0)
        last = np.where(way > 0, len(self._stairs[1]) - 1, len(self._stairs[-1]) - 1)
        level = np.minimum(level, last)
        self._at_stop[some] = np.where(level == last, np.where(before == way, self._at_stop[some], 0) + 1, 0)
        self._way[some], self._level[some] = way, level
        for sign, volts in self._stairs.items():
            for k in np.unique(level[way == sign]):
                own = some[(way == sign) & (level == k)]
                self._crossbar.pulse(self._places[own], self._pulse_of(float(volts[k])))
                self.pulses[own] += 1

    def _pulse_of(self, volts: float) -> Pulse:
        how = self._how
        return Pulse(volts, how.width, current_limit=how.current_limit, unselected=how.unselected)
