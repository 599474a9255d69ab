"""The bench: what people use. Every operation is checked, given to the driver, recorded, and only then returned."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.bench import checks
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.crossbar import Crossbar
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.interrupt import stop_on_signal
from xbar.bench.limits import Limits
from xbar.bench.operation import Header, Operation, OperationKind, Recorder, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
from xbar.errors import DriverError, InputError, Interrupted, LimitError, TraceWriteError, UnsafeError, XbarError

T = TypeVar("T", bound=CellReadings | VectorReadings | None)

INTERRUPTED = "stopped by Ctrl-C or a signal; outputs are off, what was measured is in the trace"


@final
class Bench:
    """One or more equal arrays behind a driver, with a guard before it and a recorder after it.

    Use it as a context manager: outputs are off and the trace is closed at every exit.

    Args:
        driver: the driver, not yet open.
        address: what the bench was opened by; stands in the trace.
        recorder: keeps every operation, or None.
        limits: what the bench may do; None takes the driver's own ranges, which hardware does not allow.

    Raises:
        LimitError: hardware without limits.
        InputError: hardware without a recorder.
        DriverError: the driver did not open.
        UnsafeError: it did not open, and outputs may still be ON.

    """

    def __init__(
        self, driver: Driver, *, address: str = "", recorder: Recorder | None = None, limits: Limits | None = None
    ) -> None:
        if driver.hardware and limits is None:
            raise LimitError(f"bench {address!r} moves real charge and has no limits; give [limits] in the bench file")
        if driver.hardware and recorder is None:
            raise InputError(f"bench {address!r} moves real charge and has no trace; give record=... or --trace")
        self._driver = driver
        self._recorder = recorder
        self._stop = threading.Event()
        self._stack = ExitStack()
        self._closed = False
        self._broken: BaseException | None = None
        self._pulses: dict[int, NDArray[np.int64]] = {}
        driver.stop = self._stop
        try:
            self.identity: Identity = driver.open()
            self._zero = driver.clock()
            self.limits: Limits = limits or Limits.of(driver.capabilities)
            if recorder is not None:
                recorder.start(Header(address, self.identity, driver.capabilities, driver.settings(), self.limits))
        except BaseException as error:
            self._closed = True
            self._disconnect(self._safe_off())
            if isinstance(error, XbarError) or not isinstance(error, Exception):
                raise
            raise DriverError(f"driver {type(driver).__name__} did not open: {error}") from error

    # ---- what stands on the bench

    @property
    def capabilities(self) -> Capabilities:
        """Get what the driver can do."""
        return self._driver.capabilities

    @property
    def settings(self) -> dict[str, Any]:
        """Get what the driver logs of itself (JSON values)."""
        return self._driver.settings()

    @property
    def clock(self) -> float:
        """Get the time since the bench opened [s]; simulated time on a simulated bench."""
        return self._driver.clock() - self._zero

    def __len__(self) -> int:
        """Return the number of arrays."""
        return self.capabilities.arrays

    def __getitem__(self, array: int) -> Crossbar:
        """Return one array: the same verbs without `array`."""
        checks.array(array, self.capabilities)
        return Crossbar(self, array)

    # ---- operations

    def program(self, array: int, targets: ArrayLike) -> None:
        """Write target conductances `(rows, cols)` [S] in one shot; NaN leaves a cell as it is."""
        values = checks.targets(targets, array, self.capabilities)
        request = Request(OperationKind.PROGRAM, (array,), targets=values)
        self._operate(request, lambda: self._driver.program(array, values))

    def mvm(
        self,
        arrays: Sequence[int],
        voltages: ArrayLike,
        config: VectorConfig | None = None,
        events: ArrayLike | None = None,
    ) -> VectorReadings:
        """Drive a batch of input vectors on `k` arrays at once and convert the bit-line currents.

        Args:
            arrays: `k` different arrays.
            voltages: `(k, batch, rows)` [V], float32 or float64; `rows` may be smaller than the array's: the other
                word lines stand at 0 V.
            config: converter ranges and the bit lines to convert.
            events: `(batch,)` one number below 2**64 for each input vector, the same for any grouping into batches:
                read noise then does not depend on it. None numbers the vectors of this operation.

        Returns:
            Codes `(k, batch, cols)` and their step and offset.

        Raises:
            InputError: wrong shapes, numbers that are not finite, ranges not above 0.
            LimitError: a voltage above the limit of the bench.
            Unsupported: the driver cannot multiply.

        """
        config = config or VectorConfig()
        if config.output_range is None:
            config = replace(config, output_range=self.capabilities.current_max)
        numbers, volts, happenings = checks.product(arrays, voltages, config, events, self.capabilities)
        self.limits.check_voltage(volts, self.capabilities, "mvm")
        request = Request(OperationKind.MVM, numbers, voltages=volts, events=happenings, vector=config)
        return self._operate(request, lambda: self._driver.mvm(numbers, volts, config, happenings))

    def read(self, array: int, cells: ArrayLike, config: ReadConfig | None = None) -> CellReadings:
        """Read cells `(n, 2)` of (row, column); the fields of the answer are `(n, repeat)`."""
        config = config or ReadConfig()
        places = checks.cells(cells, array, self.capabilities)
        self._check_read(config, [config.voltage])
        request = Request(OperationKind.READ, (array,), cells=places, read=config)
        return self._operate(request, lambda: self._driver.read(array, places, config))

    def sweep(
        self, array: int, cell: tuple[int, int], voltages: ArrayLike, config: ReadConfig | None = None
    ) -> CellReadings:
        """Step one cell through voltages `(n,)` [V]; the fields of the answer are `(n, repeat)`."""
        config = config or ReadConfig()
        places = checks.cells([cell], array, self.capabilities)
        steps = checks.voltages(voltages, "sweep")
        self._check_read(config, steps)
        request = Request(OperationKind.SWEEP, (array,), voltages=steps, cells=places, read=config)
        where = (int(places[0, 0]), int(places[0, 1]))
        return self._operate(request, lambda: self._driver.sweep(array, where, steps, config))

    def pulse(self, array: int, cells: ArrayLike, pulse: Pulse, count: int = 1) -> None:
        """Give cells `(n, 2)` of (row, column) `count` pulses each; counted before they leave the host."""
        places = checks.cells(cells, array, self.capabilities)
        checks.count(count)
        seen = self._pulses.setdefault(array, np.zeros((self.capabilities.rows, self.capabilities.cols), np.int64))
        # A cell that is named twice gets the pulses twice.
        named, times = np.unique(places, axis=0, return_counts=True)
        here = (named[:, 0], named[:, 1])
        worst = int(np.argmax(seen[here] + count * times)) if len(named) else None
        most, more = (0, 0) if worst is None else (int(seen[here][worst]), int(times[worst]) * count)
        self.limits.check_pulse(pulse, self.capabilities, most, more)
        self._check_open()
        seen[here] += count * times
        request = Request(OperationKind.PULSE, (array,), cells=places, pulse=pulse, count=count)
        self._operate(request, lambda: self._driver.pulse(array, places, pulse, count))

    def wait(self, seconds: float) -> None:
        """Let time pass [s], 0 or more: hardware sleeps, a simulation moves its clock."""
        checks.seconds(seconds)
        request = Request(OperationKind.WAIT, seconds=float(seconds))
        self._operate(request, lambda: self._driver.wait(float(seconds)))

    def conclude(self, result: Mapping[str, Any]) -> None:
        """Let the trace keep what the operations gave (JSON values), such as an accuracy; nothing without a trace."""
        if self._recorder is not None:
            self._recorder.conclude(result)

    # ---- the one way to the driver

    def _check_read(self, config: ReadConfig, voltages: ArrayLike) -> None:
        checks.read_config(config)
        self.limits.check_voltage(voltages, self.capabilities, "read")
        self.limits.check_current(config.current_limit, "read")

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("the bench is closed; open it again")
        if self._broken is not None:
            raise TraceWriteError(f"nothing more is done on this bench: {self._broken}") from self._broken
        if self._stop.is_set():
            raise Interrupted(INTERRUPTED)

    def _operate(self, request: Request, call: Callable[[], T]) -> T:
        self._check_open()
        started = self.clock
        try:
            readings = call()
        except Exception as error:
            self._record(Operation(request, started, self.clock, error=error))
            if isinstance(error, XbarError):
                raise
            raise DriverError(
                f"driver {type(self._driver).__name__} failed in {request.kind.name.lower()}: {error}"
            ) from error
        self._record(Operation(request, started, self.clock, readings))
        return readings

    def _record(self, operation: Operation) -> None:
        if self._recorder is None:
            return
        try:
            self._recorder.record(operation)
        except BaseException as error:
            # Nothing may happen on the bench that the trace does not know of.
            self._broken = error
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
        left = self._safe_off()
        try:
            if self._recorder is not None:
                self._recorder.close(status if not left else "failed")
        finally:
            self._disconnect(left)

    def _safe_off(self) -> Unsafe:
        try:
            return self._driver.safe_off()
        except Exception as error:
            return (f"all of {type(self._driver).__name__} (switching off failed: {error})",)

    def _disconnect(self, left: Unsafe) -> None:
        """Close the driver; raise `UnsafeError` naming what of `left` a second try did not switch off."""
        if left:
            left = self._reconnect_and_switch_off(left)
        try:
            self._driver.close()
        except Exception as error:
            if isinstance(error, XbarError):
                raise
            raise DriverError(f"driver {type(self._driver).__name__} did not close: {error}") from error
        finally:
            if left:
                raise UnsafeError(
                    f"these outputs may still be ON: {', '.join(left)}; switch them off at the instrument"
                )

    def _reconnect_and_switch_off(self, left: Unsafe) -> Unsafe:
        try:
            self._driver.close()
            self._driver.open()
        except Exception:
            return left
        return self._safe_off()

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
            self.close("aborted" if aborted else "ok" if kind is None else "failed")
        if unseen:
            raise Interrupted(INTERRUPTED)
