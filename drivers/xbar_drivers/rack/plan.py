"""What a rack does for one operation: steps of closed crosspoints and source levels, each with a measurement."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xbar.bench.settings import Unselected
from xbar.errors import DriverError, Unsupported
from xbar_drivers.rack.wiring import Wiring


@dataclass(frozen=True)
class Step:
    """One state of the rack in which the source that senses measures."""

    closed: frozenset[str]
    """Crosspoints that are closed; all others are open."""
    drive: float
    """Level of the source that drives [V]."""
    bias: tuple[float, ...] = ()
    """Levels of the bias sources [V]."""


@dataclass(frozen=True)
class ScanSettings:
    """How all steps of one operation are measured."""

    limit: float
    """Current limit of every source [A]."""
    largest: float
    """Largest |voltage| of a source [V]: sets the source range."""
    current_range: float | None
    """Measuring range [A]; None lets the instrument choose."""
    nplc: float
    """Integration time [power-line cycles]."""
    settle: float
    """Wait between applying the voltage and measuring [s]."""
    repeat: int = 1
    """Readings of each step."""
    hold: bool = False
    """Whether the source goes from level to level without 0 V between, where no relay moves: a sweep."""


@dataclass(frozen=True, eq=False)
class ScanReadings:
    """What was measured, `(steps, repeat)`; fewer steps than asked for where a scan ended early."""

    current: NDArray[np.float64]
    """Into the source that senses: from word line to bit line [A]; NaN where the range does not hold it."""
    voltage: NDArray[np.float64]
    """At the source that drives [V]."""
    status: NDArray[np.uint32]
    """Flags of `Status`."""
    time: NDArray[np.float64]
    """Since the scan began [s]."""


class Scanner(Protocol):
    """Somebody who does steps on a rack."""

    closed: frozenset[str] | None
    """Crosspoints that are closed; None where it is not known: all are opened first."""

    @property
    def most_steps(self) -> int:
        """Get the most steps of one scan."""
        ...

    @property
    def pulses(self) -> bool:
        """Get whether pulses can be timed."""
        ...

    def seconds(self, steps: int, settings: ScanSettings) -> float:
        """Return how long so many steps take [s]."""
        ...

    def scan(self, steps: Sequence[Step], settings: ScanSettings, stop: threading.Event) -> ScanReadings:
        """Do at least one step; sources stand at 0 V and outputs are off afterwards.

        Fewer readings come back where `stop` was set. Raises `DriverError`, `ScanFailed` after some readings.
        """
        ...

    def pulse(self, step: Step, settings: ScanSettings, width: float, count: int, stop: threading.Event) -> None:
        """Give `count` square pulses of a width [s]. Raises `Interrupted` where `stop` was set, `DriverError`."""
        ...


class ScanFailed(DriverError):
    """A scan that failed after some readings: they are in `readings`."""

    def __init__(self, message: str, readings: ScanReadings) -> None:
        super().__init__(message)
        self.readings = readings


def cell_closed(wiring: Wiring, row: int, col: int, mode: Unselected) -> frozenset[str]:
    """Return the crosspoints that select one cell and leave the other lines in a mode.

    Raises `Unsupported` with the reason where the rack cannot.
    """
    reason = wiring.modes()[mode]
    if reason:
        raise Unsupported(f"this rack cannot leave unselected lines at {mode.value!r}: {reason}")
    words, bits = _others(wiring, mode)
    closed = {wiring.drive[row], wiring.sense[col]}
    closed.update(channel for i, channel in enumerate(words) if i != row)
    closed.update(channel for j, channel in enumerate(bits) if j != col)
    return frozenset(closed)


def _others(wiring: Wiring, mode: Unselected) -> tuple[Sequence[str], Sequence[str]]:
    if mode == Unselected.FLOAT:
        return (), ()
    if mode == Unselected.GROUND:
        return wiring.ground_word or (), wiring.ground_bit or ()
    return wiring.bias_word or (), wiring.bias_bit or ()


def bias_levels(wiring: Wiring, mode: Unselected, volts: float) -> tuple[float, ...]:
    """Return the levels of the bias sources while a cell sees `volts` [V]; 0 where the mode does not use them."""
    if mode == Unselected.HALF:
        return (volts / 2,) * wiring.biases
    if mode == Unselected.THIRD:
        return (volts / 3, 2 * volts / 3)
    return (0.0,) * wiring.biases


def read_steps(
    wiring: Wiring, cells: Iterable[Sequence[int]], voltages: Iterable[float], mode: Unselected
) -> list[Step]:
    """Return one step for each cell (row, column) and its voltage [V]."""
    return [
        Step(cell_closed(wiring, int(row), int(col), mode), float(volts), bias_levels(wiring, mode, float(volts)))
        for (row, col), volts in zip(cells, voltages, strict=True)
    ]


def product_step(wiring: Wiring, rows: Iterable[int], col: int, volts: float) -> Step:
    """Return the step that ties `rows` to the source that drives, the others to ground, and senses one column."""
    chosen = set(rows)
    ground_word, ground_bit = wiring.ground_word or (), wiring.ground_bit or ()
    closed = {wiring.drive[i] if i in chosen else ground_word[i] for i in range(wiring.rows)}
    closed.update(wiring.sense[j] if j == col else ground_bit[j] for j in range(wiring.cols))
    return Step(frozenset(closed), volts, (0.0,) * wiring.biases)
