"""An instrument that speaks TSP: lines to a Lua interpreter, requests of scripts to its tree, TSP-Link to others."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from xbar_drivers.emulated.audit import FaultKind
from xbar_drivers.emulated.instrument import LONGEST_MESSAGE, Instrument
from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.tsp.lua_process import InterpreterDied, LuaLimits, LuaProcess, Watchdog
from xbar_drivers.emulated.tsp.node_tree import TspError, TspObject, TspTree

NODE_WAIT = 5.0
"""How long a script waits for another node of the link that is busy [s]."""

MOST_REFUSED = 50
"""Requests that a stopped script may still make before its interpreter is killed: `pcall` catches each refusal."""

MOST_PENDING_SCRIPT = LONGEST_MESSAGE
"""Bytes of the longest script."""


class TspInstrument(Instrument):
    """An instrument with a Lua interpreter of its own.

    Args:
        name: its name on the bench.
        lines: what its terminals are connected to.
        number: its place on the bench.
        watchdog: kills its interpreter.
        limits: of its interpreter.

    """

    severity: ClassVar[float] = 20.0

    def __init__(
        self, name: str, lines: Lines, number: int, watchdog: Watchdog, limits: LuaLimits | None = None
    ) -> None:
        super().__init__(name, lines, number)
        self._watchdog, self._limits = watchdog, limits or LuaLimits()
        self.precision = 6
        self.node = 1
        self.nodes: Mapping[int, TspInstrument] = {}
        """Instruments on the same TSP-Link, by node number; this one is among them."""
        self._refused = 0
        self._lua: LuaProcess | None = None
        self._tree: TspTree | None = None

    @abstractmethod
    def build_tree(self) -> TspObject:
        """Return the root of the instrument's tree; its parts lie in the globals of scripts."""

    @property
    def tree(self) -> TspTree:
        """Get the tree, built when first asked for."""
        if self._tree is None:
            self._tree = TspTree(self.build_tree())
        return self._tree

    def start(self) -> None:
        """Start the interpreter; `ready` waits for it."""
        self._lua = LuaProcess(self.tree.specs(), self._answer, self._printed, self._limits, self._watchdog)

    def ready(self) -> LuaProcess:
        """Return the interpreter, started where there is none."""
        if self._lua is None:
            self.start()
            assert self._lua is not None
            self._lua.wait_ready()
        return self._lua

    def open(self) -> None:
        """Wait until the interpreter has started.

        Raises `DriverError`.
        """
        if self._lua is not None:
            self._lua.wait_ready()

    def interrupt(self) -> None:
        """End what runs, a script by killing its interpreter."""
        super().interrupt()
        if self.link is not None and self._lua is not None:
            self._lua.kill("the server ended")

    def close(self) -> None:
        """End the interpreter."""
        if self._lua is not None:
            self._lua.close()
            self._lua = None

    def number_format(self) -> str:
        """Return the format of printed numbers."""
        return f"%.{max(1, self.precision) - 1}e"

    def line(self, link: Link, text: str) -> None:
        """Execute a line: a common command, a part of a script on its way, or a chunk of Lua."""
        stripped = text.strip()
        if link.script is not None:
            self._collect(link, text, stripped)
        elif stripped.startswith("*"):
            if not self.common(stripped):
                self.unknown(stripped)
                self.fail(-285, "TSP Syntax error at line 1: unexpected symbol near `*'")
        elif stripped.split(" ")[0] in ("loadscript", "loadandrunscript"):
            link.script = [stripped]
        elif stripped == "endscript":
            self.fail(-285, "TSP Syntax error at line 1: endscript without loadscript")
        elif stripped == "abort":
            self.abort()
        else:
            self._run(lambda lua: lua.run(text, self.number_format()), text)

    def abort(self) -> None:
        """Stop sweeps that run."""

    def _collect(self, link: Link, text: str, stripped: str) -> None:
        assert link.script is not None
        if stripped != "endscript":
            link.script.append(text)
            if sum(map(len, link.script[-100:])) > MOST_PENDING_SCRIPT or len(link.script) > 100_000:
                link.script = None
                self.overrun(link)
            return
        head, *body = link.script
        link.script = None
        command, _, name = head.partition(" ")
        code = "\n".join(body)
        execute = command == "loadandrunscript"
        self._run(lambda lua: lua.run_script(name.strip(), code, execute, self.number_format()), head)

    def _run(self, task: Callable[[LuaProcess], tuple[int, str] | None], text: str) -> None:
        self._refused = 0
        try:
            failed = task(self.ready())
        except InterpreterDied as error:
            if self._lua is not None:
                self._lua.close()
                self._lua = None
            self.forget()
            self.fail(-286, f"TSP Runtime error at line 1: script stopped, {error}; its variables are lost")
            self.audit.note(self.clock.now(), FaultKind.LUA, f"{self.name}: {error}: {text[:60]!r}")
            return
        if failed is not None:
            self.fail(*failed)
            if failed[0] == -285:
                self.unknown(text)

    def forget(self) -> None:
        """Forget what scripts have made: their interpreter has ended."""
        self.tree.forget()

    def _printed(self, texts: list[str]) -> None:
        if self.link is not None:
            for text in texts:
                self.link.put(text.encode("latin-1"))

    def _answer(self, kind: str, values: list[Any]) -> list[Any]:
        """Answer a request of a script: [True, results...] or [False, code, text]."""
        try:
            self._check_stop()
            if kind == "format":
                return [self.number_format()]
            if kind == "node":
                return self._other(values[0])
            node = int(values[0])
            if node in (0, self.node):
                return [True, *self.tree.answer(kind, values[1:], self._resolve)]
            return self._remote(self._node(node), kind, values[1:])
        except TspError as error:
            return [False, error.code, error.text]
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            return [False, -286, f"{error}"]

    def _check_stop(self) -> None:
        """Refuse requests of a script whose client wants it to end; kill one that goes on asking."""
        if self.link is None or not self.link.stopped():
            return
        self._refused += 1
        if self._refused > MOST_REFUSED and self._lua is not None:
            self._lua.kill("its client stopped it")
        raise TspError(-286, "aborted by the client")

    def _node(self, number: int) -> "TspInstrument":
        if number not in self.nodes:
            raise TspError(-286, f"node {number} is not on the TSP-Link")
        return self.nodes[number]

    def _other(self, number: Any) -> list[Any]:
        if number == self.node:
            return [0]
        try:
            return [number, self._node(int(number)).tree.specs()]
        except TspError as error:
            return [None, error.text]

    def _remote(self, other: "TspInstrument", kind: str, values: list[Any]) -> list[Any]:
        if not other.lock.acquire(timeout=NODE_WAIT):
            raise TspError(-286, f"node {other.node} is busy")
        before = other.link
        other.link = self.link
        try:
            return [True, *other.tree.answer(kind, values, self._resolve)]
        finally:
            other.link = before
            other.lock.release()

    def _resolve(self, node: int, number: int) -> TspObject:
        return (self if node in (0, self.node) else self._node(node)).tree.find(number)

    def error_entry(self) -> tuple[float, str, float, float]:
        """Return what `errorqueue.next()` does: code, text, severity, node."""
        error = self.errors.next()
        if error is None:
            return 0.0, "Queue Is Empty", 0.0, float(self.node)
        return float(error.code), error.text, self.severity, float(self.node)
