"""Go on with a run that was cut off: what it recorded is answered again, then the bench itself takes over.

Real arrays keep their state themselves, and nothing is sent to them while the record answers. Arrays whose state lives
in their driver are brought along, so that they stand where they stood when the run was cut off.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, final

from xbar.bench.operation import Header, Operation, OperationKind, Request
from xbar.bench.placed_driver import PlacedDriver
from xbar.errors import ReplayError, XbarError
from xbar.units import show

AGREES = 1e-9
"""Largest relative difference between a clock and its record."""


class Past(Protocol):
    """What a run recorded before it was cut off."""

    @property
    def gap(self) -> float:
        """Get the time that passed since the last recorded operation [s]."""
        ...

    @property
    def more(self) -> bool:
        """Whether a recorded operation is left."""
        ...

    def check(self, header: Header, passing: Mapping[str, frozenset[str]]) -> None:
        """Check that the bench is the recorded one; `passing` are settings that may differ, by driver.

        Raises `ReplayError` naming the difference.
        """

    def stands(self, name: str, clock: float) -> bool:
        """Return whether a driver's arrays stand where the record begins, by their clock [s]; False: where it ends.

        Raises `ReplayError` where they stand elsewhere.
        """

    def answer(self, asked: Request) -> Operation | None:
        """Return the next recorded operation, which `asked` must match; None where the record ends.

        Raises `ReplayError` naming the step and the difference.
        """

    def close(self) -> None:
        """Close the record; idempotent."""


@final
class Resumption:
    """Answers the operations of a bench from its past until that ends.

    Args:
        past: what was recorded.
        parts: the drivers of the bench, open.
        timekeeper: the one whose clock rules, or None.

    Raises `ReplayError` where the bench is another than the recorded one.

    """

    def __init__(self, past: Past, parts: Sequence[PlacedDriver], timekeeper: PlacedDriver | None) -> None:
        self._past, self._parts, self._timekeeper = past, parts, timekeeper
        self._ended: float | None = None
        self.over = False
        """Whether the bench itself has taken over."""
        header = Header("", tuple(part.header() for part in parts))
        past.check(header, {part.name: part.driver.passing_settings for part in parts})
        self._alive = [part for part in parts if part.driver.state() is not None and self._begins(part)]
        self._real = [part for part in parts if part not in self._alive]

    def _begins(self, part: PlacedDriver) -> bool:
        return part.chip is None or self._past.stands(part.name, part.driver.clock())

    def counted(self, part: PlacedDriver) -> bool:
        """Return whether the chip file of a driver knows of the next operation already: it was recorded."""
        return self.more and part.chip is not None and part in self._real

    def answer(self, request: Request) -> Operation | None:
        """Return the recorded operation that answers a request, None from where the bench itself must do it.

        Raises `ReplayError` where something else was recorded.
        """
        if self.over:
            return None
        done = self._past.answer(request)
        if done is None:
            self._take_over()
            return None
        self._set_clocks(done.started)
        try:
            self._retrace(request)
        except XbarError:
            if done.error is None:
                raise
        self._set_clocks(done.ended)
        self._ended = done.ended
        self._check_clock(request, done)
        return done

    @property
    def more(self) -> bool:
        """Whether a recorded operation is left."""
        return not self.over and self._past.more

    def close(self) -> None:
        """Close the record; idempotent."""
        self._past.close()

    def _take_over(self) -> None:
        self.over = True
        self._past.close()
        if self._ended is not None:
            self._set_clocks(self._ended + self._past.gap)

    def _set_clocks(self, moment: float) -> None:
        for part in self._real:
            part.set_clock(moment)

    def _retrace(self, request: Request) -> None:
        """Bring the arrays along that live in their driver."""
        if request.kind is OperationKind.WAIT:
            for part, seconds in waits(self._parts, self._timekeeper, request.seconds or 0.0):
                if part in self._alive:
                    part.driver.retrace(replace(request, seconds=seconds))
            return
        first = request.arrays[0]
        part = next(p for p in reversed(self._parts) if p.first <= first)
        if part in self._alive:
            own = tuple(array - part.first for array in request.arrays)
            part.driver.retrace(replace(request, arrays=own))

    def _check_clock(self, request: Request, done: Operation) -> None:
        """Check that a bench of simulated arrays alone stands where the record says."""
        if self._real:
            return
        clock = max(part.clock for part in self._alive)
        if abs(clock - done.ended) > AGREES * max(1.0, abs(done.ended)):
            raise ReplayError(
                f"after the recorded {request.kind.name.lower()} the bench's clock stood at {show(done.ended, 's')}, "
                f"it now stands at {show(clock, 's')}: the simulation is another one; run anew"
            )


def waits(
    parts: Sequence[PlacedDriver], timekeeper: PlacedDriver | None, seconds: float
) -> Iterator[tuple[PlacedDriver, float]]:
    """Give each driver and how long it is to wait [s] while the bench waits `seconds`; one behind makes up for it.

    The caller lets each wait before it asks for the next.
    """
    now = timekeeper.clock if timekeeper is not None else max(part.clock for part in parts)
    # A clock that is level waits exactly what was asked for: a replay compares it.
    gaps = [seconds + max(0.0, now - part.clock) for part in parts]
    for part, gap in zip(parts, gaps, strict=True):
        # The wall's time passes for all hardware together, while the first of it sleeps.
        passed = part.capabilities.hardware and part is not timekeeper
        yield part, max(0.0, now + seconds - part.clock) if passed else gap
