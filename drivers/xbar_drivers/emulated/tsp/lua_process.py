"""One Lua interpreter in a process of its own, which is killed where it computes too long or grows too large."""

import json
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xbar.errors import DriverError

LENGTH = struct.Struct("<I")
LARGEST_FRAME = 64 * 2**20
"""Bytes of the largest frame that is taken from an interpreter."""

CHECK = 0.1
"""Time between two looks of the watchdog [s]."""

HERE = Path(__file__).parent


@dataclass(frozen=True)
class LuaLimits:
    """What one interpreter may use."""

    memory: int = 64 * 2**20
    """Memory of its Lua values [bytes]."""
    seconds: float = 5.0
    """Longest time between two requests to the instrument [s of the wall clock]: pure computation."""
    printed: int = 16 * 2**20
    """Text that one script may print before its answers are taken [bytes]."""


class InterpreterDied(Exception):  # caught by the instrument at once: no error of xbar
    """The process ended or was killed; the text says why."""


class Watchdog:
    """One thread that kills interpreters whose time is up."""

    def __init__(self) -> None:
        self._watched: set[LuaProcess] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, process: "LuaProcess") -> None:
        """Look after a process until `forget`."""
        with self._lock:
            self._watched.add(process)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="lua-watchdog", daemon=True)
                self._thread.start()

    def forget(self, process: "LuaProcess") -> None:
        """Stop looking after a process."""
        with self._lock:
            self._watched.discard(process)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()

    def _look(self) -> None:
        while not self._stop.wait(CHECK):
            with self._lock:
                watched = list(self._watched)
            for process in watched:
                deadline = process.deadline
                if deadline is not None and time.monotonic() > deadline:
                    process.kill("it computed too long")


class LuaProcess:
    """An interpreter with the sandbox of one instrument.

    Args:
        specs: the instrument's tree, as `TspTree.specs` gives it.
        answer: what the instrument answers to a request (kind, values) of a script.
        printed: takes what was printed, one text for each call of `print`.
        limits: of the interpreter.
        watchdog: kills it.

    """

    def __init__(
        self,
        specs: list[dict[str, Any]],
        answer: Callable[[str, list[Any]], list[Any]],
        printed: Callable[[list[str]], None],
        limits: LuaLimits,
        watchdog: Watchdog,
    ) -> None:
        self._answer, self._printed, self._limits, self._watchdog = answer, printed, limits, watchdog
        self.deadline: float | None = None
        self._why = "it ended"
        self._busy = False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(HERE / "interpreter.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise DriverError(f"the Lua interpreter does not start: {error}") from error
        watchdog.watch(self)
        prelude = (HERE / "prelude.lua").read_text(encoding="utf-8")
        self._send(["start", prelude, specs, limits.memory])

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Wait until the interpreter has started.

        Raises `DriverError` where it does not: most often lupa is missing.
        """
        self.deadline = time.monotonic() + seconds
        try:
            frame = self._receive()
        except InterpreterDied as error:
            raise DriverError(
                "the Lua interpreter of an emulated instrument does not start; install lupa: "
                'pip install "xbar-emulator[instruments]"'
            ) from error
        finally:
            self.deadline = None
        if frame != ["ready"]:
            raise DriverError("the Lua interpreter of an emulated instrument started wrongly; is lupa damaged?")

    def run(self, code: str, shape: str) -> tuple[int, str] | None:
        """Run a chunk; return the error's code and text, or None. `shape` is the format of printed numbers.

        Raises `InterpreterDied` where the process had to be killed; it is of no use afterwards.
        """
        return self._execute(["run", code, shape])

    def run_script(self, name: str, code: str, execute: bool, shape: str) -> tuple[int, str] | None:
        """Load a script by name ("": anonymous) and run it where `execute`; see `run`."""
        return self._execute(["script", name, code, execute, shape])

    def _execute(self, request: list[Any]) -> tuple[int, str] | None:
        try:
            self._computes()
            self._send(request)
            printed = 0
            while True:
                kind, *values = self._receive()
                # While the instrument works, the script's time stands still.
                self.deadline = None
                if kind == "print":
                    printed += sum(map(len, values[0]))
                    if printed > self._limits.printed:
                        self.kill("it printed too much")
                        raise InterpreterDied(self._why)
                    self._printed(values[0])
                elif kind == "done":
                    return (int(values[0]), str(values[1])) if values else None
                elif kind == "memory":
                    self.kill("it needed too much memory")
                    raise InterpreterDied(self._why)
                else:
                    self._send(self._answer(kind, values))
                self._computes()
        finally:
            self.deadline = None

    def _computes(self) -> None:
        self.deadline = time.monotonic() + self._limits.seconds

    def _send(self, frame: list[Any]) -> None:
        data = json.dumps(frame).encode()
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(LENGTH.pack(len(data)) + data)
            stdin.flush()
        except (OSError, ValueError) as error:
            raise InterpreterDied(self._why) from error

    def _receive(self) -> list[Any]:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            head = stdout.read(4)
            size = LENGTH.unpack(head)[0] if len(head) == 4 else -1
            if 0 <= size <= LARGEST_FRAME:
                data = stdout.read(size)
                frame = json.loads(data) if len(data) == size else None
                if isinstance(frame, list) and frame:
                    return frame
        except (OSError, ValueError) as error:
            raise InterpreterDied(self._why) from error
        self.kill(self._why)
        raise InterpreterDied(self._why)

    def kill(self, why: str) -> None:
        """Kill the process; whoever waits for it gets `InterpreterDied`."""
        if self._process.poll() is None:
            self._why = why
            self._process.kill()
        self._watchdog.forget(self)

    def close(self) -> None:
        """End the process and its pipes."""
        self.kill("the server ended")
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # unsent bytes of a killed process
