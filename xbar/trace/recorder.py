"""The recorder: keeps every operation of a bench in a trace file that survives a kill at any moment."""

import atexit
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np

from xbar.bench.interrupt import HeldSignals
from xbar.bench.operation import Header, Operation, OperationKind
from xbar.errors import FileError, InputError, TraceWriteError
from xbar.hdf5 import check_new_path, new_path
from xbar.trace.block_writer import BlockWriter
from xbar.trace.checksums import sign
from xbar.trace.encoding import EncodedOperation, Level, encode
from xbar.trace.flush_timer import LONGEST, MakeTimer, Timer, thread_timer
from xbar.trace.header_text import to_json
from xbar.trace.input_codes import InputConverters
from xbar.trace.layout import TraceFile, create_file
from xbar.trace.process_end import skip_hdf5_teardown
from xbar.trace.provenance import collect
from xbar.trace.schema import END, OPERATION, RESULT_BYTES

SIMULATED_FLUSH = 0.25
"""Seconds between flushes on a simulated bench unless the caller says otherwise."""
STATUSES = ("ok", "aborted", "failed")


class TraceRecorder:
    """Record a bench (`xbar.bench.operation.Recorder`) into a new trace file.

    What was recorded becomes safe within the flush time also when nothing follows: a timer flushes then, in a thread
    of its own. Ctrl-C and SIGTERM are held back while the file is written (`HeldSignals`). A recorder that nobody
    closes is closed as "aborted" when Python ends. It belongs to the process that started it: a forked child cannot
    record, and must end without Python's exit (`os._exit`, as the children of `multiprocessing` do).

    After the first write error nothing is appended. Where HDF5 cannot even close the file, as under a limit of the
    file's size, the process goes on, but ends without HDF5's teardown, which would crash it: see
    `xbar.trace.process_end.skip_hdf5_teardown`.

    Args:
        path: the file to make; its folder must exist.
        provenance: JSON values under keys of the caller's choice, such as "run", "network", "map", "card", "sample",
            "note". Versions, machine, command line, time and uuid are added.
        level: "outputs" keeps products' inputs as one projection each, "full" also what was asked, by
            the codes of the input converters where there are any, "off" keeps nothing.
        flush_every: seconds between flushes, 0 for every operation; None is 0 on hardware and 0.25 otherwise.
        embedded: whole files that travel with the trace, by name.
        force: rename a file that stands at `path` instead of refusing.
        clock: monotonic time [s] that flushes go by.
        wall: time of the wall clock, seconds since 1970.
        timer: makes the timer that flushes when nothing follows.

    Raises:
        FileError: `path` cannot be made, or exists.
        InputError: an unknown level, a negative flush time, provenance that is not JSON.

    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        provenance: Mapping[str, Any],
        level: Level = "outputs",
        flush_every: float | None = None,
        embedded: Mapping[str, bytes] | None = None,
        force: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        timer: MakeTimer = thread_timer,
    ) -> None:
        if level not in get_args(Level):
            raise InputError(f"record level {level!r} is unknown; levels are {', '.join(get_args(Level))}")
        if flush_every is not None and not 0 <= flush_every < math.inf:
            raise InputError(f"flush time {flush_every} s must be finite and not below 0; 0 flushes every operation")
        to_json(provenance, "provenance")
        automatic = collect()
        if taken := sorted(automatic.keys() & provenance.keys()):
            raise InputError(f"provenance key {taken[0]!r} is filled in by the trace itself; use another name")
        self.path = check_new_path(path, force)
        self.level: Level = level
        self.recorded = 0
        """Operations that were appended."""
        self.acknowledged = 0
        """Operations that are safe: their flush has returned."""
        self._embedded, self._result = dict(embedded or {}), ""
        self._provenance = automatic | dict(provenance)
        self._flush_every, self._force, self._clock, self._wall = flush_every, force, clock, wall
        self._trace: TraceFile | None = None
        self._writer: BlockWriter | None = None
        self._converters: InputConverters | None = None
        self._failed, self._closed, self._last_flush = False, False, 0.0
        self._why: object = None
        self._lock, self._process = threading.RLock(), os.getpid()
        self._make_timer = timer
        self._timer: Timer | None = None

    def start(self, header: Header) -> None:
        """Make the file, with everything in it but operations.

        Raises `FileError` where it cannot be made, `InputError` where the driver's settings are not JSON values.
        """
        if self.level == "off" or self._trace is not None:
            return
        if self._flush_every is None:
            self._flush_every = 0.0 if header.capabilities.hardware else SIMULATED_FLUSH
        with self._alone():
            new_path(self.path, self._force)
            try:
                self._trace = create_file(self.path, header, self._provenance, self.level, self._embedded)
            except (OSError, RuntimeError) as error:
                raise FileError(
                    f"trace {self.path} cannot be made ({error}); free space or choose another folder"
                ) from error
            self._writer = BlockWriter(self._trace.columns)
            self._converters = InputConverters(header)
            self._last_flush = self._clock()
            atexit.register(self._close_at_exit)

    def record(self, operation: Operation) -> None:
        """Append one operation; it is safe (`acknowledged`) when the next flush, at times this very call's, returns.

        Raises `TraceWriteError` where it cannot be kept. Nothing is appended after that.
        """
        if self.level == "off":
            return
        with self._alone():
            trace = self._writable()
            with self._stopping_at_errors():
                self._append(trace, self._encode(trace, operation), operation.wall)
                self.recorded += 1
                if self._clock() - self._last_flush >= (self._flush_every or 0.0):
                    self._flush(trace)
                elif self._timer is None:
                    self._start_timer(self._flush_every or 0.0)

    def flush(self) -> None:
        """Return when everything recorded so far is safe. Raises `TraceWriteError`."""
        if self._trace is None or self._closed:
            return
        with self._alone():
            trace = self._writable()
            with self._stopping_at_errors():
                self._flush(trace)

    def conclude(self, result: Mapping[str, Any]) -> None:
        """Keep what the recorded run gave (JSON values); written when the trace is closed.

        Raises `InputError` for values that are not JSON or take more than 64 kB.
        """
        text = to_json(result, "result")
        if len(text.encode()) > RESULT_BYTES:
            raise InputError(f"result takes {len(text.encode())} bytes; a trace has room for {RESULT_BYTES}")
        self._result = text

    def close(self, status: str = "ok") -> None:
        """End the trace with "ok", "aborted" or "failed"; idempotent.

        After a write error the file is closed as "failed" with what it holds. Raises `TraceWriteError` where the end
        cannot be written; the operations that were acknowledged are readable all the same.
        """
        if status not in STATUSES:
            raise InputError(f"status {status!r} is unknown; a trace ends with {', '.join(STATUSES)}")
        if self._trace is None or self._closed or os.getpid() != self._process:
            return
        with self._alone():
            failure = self._end(self._trace, status)
        if failure is not None:
            raise TraceWriteError(self._message(failure)) from failure

    def _end(self, trace: TraceFile, status: str) -> Exception | None:
        """Write the end and close the file; return the first error."""
        self._closed, failure = True, None
        atexit.unregister(self._close_at_exit)
        if self._timer is not None:
            self._timer.cancel()
        try:
            if not self._failed:
                self._append(trace, EncodedOperation({"kind": END}, {}))
                self._flush(trace)
        except Exception as error:
            self._failed, failure = True, error
        try:
            if self._result:
                trace.set_result(self._result)
            trace.set_end("failed" if self._failed else status)
        except Exception as error:
            failure = failure or error
        try:
            trace.file.close()
        except Exception as error:
            failure = failure or error
        if failure is not None:
            self._failed = True
            skip_hdf5_teardown(trace)
        return failure

    def _close_at_exit(self) -> None:
        """Close what nobody closed before Python and HDF5 are torn down."""
        self.close("aborted")

    # ---- one at a time, whole, and until the first error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep the timer's thread and signals out of the block."""
        if os.getpid() != self._process:  # before the lock: it may have been held when this process was forked
            raise InputError(f"trace {self.path} belongs to the process that started it; record into another file here")
        with HeldSignals(), self._lock:
            yield

    @contextmanager
    def _stopping_at_errors(self) -> Iterator[None]:
        """Stop the trace for good at an error: what is in memory no longer matches the file."""
        try:
            yield
        except BaseException as error:
            self._failed, self._why = True, f"an earlier write failed: {type(error).__name__} {error}"
            if isinstance(error, Exception):
                raise TraceWriteError(self._message(error)) from error
            raise

    # ---- flushing when nothing follows

    def _start_timer(self, seconds: float) -> None:
        timer = self._make_timer(min(seconds, LONGEST), self._flush_when_due)
        try:
            timer.start()
        except RuntimeError:  # no more threads, as while Python ends
            if self._trace is not None:
                self._flush(self._trace)
        else:
            self._timer = timer

    def _flush_when_due(self) -> None:
        """Flush what has waited long enough; an error is told by the next call."""
        with self._lock:
            self._timer = None
            trace = self._trace
            if trace is None or self._closed or self._failed or self.recorded == self.acknowledged:
                return
            try:
                left = (self._flush_every or 0.0) - (self._clock() - self._last_flush)
                if left > 0:
                    self._start_timer(left)
                else:
                    self._flush(trace)
            except Exception as error:
                self._failed, self._why = True, error

    # ---- appending

    def _encode(self, trace: TraceFile, operation: Operation) -> EncodedOperation:
        converter, arrays = None, operation.request.arrays
        if self.level == "full" and operation.request.kind is OperationKind.MVM and self._converters is not None:
            bits = self._converters.bits(arrays)
            converter = None if bits is None else (bits, trace.columns["data/input_codes"].dtype)
        return encode(operation, self.level, trace.columns["data/codes"].dtype, converter)

    def _append(self, trace: TraceFile, encoded: EncodedOperation, wall: float | None = None) -> None:
        """Append the data first and the row last: the row is what makes the operation count."""
        assert self._writer is not None
        row, crcs = np.zeros(1, OPERATION), {}
        for name, value in encoded.row.items():
            row[name] = value
        for slot, block in encoded.blocks.items():
            if len(block[0]):
                row[f"{slot}_start"], row[f"{slot}_count"], crcs[slot] = self._writer.write(slot, block)
        row["wall"] = self._wall() if wall is None else wall
        sign(row, crcs)
        trace.operations.append(row)

    def _flush(self, trace: TraceFile) -> None:
        for column in trace.columns.values():
            column.flush()
        trace.operations.flush()
        trace.file.flush()
        self.acknowledged, self._last_flush = self.recorded, self._clock()

    def _writable(self) -> TraceFile:
        if self._trace is None or self._closed:
            raise InputError(f"trace {self.path} is not open: a recorder is started by its bench, once")
        if self._failed:
            raise TraceWriteError(self._message(self._why))
        return self._trace

    def _message(self, reason: object) -> str:
        # HDF5 wraps the system's words in addresses and times.
        found = re.search(r"error message = '([^']*)'", str(reason))
        return (
            f"trace {self.path} cannot be written any further ({found[1] if found else reason}); it holds "
            f"{self.acknowledged} operations, which stay readable: free space or fix the cause, and record into a new "
            "file"
        )
