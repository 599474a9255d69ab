"""Verify a trace in a process of its own: a torn HDF5 file may keep its reader waiting for good, or crash it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xbar.errors import FileError, FormatError, InputError, XbarError
from xbar.hdf5 import is_marked_open
from xbar.trace.fault import Fault, find_fault, limit
from xbar.trace.reader import Trace, open_trace

CHILD = (sys.executable, "-P", "-c", "from xbar.trace.verification import main; main()")
"""Command that verifies the trace whose path follows. Without -P, a module in the folder of the trace would be run."""
_EVERY = 0.2
"""Seconds between two words of the child about how far it is."""


@dataclass(frozen=True)
class Verification:
    """What a check of a trace found."""

    operations: int
    """Operations that are right, from the first on."""
    complete: bool
    """Whether all rows are right, up to the one that the writer made when it closed the file."""
    damaged: bool
    """Whether something that was written is not right; a run that was killed is not damaged, only not finished."""
    state: str
    """"closed", or "open" where the writer still runs or was killed."""
    status: str
    """How the run ended: "ok", "aborted", "failed", "recovered", or "open"."""
    cut_off: bool
    """Whether the file is shorter than it says."""
    fault: Fault | None
    """What is wrong with the first operation that is not believed; None where none is there."""
    frozen: bool = False
    """Whether an ordinary reader waits for good, so that it was read by `frozen_file`."""


def examine(path: str | os.PathLike[str], told: Any = lambda operations: None, *, frozen: bool = False) -> Verification:
    """Verify a trace in this process; `told` is called now and then with the number of operations that are right.

    Raises `FileError` or `FormatError` where it cannot be opened or is no trace. May never return for a torn file,
    unless it is read `frozen` (`frozen_file`).
    """
    with open_trace(path, frozen=frozen) as trace:
        count, last = 0, time.monotonic()
        # One by one where the reader may hang: then it is told up to where it did not.
        step = trace.advance if trace.state == "closed" else lambda: count + trace.has(count)
        while (now_right := step()) > count:
            count = now_right
            if (now := time.monotonic()) - last > _EVERY:
                told(count)
                last = now
        told(count)
        complete = trace.complete
        return Verification(
            count,
            complete,
            trace.damaged,
            trace.state,
            trace.status,
            trace.cut_off,
            None if complete else find_fault(trace, count),
            frozen,
        )


def verify(
    path: str | os.PathLike[str], timeout: float | None = None, *, stop: threading.Event | None = None
) -> Verification:
    """Verify a trace in a process of its own, for `timeout` seconds at most (None: by the size, a minute or more).

    A check that does not end in time, or crashes, is damage: `fault.reason` is "hang" or "crash" then, and `operations`
    is how far the check had come. A file that keeps its reader waiting is checked a second time in a way in which it
    cannot (`frozen`), to find more operations and the place. After Ctrl-C the process is ended too; a `stop` that is
    set does the same, with `KeyboardInterrupt`.

    Raises:
        InputError: a timeout that is not above 0.
        FileError, FormatError: the file cannot be opened, or is no trace of this version.

    """
    path = Path(path)
    if timeout is not None and not 0 < timeout < 1e9:
        raise InputError(f"timeout {timeout} s must be above 0 s and at most 1e9 s")
    if not path.is_file():
        if path.exists() and not path.is_dir():
            raise FileError(f"{path} is not an ordinary file; name a trace")
        open_trace(path).close()  # says what is the matter
    seconds = limit(path.stat().st_size) if timeout is None else timeout
    found = _check(path, seconds, stop)
    if found.fault is None or found.fault.reason != "hang":
        return found
    try:
        again = _check(path, seconds, stop, "frozen")
    except XbarError:
        return found
    if again.operations < found.operations or not again.frozen:
        return found
    there = "" if again.fault is None else f"; {again.fault.message}"
    column = None if again.fault is None else again.fault.column
    return replace(again, damaged=True, fault=Fault(again.operations, "hang", column, f"{found.fault.message}{there}"))


def _check(path: Path, seconds: float, stop: threading.Event | None, *words: str) -> Verification:
    """Verify a trace in a process of its own; `words` follow the path in its command line."""
    lines, complaint = _run([*CHILD, str(path.absolute()), *words], seconds, stop)
    last = lines[-1] if lines else {}
    if "error" in last:
        raise (FileError if last["error"] == "FileError" else FormatError)(str(last["message"]))
    if "found" in last:
        values: dict[str, Any] = last["found"]
        fault = values.pop("fault")
        return Verification(**values, fault=None if fault is None else Fault(**fault))
    count = int(last.get("operations", 0))
    if complaint is None:
        text = f"the file keeps its reader waiting: the check did not end in {seconds:g} s"
        fault = Fault(count, "hang", None, text)
    else:
        fault = Fault(count, "crash", None, f"the check of the file crashed ({complaint})")
    return Verification(count, False, True, "open", "open", False, fault)


def _run(command: list[str], seconds: float, stop: threading.Event | None) -> tuple[list[dict[str, Any]], str | None]:
    """Run the child; return what it said, and how it ended: None where it had to be killed."""
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment) as child:
        try:
            out, err = _wait(child, time.monotonic() + seconds, stop)
            words = err.decode("utf-8", "replace").strip().splitlines()
            complaint: str | None = f"exit code {child.returncode}" + (f": {words[-1]}" if words else "")
        except subprocess.TimeoutExpired:
            child.kill()
            (out, _), complaint = child.communicate(), None
        finally:
            child.kill()
    return [json.loads(line) for line in out.splitlines() if line.startswith(b"{") and line.endswith(b"}")], complaint


def _wait(child: "subprocess.Popen[bytes]", end: float, stop: threading.Event | None) -> tuple[bytes, bytes]:
    """Return what the child said when it has ended; raises `subprocess.TimeoutExpired` at a time of the clock."""
    while True:
        left = max(0.0, end - time.monotonic())
        try:
            return child.communicate(timeout=left if stop is None else min(left, _EVERY))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                raise
            if stop is not None and stop.is_set():
                raise KeyboardInterrupt from None


def main() -> None:
    """Verify the trace that the command line names, and say in lines of JSON what was found; run by `verify`."""
    # Ctrl-C reaches both: who asked ends this process, or goes on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(values: dict[str, Any]) -> None:
        print(json.dumps(values), flush=True)

    try:
        told, frozen = lambda operations: say({"operations": operations}), "frozen" in sys.argv[2:]
        say({"found": asdict(examine(sys.argv[1], told, frozen=frozen))})
    except XbarError as error:
        say({"error": "FileError" if isinstance(error, FileError) else "FormatError", "message": str(error)})


def open_checked(
    path: str | os.PathLike[str], timeout: float | None = None, *, stop: threading.Event | None = None
) -> tuple[Trace, Fault | None]:
    """Open a trace that may be torn, so that it cannot keep this process waiting.

    A file that was not closed is verified first (`verify`). Where that did not end, or crashed, the trace has only the
    operations that could be reached, and what stopped the check is returned with it. Other files cannot do this.

    Raises as `verify` does, and `FormatError` where not even the first operation was reached.
    """
    if not is_marked_open(Path(path)):
        return open_trace(path), None
    found = verify(path, timeout, stop=stop)
    if found.fault is None or found.fault.reason not in ("hang", "crash"):
        return open_trace(path), None
    if not found.operations:
        raise FormatError(f"{path} is damaged: {found.fault.message}; no operation of it can be read")
    return open_trace(path, limit=found.operations, frozen=found.frozen), found.fault
