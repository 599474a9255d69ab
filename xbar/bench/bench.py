"""The bench: what people use. Every operation is checked, given to the driver, recorded, and only then returned."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar, cast, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.bench import checks, combined
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.cell_life import CellFlag
from xbar.bench.chip import Chip
from xbar.bench.crossbar import Crossbar
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.interrupt import HeldSignals, stop_on_signal
from xbar.bench.limits import Limits
from xbar.bench.operation import Header, Operation, OperationKind, Recorder, Request
from xbar.bench.placed_driver import PlacedDriver, place
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.resumption import Past, Resumption, waits
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
from xbar.bench.status import Status
from xbar.errors import (
    DriverError,
    InputError,
    Interrupted,
    LimitError,
    TraceWriteError,
    UnsafeError,
    Unsupported,
    XbarError,
)

T = TypeVar("T", bound=CellReadings | VectorReadings | None)

INTERRUPTED = "stopped by Ctrl-C or a signal; outputs are off, what was measured is in the trace"


@final
class Bench:
    """Arrays behind one driver or several, with a guard before them and a recorder after them.

    Use it as a context manager: outputs are off and the trace is closed at every exit.

    Args:
        driver: the driver, not yet open; or several by name. The arrays of the first come first.
        address: what the bench was opened by; stands in the trace.
        recorder: keeps every operation, or None.
        limits: what the bench may do, of several drivers one for all or by name; None takes the driver's own ranges,
            which hardware does not allow.
        chip: the life of the arrays, kept in a file between benches, or None; of several drivers by name.
        past: what a run on this bench recorded before it was cut off: it is answered again first; or None.

    Raises:
        LimitError: hardware without limits.
        InputError: hardware without a recorder, one chip for several drivers.
        ReplayError: `past` was recorded on another bench.
        DriverError: a driver did not open.
        UnsafeError: it did not open, and outputs may still be ON.

    """

    def __init__(
        self,
        driver: Driver | Mapping[str, Driver],
        *,
        address: str = "",
        recorder: Recorder | None = None,
        limits: Limits | Mapping[str, Limits | None] | None = None,
        chip: Chip | Mapping[str, Chip] | None = None,
        past: Past | None = None,
    ) -> None:
        self._drivers = place(driver, limits, address, chip)
        if recorder is None and any(part.driver.hardware for part in self._drivers):
            raise InputError(f"bench {address!r} moves real charge and has no trace; give record=... or --trace")
        self._recorder = recorder
        self._stop = threading.Event()
        self._stack = ExitStack()
        self._closed = False
        self._broken: BaseException | None = None
        self._aborted = False
        self._used = False
        self.chips = {part.name: part.chip for part in self._drivers if part.chip is not None}
        """The lives of the arrays that are kept, by the name of the driver."""
        self._pulses: dict[int, NDArray[np.int64]] = {}
        try:
            first = 0
            for part in self._drivers:
                part.open(first, self._stop)
                first += part.capabilities.arrays
            header = Header(address, tuple(part.header() for part in self._drivers))
            self.identity: Identity = header.identity
            self.limits: Limits = header.limits
            self._timekeeper = next((p for p in self._drivers if p.capabilities.hardware), None)
            self._resumption = None if past is None else Resumption(past, self._drivers, self._timekeeper)
            if recorder is not None:
                recorder.start(header)
        except BaseException as error:
            self._closed = True
            for kept in self.chips.values():
                kept.close()
            self._disconnect(self._safe_off())
            if isinstance(error, XbarError) or not isinstance(error, Exception):
                raise
            raise DriverError(f"bench {address!r} did not open: {error}") from error

    # ---- what stands on the bench

    @property
    def chip(self) -> Chip | None:
        """Get the life of the arrays of a bench of one driver, None where it is not kept."""
        return self._drivers[0].chip if len(self._drivers) == 1 else None

    @property
    def parts(self) -> dict[str, range]:
        """Get the arrays of every driver by its name, which is empty where the bench has one driver without a name."""
        return {p.name: range(p.first, p.first + p.capabilities.arrays) for p in self._drivers}

    @property
    def capabilities(self) -> Capabilities:
        """Get what every array can do; `bench[k].capabilities` is what array k can do."""
        return combined.capabilities([p.capabilities for p in self._drivers], [p.name for p in self._drivers])

    @property
    def settings(self) -> dict[str, Any]:
        """Get what the driver logs of itself (JSON values); of several drivers, by their names."""
        if len(self._drivers) == 1:
            return self._drivers[0].driver.settings()
        return {part.name: part.driver.settings() for part in self._drivers}

    def setting(self, name: str) -> Any:
        """Return a setting of the first driver that has it (a JSON value), None where none has."""
        return next((s[name] for s in (part.driver.settings() for part in self._drivers) if name in s), None)

    @property
    def resuming(self) -> bool:
        """Get whether the next operation is answered from a run that was cut off."""
        return self._resumption is not None and self._resumption.more

    @property
    def clock(self) -> float:
        """Get the time since the bench opened [s]: the wall's where hardware is on it, else simulated time."""
        if self._timekeeper is not None:
            return self._timekeeper.clock
        return max(part.clock for part in self._drivers)

    def __len__(self) -> int:
        """Return the number of arrays."""
        return sum(part.capabilities.arrays for part in self._drivers)

    def __getitem__(self, array: int) -> Crossbar:
        """Return one array: the same verbs without `array`."""
        part, _ = self._find(array)
        return Crossbar(self, array, part.capabilities, part.limits)

    def driver_of(self, array: int) -> int:
        """Return which driver an array belongs to, from 0; the arrays of one product belong to one driver."""
        return self._drivers.index(self._find(array)[0])

    def _find(self, array: int) -> tuple[PlacedDriver, int]:
        """Return the driver of an array and the driver's own number of it; raise `InputError` where there is none."""
        number = checks.array(array, len(self))
        part = next(p for p in reversed(self._drivers) if p.first <= number)
        return part, number - part.first

    # ---- operations

    def program(self, array: int, targets: ArrayLike) -> None:
        """Write target conductances `(rows, cols)` [S] in one shot; NaN leaves a cell as it is."""
        part, own = self._find(array)
        values = checks.targets(targets, own, part.capabilities)
        request = Request(OperationKind.PROGRAM, (array,), targets=values)
        self._operate(request, lambda: part.driver.program(own, values))

    def mvm(
        self,
        arrays: Sequence[int],
        voltages: ArrayLike,
        config: VectorConfig | None = None,
        events: ArrayLike | None = None,
    ) -> VectorReadings:
        """Drive a batch of input vectors on `k` arrays at once and convert the bit-line currents.

        Args:
            arrays: `k` different arrays, all of one driver.
            voltages: `(k, batch, rows)` [V], float32 or float64; `rows` may be smaller than the array's: the other
                word lines stand at 0 V.
            config: converter ranges and the bit lines to convert.
            events: `(batch,)` one number below 2**64 for each input vector, the same for any grouping into batches:
                read noise then does not depend on it. None numbers the vectors of this operation.

        Returns:
            Codes `(k, batch, cols)` and their step and offset.

        Raises:
            InputError: wrong shapes, numbers that are not finite, ranges not above 0, arrays of several drivers.
            LimitError: a voltage above the limit of the bench.
            Unsupported: the driver cannot multiply.

        """
        config = config or VectorConfig()
        part, own = self._find_all(arrays)
        has = part.capabilities
        if config.output_range is None:
            config = replace(config, output_range=has.current_max)
        own, volts, happenings = checks.product(own, voltages, config, events, has)
        part.limits.check_voltage(volts, has, "mvm")
        numbers = tuple(part.first + number for number in own)
        request = Request(OperationKind.MVM, numbers, voltages=volts, events=happenings, vector=config)
        return self._operate(request, lambda: part.driver.mvm(own, volts, config, happenings))

    def _find_all(self, arrays: Sequence[int]) -> tuple[PlacedDriver, tuple[int, ...]]:
        """Return the one driver of several arrays, and its own numbers of them."""
        found = [self._find(array) for array in arrays]
        owners = {part.first: part for part, _ in found}
        if len(owners) > 1:
            names = ", ".join(part.name for part in owners.values())
            raise InputError(f"mvm: the arrays belong to the drivers {names}; ask for those of one driver at a time")
        return (found[0][0] if found else self._drivers[0]), tuple(own for _, own in found)

    def read(self, array: int, cells: ArrayLike, config: ReadConfig | None = None) -> CellReadings:
        """Read cells `(n, 2)` of (row, column); the fields of the answer are `(n, repeat)`."""
        part, own = self._find(array)
        config = config or ReadConfig()
        places = checks.cells(cells, own, part.capabilities)
        _check_read(part, config, [config.voltage])
        request = Request(OperationKind.READ, (array,), cells=places, read=config)
        readings = self._operate(request, lambda: part.dated(part.driver.read(own, places, config)))
        if part.chip is not None:
            part.chip.saw(own, places)
        return readings

    def sweep(
        self, array: int, cell: tuple[int, int], voltages: ArrayLike, config: ReadConfig | None = None
    ) -> CellReadings:
        """Step one cell through voltages `(n,)` [V]; the fields of the answer are `(n, repeat)`."""
        part, own = self._find(array)
        config = config or ReadConfig()
        places = checks.cells([cell], own, part.capabilities)
        steps = checks.voltages(voltages, "sweep")
        _check_read(part, config, steps)
        request = Request(OperationKind.SWEEP, (array,), voltages=steps, cells=places, read=config)
        where = (int(places[0, 0]), int(places[0, 1]))
        return self._operate(request, lambda: part.dated(part.driver.sweep(own, where, steps, config)))

    def pulse(self, array: int, cells: ArrayLike, pulse: Pulse, count: int = 1) -> None:
        """Give cells `(n, 2)` of (row, column) `count` pulses each; counted before they leave the host."""
        part, own = self._find(array)
        places = checks.cells(cells, own, part.capabilities)
        checks.count(count)
        seen = self._pulses_of(array, part)
        # A cell that is named twice gets the pulses twice.
        named, times = np.unique(places, axis=0, return_counts=True)
        here = (named[:, 0], named[:, 1])
        worst = int(np.argmax(seen[here] + count * times)) if len(named) else None
        most, more = (0, 0) if worst is None else (int(seen[here][worst]), int(times[worst]) * count)
        fresh = part.chip is not None and not (part.chip.cells(own).flags[here] & CellFlag.FORMED).any()
        # Those of a run that is resumed were checked, counted and given when they were recorded.
        known = self._resumption is not None and self._resumption.counted(part)
        if not known:
            part.limits.check_pulse(pulse, part.capabilities, most, more, fresh)
        if "pulse" in part.capabilities.native:
            checks.unselected(pulse.unselected, part.capabilities, "pulse")
        self._check_open()
        if part.chip is None:
            seen[here] += count * times
        elif not known:
            part.chip.count_pulses(own, places, count)
        request = Request(OperationKind.PULSE, (array,), cells=places, pulse=pulse, count=count)
        self._operate(request, lambda: part.driver.pulse(own, places, pulse, count))

    def _pulses_of(self, array: int, part: PlacedDriver) -> NDArray[np.int64]:
        """Return how many pulses the cells of an array have seen: in their life, where it is known."""
        if part.chip is not None:
            return part.chip.cells(array - part.first).pulses
        return self._pulses.setdefault(array, np.zeros((part.capabilities.rows, part.capabilities.cols), np.int64))

    def flag(self, array: int, cells: ArrayLike, flag: CellFlag, on: bool = True) -> None:
        """Set or clear a flag of cells `(n, 2)` of (row, column) in the chip file; nothing where no chip is kept.

        The guard reads what is formed. It is no operation: no trace tells of it.
        """
        part, own = self._find(array)
        places = checks.cells(cells, own, part.capabilities)
        if part.chip is not None:
            part.chip.flag(own, places, flag, on)

    def wait(self, seconds: float) -> None:
        """Let time pass [s], 0 or more: hardware sleeps, a simulation moves its clock.

        Of several drivers each waits; one whose clock is behind that of the bench makes up for it.
        """
        checks.seconds(seconds)
        self._operate(Request(OperationKind.WAIT, seconds=float(seconds)), lambda: self._wait(float(seconds)))

    def _wait(self, seconds: float) -> None:
        for part, gap in waits(self._drivers, self._timekeeper, seconds):
            part.driver.wait(gap)

    def conclude(self, result: Mapping[str, Any]) -> None:
        """Let the trace keep what the operations gave (JSON values), such as an accuracy; nothing without a trace."""
        if self._recorder is not None:
            self._recorder.conclude(result)

    def check_whole(self) -> None:
        """Raise `Interrupted` or `DriverError` where an operation ended early: what is missing is NaN."""
        if self._aborted and self._stop.is_set():
            raise Interrupted(INTERRUPTED)
        if self._aborted:
            raise DriverError(
                "an operation ended before all of it was measured; the trace holds what was: go on with --resume"
            )

    # ---- the one way to the driver

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("the bench is closed; open it again")
        if self._broken is not None:
            raise TraceWriteError(f"nothing more is done on this bench: {self._broken}") from self._broken
        if self._stop.is_set():
            raise Interrupted(INTERRUPTED)

    def _operate(self, request: Request, call: Callable[[], T]) -> T:
        self._check_open()
        if self._resumption is not None:
            done = self._resumption.answer(request)
            if done is not None:
                return cast("T", self._again(request, done))
        started = self.clock
        try:
            readings = call()
        except Exception as error:
            # These three are raised before anything happens on the bench.
            self._used = self._used or not isinstance(error, InputError | LimitError | Unsupported)
            self._record(Operation(request, started, self.clock, error=error))
            if isinstance(error, XbarError):
                raise
            which = self._find(request.arrays[0])[0] if request.arrays else self._drivers[0]
            raise DriverError(f"driver {which.kind} failed in {request.kind.name.lower()}: {error}") from error
        self._used = True
        self._record(Operation(request, started, self.clock, readings))
        self._aborted = self._aborted or _aborted(readings)
        return readings

    def _again(self, request: Request, done: Operation) -> CellReadings | VectorReadings | None:
        """Record once more what was recorded, and return or raise its outcome."""
        self._used = True
        self._record(replace(done, request=request))
        if done.error is not None:
            raise done.error
        return done.readings

    def _record(self, operation: Operation) -> None:
        if self._recorder is None:
            return
        try:
            self._recorder.record(operation)
        except BaseException as error:
            # Nothing may happen on the bench that the trace does not know of.
            self._broken = error
            with HeldSignals():
                self._safe_off()
            raise

    # ---- the end

    def close(self, status: str = "ok") -> None:
        """Switch everything off, close the trace with `status` "ok", "aborted" or "failed", disconnect; idempotent.

        Raises `UnsafeError` naming the outputs that may still be ON, after one reconnect was tried.
        """
        if self._closed:
            return
        self._closed = True
        with HeldSignals():  # a second Ctrl-C leaves no output on and no trace open
            self._end(status)

    def _end(self, status: str) -> None:
        left = self._safe_off()
        if self._resumption is not None:
            self._resumption.close()
        try:
            if self._recorder is not None:
                self._recorder.close("failed" if any(left) else status)
        finally:
            with ExitStack() as ends:
                ends.callback(self._disconnect, left)
                for part in self._drivers:
                    # What was refused before anything happened leaves a chip as it was: `after` does not pass either.
                    ends.callback(part.keep_chip, self._used or status == "ok")

    def _safe_off(self) -> list[Unsafe]:
        return [part.safe_off() for part in self._drivers]

    def _disconnect(self, left: list[Unsafe]) -> None:
        """Close the drivers; raise `UnsafeError` naming what of `left` a second try did not switch off."""
        ends = [part.disconnect(names) for part, names in zip(self._drivers, left, strict=True)]
        on = [name for names, _ in ends for name in names]
        error = next((error for _, error in ends if error is not None), None)
        if on:
            raise UnsafeError(
                f"these outputs may still be ON: {', '.join(on)}; switch them off at the instrument"
            ) from error
        if error is not None:
            raise error

    def __enter__(self) -> Self:
        """Return the bench; Ctrl-C and SIGTERM become a flag from here to the exit."""
        self._stack.enter_context(stop_on_signal(self._stop))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the bench, with the status that fits how the block ended."""
        with self._stack:
            # A signal during the last operation: nobody has seen it yet.
            unseen = kind is None and self._stop.is_set()
            aborted = unseen or (kind is not None and issubclass(kind, KeyboardInterrupt))
            try:
                self.close("aborted" if aborted else "ok" if kind is None else "failed")
            except UnsafeError as unsafe:
                raise unsafe from (unsafe.__cause__ or error)  # what ended the block is told as well
        if unseen:
            raise Interrupted(INTERRUPTED)


def _aborted(readings: CellReadings | VectorReadings | None) -> bool:
    return readings is not None and bool((np.asarray(readings.status) & np.uint32(Status.ABORTED)).any())


def _check_read(part: PlacedDriver, config: ReadConfig, voltages: ArrayLike) -> None:
    checks.read_config(config)
    checks.unselected(config.unselected, part.capabilities, "read")
    part.limits.check_voltage(voltages, part.capabilities, "read")
    part.limits.check_current(config.current_limit, "read")
