"""Sweeps of one channel: a list of levels, at each of which it settles and measures, in bench time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from xbar_drivers.emulated.schedule import Schedule
from xbar_drivers.emulated.smu import Smu, SmuReading

SETTLE = 100e-6
"""Time from a step of the source to the start of the measurement where no delay is set [s]."""


@dataclass(frozen=True)
class SweepPlan:
    """What one sweep does."""

    voltages: bool
    """Whether the levels are voltages [V]; else currents [A]."""
    levels: tuple[float, ...]
    delay: float
    """From a step to its measurement [s]."""
    pulsed: bool
    """Whether the source goes back to its idle level after each point."""
    hold: bool
    """Whether the last level stays when the sweep has ended."""
    store: Callable[[SmuReading], None] | None
    """Takes each reading; None: the sweep does not measure."""


class Sweep:
    """One channel's sweep: idle, or running until `end`."""

    def __init__(self, smu: Smu, schedule: Schedule) -> None:
        self._smu, self._schedule = smu, schedule
        self._run = 0
        self.end: float | None = None
        """Bench time at which the running sweep ends [s]; None where none runs."""

    def start(self, plan: SweepPlan) -> None:
        """Begin a sweep now; its points happen in bench time."""
        self._run += 1
        run, smu = self._run, self._smu
        time = smu.lines.clock.now()
        point = SETTLE + plan.delay + (smu.aperture() if plan.store else 0.0)

        def when_due(act: Callable[[float], None]) -> Callable[[float], None]:
            return lambda moment: act(moment) if run == self._run else None

        for k, level in enumerate(plan.levels):
            start = time + k * point
            if k or plan.pulsed:
                # A little after the reading before, so that channels that sweep together step together.
                self._schedule.add(start + SETTLE / 2, when_due(partial(self._set, plan, level)))
            self._schedule.add(start + point, when_due(partial(self._read, plan)))
        self.end = time + len(plan.levels) * point + SETTLE / 4
        self._schedule.add(self.end, when_due(partial(self._finish, plan)))
        if plan.levels:
            self._set(plan, plan.levels[0], time)

    def _set(self, plan: SweepPlan, level: float | None, moment: float) -> None:
        if self._smu.sources_voltage == plan.voltages:
            self._smu.swept = level
            self._smu.apply(moment)

    def _read(self, plan: SweepPlan, moment: float) -> None:
        if plan.store is not None:
            plan.store(self._smu.measure(moment))
        if plan.pulsed:
            self._set(plan, None, moment)

    def _finish(self, plan: SweepPlan, moment: float) -> None:
        self.end = None
        if not plan.hold:
            self._set(plan, None, moment)

    def abort(self) -> None:
        """Stop; the source goes back to its level."""
        self._run += 1
        self.end = None
        self._smu.swept = None
        self._smu.apply()
