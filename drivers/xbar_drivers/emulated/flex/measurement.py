"""Measurements of a B1500A that XE starts: spot, staircase sweep, multi-channel sweep, sampling."""

from dataclasses import dataclass, field

from xbar_drivers.emulated.flex.channel import CURRENT_CODES, VOLTAGE_CODES, FlexChannel, check_range
from xbar_drivers.emulated.flex.commands import BAD_VALUE, Command, FlexError

SPOT, STAIRCASE, SAMPLING, MULTI_CHANNEL = 1, 2, 10, 16
MODES = (SPOT, STAIRCASE, SAMPLING, MULTI_CHANNEL)
MOST_STEPS = 10_001
MOST_SAMPLES = 100_001

LINEAR, LOGARITHMIC, LINEAR_DOUBLE, LOGARITHMIC_DOUBLE = 1, 2, 3, 4


@dataclass(frozen=True)
class SweepSource:
    """One swept channel, as WV, WI, WSV, WSI set it."""

    channel: FlexChannel
    voltage: bool
    mode: int
    code: int
    start: float
    stop: float
    steps: int
    limit: float | None
    text: str
    """As *LRN? 33 tells it."""

    def levels(self, steps: int, mode: int) -> list[float]:
        """Return the levels of all points, double sweeps there and back.

        Raises `FlexError` where a logarithmic sweep passes 0.
        """
        last = max(steps - 1, 1)
        if mode in (LOGARITHMIC, LOGARITHMIC_DOUBLE):
            if self.start * self.stop <= 0:
                raise FlexError(*BAD_VALUE)
            found = [self.start * (self.stop / self.start) ** (k / last) for k in range(steps)]
        else:
            found = [self.start + (self.stop - self.start) * k / last for k in range(steps)]
        return found + found[::-1] if mode in (LINEAR_DOUBLE, LOGARITHMIC_DOUBLE) else found


@dataclass
class MeasurementPlan:
    """What MM, WV, WT, WM, MT and their like set."""

    mode: int = 0
    channels: list[int] = field(default_factory=list)
    hold: float = 0.0
    delay: float = 0.0
    step_delay: float = 0.0
    trigger_delays: tuple[float, float] = (0.0, 0.0)
    abort: int = 1
    post: int = 1
    primary: SweepSource | None = None
    synchronous: SweepSource | None = None
    more: list[SweepSource] = field(default_factory=list)
    """Further sources of a multi-channel sweep (WNX)."""
    sample_hold: float = 0.0
    interval: float = 2e-3
    samples: int = 1000
    sample_sources: dict[int, tuple[bool, int, float, float, float | None]] = field(default_factory=dict)
    """Of MV and MI by channel: voltage or current, range code, base, bias, limit."""

    def clear_sources(self) -> None:
        """Forget the swept sources."""
        self.primary = self.synchronous = None
        self.more = []


def sweep_source(command: Command, channel: FlexChannel, synchronous: bool) -> SweepSource:
    """Return the source of WV ch,mode,range,start,stop,steps[,limit[,power]] or WSV ch,range,start,stop[,limit].

    Raises `FlexError`.
    """
    voltage = command.name.endswith("V")
    codes = VOLTAGE_CODES if voltage else CURRENT_CODES
    at = 1 if synchronous else 2
    mode = LINEAR if synchronous else command.whole(1, 1, 4)
    code = command.whole(at, -5000, 5000)
    check_range(code, codes)
    start, stop = command.number(at + 1), command.number(at + 2)
    steps = 1 if synchronous else command.whole(at + 3, 1, MOST_STEPS)
    limit_at = at + 3 if synchronous else at + 4
    limit = command.number(limit_at) if len(command.parameters) > limit_at else None
    top = (channel.smu.ranges.voltage if voltage else channel.smu.ranges.current)[-1]
    if max(abs(start), abs(stop)) > top:
        raise FlexError(*BAD_VALUE)
    text = f"{command.name}{','.join(command.parameters)}"
    return SweepSource(channel, voltage, mode, code, start, stop, steps, limit, text)
