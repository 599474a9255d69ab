"""The process of one Lua interpreter: started by `LuaProcess`, killed by it. Imports nothing of xbar.

It reads frames from standard input and writes frames to standard output: 4 bytes length, then JSON in which every
character is one byte of Lua's text.
"""

import contextlib
import json
import os
import signal
import struct
import sys
import threading
import time
from typing import Any, BinaryIO

LENGTH = struct.Struct("<I")
LARGEST_PRINT = 32 * 2**20
"""The process ends where one text is longer than this [bytes]: it would not fit into a frame."""

LARGEST_FLUSH = 32_768
"""Printed text is sent on when it is longer than this [bytes]."""


class Host:
    """What the sandbox may ask of the server."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._printed: list[str] = []
        self._size = 0
        self._table: Any = None
        self._is_table: Any = None

    def use(self, runtime: Any, is_table: Any) -> None:
        """Know the Lua runtime whose tables answers become."""
        self._table, self._is_table = runtime.table_from, is_table

    def receive(self) -> Any:
        """Return the next frame; ends the process where the server has gone."""
        head = self._source.read(4)
        if len(head) < 4:
            raise SystemExit(0)
        return json.loads(self._source.read(LENGTH.unpack(head)[0]))

    def send(self, frame: list[Any]) -> None:
        """Write a frame."""
        data = json.dumps(frame).encode()
        self._sink.write(LENGTH.pack(len(data)) + data)
        self._sink.flush()

    def emit(self, text: str) -> None:
        """Take printed text."""
        if len(text) > LARGEST_PRINT:
            # Not SystemExit: Lua would catch it.
            os._exit(1)
        self._printed.append(text)
        self._size += len(text)
        if self._size > LARGEST_FLUSH:
            self.flush()

    def flush(self) -> None:
        """Send what was printed."""
        if self._printed:
            self.send(["print", self._printed])
            self._printed, self._size = [], 0

    def ask(self, kind: str, *values: Any) -> Any:
        """Ask the server and return what Lua gets: never an exception, which Lua could look into."""
        try:
            self.flush()
            self.send([kind, *(self._plain(value, 0) for value in values)])
            answer = self.receive()
            return tuple(self._lua(value) for value in answer)
        except Exception as error:  # whatever it is, Lua gets text, not an object of Python
            return (False, -286, f"{error}")

    def _plain(self, value: Any, depth: int) -> Any:
        if self._is_table(value):
            if depth > 3 or len(value) > 1_000_000:
                raise ValueError("table is too deep or too long for an attribute")
            if value["object"]:
                return {"node": value["node"], "id": value["id"]}
            return [self._plain(value[i + 1], depth + 1) for i in range(len(value))]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError("such a value cannot be given to an attribute")

    def _lua(self, value: Any) -> Any:
        return self._table(value, recursive=True) if isinstance(value, dict | list) else value


def limit_process(memory: int) -> None:
    """Let the operating system bound memory and files of this process too, where it can."""
    try:
        import resource
    except ImportError:
        return  # Windows: Lua's own allocator bounds its memory
    # Python and Lua themselves take about 40 MB of address space beside libraries; Lua's own bound comes first.
    bounds = ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_AS, memory + 512 * 2**20))
    for what, most in bounds:
        with contextlib.suppress(ValueError, OSError):  # some systems bound less than others
            resource.setrlimit(what, (most, most))


def end_with_parent() -> None:
    """End this process when the server has gone, also in the middle of a script: Lua lets other threads run."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def main() -> None:
    """Serve one sandbox until standard input ends."""
    import lupa.lua51 as lua

    # Ctrl-C in a terminal reaches this process too; the server says when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":  # elsewhere a process does not learn that its parent has ended
        threading.Thread(target=end_with_parent, daemon=True).start()
    host = Host(sys.stdin.buffer, sys.stdout.buffer)
    _, prelude, specs, memory = host.receive()
    limit_process(memory)
    runtime: Any = lua.LuaRuntime(
        encoding="latin-1",
        register_eval=False,
        register_builtins=False,
        unpack_returned_tuples=True,
        attribute_filter=_nothing,
        max_memory=memory,
    )
    host.use(runtime, lambda value: lua.lua_type(value) == "table")
    start = runtime.compile(prelude)
    run, run_script = start(host.ask, host.emit, runtime.table_from(specs, recursive=True))
    host.send(["ready"])
    while True:
        kind, *values = host.receive()
        try:
            failed = (run if kind == "run" else run_script)(*values)
        except lua.LuaMemoryError:
            host.send(["memory"])
            raise SystemExit(1) from None
        except (lua.LuaError, RecursionError) as error:
            failed = (-286, f"{str(error)[:200]}")
        host.flush()
        host.send(["done", *(failed or ())])


def _nothing(target: object, name: object, setting: bool) -> str:
    """Refuse Lua every attribute of a Python object."""
    del target, name, setting
    raise AttributeError("nothing of the host can be reached")


if __name__ == "__main__":
    main()
