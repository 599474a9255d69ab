"""The operations of a plan: what each does to an array, what it costs, and whether the limits allow it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.bench.capabilities import Capabilities
from xbar.bench.crossbar import Crossbar
from xbar.bench.limits import Limits
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Cost:
    """What operations take; costs add up."""

    operations: int = 0
    written: int = 0
    """Cells written in one shot, counted at each write."""
    pulses: int = 0
    readings: int = 0
    vectors: int = 0
    seconds: float = 0.0
    """On the bench [s]."""
    voltage: float = 0.0
    """Largest |V| across a selected cell [V]."""

    def __add__(self, other: "Cost") -> "Cost":
        """Return the cost of both, the larger of the voltages."""
        return Cost(
            self.operations + other.operations,
            self.written + other.written,
            self.pulses + other.pulses,
            self.readings + other.readings,
            self.vectors + other.vectors,
            self.seconds + other.seconds,
            max(self.voltage, other.voltage),
        )


@dataclass(frozen=True, eq=False)
class Write:
    """Write targets in one shot."""

    targets: Floats
    """`(rows, cols)` [S], NaN where a cell is left as it is."""

    def do(self, crossbar: Crossbar) -> None:
        """Write."""
        crossbar.program(self.targets)

    def cost(self, has: Capabilities) -> Cost:
        """Return what it takes."""
        cells = int(np.count_nonzero(~np.isnan(self.targets)))
        return Cost(1, written=cells, seconds=cells * has.timings.write)


@dataclass(frozen=True)
class Wait:
    """Let time pass."""

    seconds: float

    def do(self, crossbar: Crossbar) -> None:
        """Wait."""
        crossbar.wait(self.seconds)

    def cost(self, has: Capabilities) -> Cost:
        """Return what it takes."""
        return Cost(1, seconds=self.seconds)


@dataclass(frozen=True, eq=False)
class Read:
    """Read cells one by one."""

    cells: Ints
    """`(n, 2)`."""
    config: ReadConfig

    def do(self, crossbar: Crossbar) -> None:
        """Read."""
        crossbar.read(self.cells, self.config)

    def cost(self, has: Capabilities) -> Cost:
        """Return what it takes."""
        count = len(self.cells) * self.config.repeat
        seconds = count * (has.timings.read + self.config.settle)
        return Cost(1, readings=count, seconds=seconds, voltage=abs(self.config.voltage))


@dataclass(frozen=True, eq=False)
class Sweep:
    """Step one cell through voltages."""

    cell: tuple[int, int]
    voltages: Floats
    """`(n,)` [V]."""
    config: ReadConfig

    def do(self, crossbar: Crossbar) -> None:
        """Sweep."""
        crossbar.sweep(self.cell, self.voltages, self.config)

    def cost(self, has: Capabilities) -> Cost:
        """Return what it takes."""
        count = len(self.voltages) * self.config.repeat
        seconds = count * (has.timings.read + self.config.settle)
        return Cost(1, readings=count, seconds=seconds, voltage=float(np.abs(self.voltages).max()))


@dataclass(frozen=True, eq=False)
class Pulses:
    """Give cells equal pulses."""

    cells: Ints
    """`(n, 2)`."""
    pulse: Pulse
    count: int

    def do(self, crossbar: Crossbar) -> None:
        """Pulse."""
        crossbar.pulse(self.cells, self.pulse, self.count)

    def cost(self, has: Capabilities) -> Cost:
        """Return what it takes."""
        total = len(self.cells) * self.count
        each = self.pulse.rise + self.pulse.width + self.pulse.fall
        return Cost(1, pulses=total, seconds=total * each, voltage=abs(self.pulse.voltage))


@dataclass(frozen=True, eq=False)
class Multiply:
    """Drive input vectors."""

    voltages: Floats
    """`(batch, rows)` [V]."""
    config: VectorConfig

    def do(self, crossbar: Crossbar) -> None:
        """Multiply."""
        crossbar.mvm(self.voltages, self.config)

    def cost(self, has: Capabilities) -> Cost:
        """Return what it takes."""
        count = len(self.voltages)
        volts = float(np.abs(self.voltages).max(initial=0.0))
        return Cost(1, vectors=count, seconds=count * has.timings.product, voltage=volts)


Act = Write | Wait | Read | Sweep | Pulses | Multiply


def check_acts(acts: Iterable[Act], limits: Limits, has: Capabilities) -> None:
    """Raise `LimitError` for the first operation that the limits do not allow; nothing is sent.

    Pulses count from none: what a chip has seen before is known to the bench, which checks again.
    """
    seen = np.zeros((has.rows, has.cols), np.int64)
    for act in acts:
        match act:
            case Read(config=config):
                limits.check_voltage([config.voltage], has, "read")
                limits.check_current(config.current_limit, "read")
            case Sweep(voltages=voltages, config=config):
                limits.check_voltage(voltages, has, "sweep")
                limits.check_current(config.current_limit, "sweep")
            case Multiply(voltages=voltages):
                limits.check_voltage(voltages, has, "mvm")
            case Pulses(cells=cells, pulse=pulse, count=count):
                here = (cells[:, 0], cells[:, 1])
                limits.check_pulse(pulse, has, int(seen[here].max()), count)
                seen[here] += count
            case _:
                pass
