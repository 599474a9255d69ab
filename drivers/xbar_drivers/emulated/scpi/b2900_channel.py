"""One channel of a B2900: what it sources in fixed, sweep and list mode, and the readings it has taken."""

from collections.abc import Callable

from xbar_drivers.emulated.schedule import Schedule
from xbar_drivers.emulated.smu import OffMode, Smu, SmuReading
from xbar_drivers.emulated.sweep import Sweep, SweepPlan

MOST_POINTS = 100_000
"""Readings of the trace of one channel."""


class B2900Channel:
    """Settings and readings of one channel.

    Args:
        smu: the channel.
        schedule: of the bench.
        pause: lets bench time pass [s].

    """

    def __init__(self, smu: Smu, schedule: Schedule, pause: Callable[[float], None]) -> None:
        self.smu, self.pause = smu, pause
        self.sweep = Sweep(smu, schedule)
        self.reset()

    def reset(self) -> None:
        """Return to the state after switching on."""
        self.sweep.abort()
        self.smu.reset()
        self.smu.off_mode = OffMode.NORMAL
        self.smu.limit_i, self.smu.limit_v = 1e-4, 2.0
        self.mode = {"VOLT": "FIX", "CURR": "FIX"}
        self.start = {"VOLT": 0.0, "CURR": 0.0}
        self.stop = {"VOLT": 0.0, "CURR": 0.0}
        self.points, self.double, self.logarithmic = 2500, False, False
        self.list: dict[str, list[float]] = {"VOLT": [0.0], "CURR": [0.0]}
        self.shape, self.pulse_width, self.pulse_delay = "DC", 5e-5, 0.0
        self.count, self.trigger, self.interval, self.delay = 1, "AINT", 2e-5, 0.0
        self.waiting = False
        self.readings: list[SmuReading] = []
        self.smu.apply()

    @property
    def function(self) -> str:
        """Get what is sourced: "VOLT" or "CURR"."""
        return "VOLT" if self.smu.sources_voltage else "CURR"

    def levels(self) -> list[float]:
        """Return the levels of one trigger after the other."""
        name = self.function
        if self.mode[name] == "FIX":
            return [self.smu.level_v if name == "VOLT" else self.smu.level_i] * self.count
        if self.mode[name] == "LIST":
            found = list(self.list[name])
        else:
            found = self._swept(self.start[name], self.stop[name])
        # The trigger count says how many points happen; a longer count begins again.
        return [found[k % len(found)] for k in range(min(self.count, MOST_POINTS))] if self.count > 1 else found

    def _swept(self, start: float, stop: float) -> list[float]:
        last = max(self.points - 1, 1)
        if self.logarithmic and start * stop > 0:
            found = [start * (stop / start) ** (k / last) for k in range(self.points)]
        else:
            found = [start + (stop - start) * k / last for k in range(self.points)]
        return found + found[::-1] if self.double else found

    def initiate(self) -> None:
        """Begin, or wait for the bus trigger."""
        self.readings = []
        self.waiting = self.trigger == "BUS"
        if not self.waiting:
            self.begin()

    def begin(self) -> None:
        """Start the points."""
        self.waiting = False
        levels = self.levels()
        point = self.smu.aperture()
        delay = max(self.delay, self.interval - point if self.trigger == "TIM" else 0.0)
        pulsed = self.shape == "PULS"
        plan = SweepPlan(
            voltages=self.smu.sources_voltage,
            levels=tuple(levels),
            delay=delay + (self.pulse_delay if pulsed else 0.0),
            pulsed=pulsed,
            hold=False,
            store=self.readings.append,
        )
        self.sweep.start(plan)

    def spot(self) -> SmuReading:
        """Take one reading now."""
        self.pause(self.smu.aperture())
        reading = self.smu.measure()
        self.readings = [reading]
        return reading

    def abort(self) -> None:
        """Stop."""
        self.waiting = False
        self.sweep.abort()
