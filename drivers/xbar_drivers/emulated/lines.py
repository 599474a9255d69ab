"""What the terminals of the instruments are connected to: cables, closed relays, and the lines of one array."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.wires import Wires
from xbar_drivers.emulated.cells import Cells, SeenCells
from xbar_drivers.emulated.clock import BenchClock
from xbar_drivers.emulated.line_faults import HOT, LineFaults
from xbar_drivers.emulated.line_solver import LineSolver
from xbar_drivers.emulated.living_cells import LivingCells
from xbar_drivers.emulated.nets import Layout
from xbar_drivers.emulated.nodal import Source
from xbar_drivers.emulated.terminals import Terminals

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """What stands at one terminal at one moment."""

    voltage: float
    """[V], from the terminal to ground."""
    current: float
    """[A], out of the terminal; 0 where it drives nothing."""
    limited: bool
    """Whether its source stands at its limit."""


class Lines:
    """Terminals by name, what ties them together, and the sources at them; cables and relays are ideal.

    Lines of the array are named `word0`, `word1`, ... and `bit0`, `bit1`, ...; terminals of instruments
    `<instrument>.<terminal>`. One lock guards it all: every call is short. The cells live up to the moment of every
    change and of every reading.

    Args:
        cells: the array.
        clock: the bench's time.
        faults: what is noted.
        wires: of the array; None for ideal ones.
        living: the same cells as voltages move them; None where nothing does.

    """

    def __init__(
        self,
        cells: Cells,
        clock: BenchClock,
        faults: LineFaults,
        wires: Wires | None = None,
        living: LivingCells | None = None,
    ) -> None:
        self.cells, self.clock, self.faults = cells, clock, faults
        self._living = living if living is not None and living.move else None
        self._lived = 0.0
        self._solver, self._terminals = LineSolver(wires), Terminals(cells.shape)
        self._sources: dict[int, Source] = {0: Source(True, 0.0, np.inf)}
        self._known_layout: Layout | None = None
        self._lock = threading.RLock()
        self.before_solving: Callable[[], None] = lambda: None

    def add_terminal(self, name: str) -> None:
        """Make a terminal known.

        Raises `InputError` where the name is taken.
        """
        self._terminals.add(name)
        self._known_layout = None

    def join(self, first: str, second: str) -> None:
        """Tie two terminals together by a cable.

        Raises `InputError` for a terminal that the bench does not have.
        """
        self._terminals.join(first, second)
        self._known_layout = None

    def set_source(self, terminal: str, source: Source | None, at: float | None = None) -> None:
        """Let a source drive a terminal from a moment on [s], now if None; None disconnects it (high impedance)."""
        place = self._terminals.place(terminal)
        if self._sources.get(place) == source:
            return
        # Outside the lock: what is due takes it for each of its own readings.
        self.before_solving()
        with self._lock:
            moment = self.clock.now() if at is None else at
            self._live(moment)
            if source is None:
                self._sources.pop(place, None)
            else:
                self._sources[place] = source
            self._known_layout = None
            if self._living is not None and self._largest() == 0:
                self._living.rest()
            if source is not None:
                self.faults.source(terminal, source)
            self._check_shorts()
            self._check_cells(moment)

    def relays(self, opened: Iterable[tuple[str, str]], closed: Iterable[tuple[str, str]]) -> None:
        """Open and close relay contacts, each between two terminals; moving a hot one is noted as a fault."""
        self.before_solving()
        with self._lock:
            terminals = self._terminals
            away, new = terminals.pairs(opened) & terminals.closed, terminals.pairs(closed) - terminals.closed
            if not away and not new:
                return
            moment = self.clock.now()
            self._live(moment)
            hot = self._hot_places()
            terminals.switch(away, new)
            self._known_layout = None
            hot |= self._hot_places()
            if hot:
                self.faults.hot(away | new, new, hot, terminals.names)
            if new:
                self._check_shorts()
            self._check_cells(moment)

    def _hot_places(self) -> set[int]:
        """Return the terminals whose net a source drives away from 0."""
        driving = [p for p, s in self._sources.items() if s.level and (not s.voltage or abs(s.level) > HOT)]
        if not driving:
            return set()
        net = self._terminals.nets()
        hot = {int(net[p]) for p in driving}
        return {place for place in range(len(net)) if int(net[place]) in hot}

    def _layout(self) -> Layout:
        """Return how the network lies; kept until something moves."""
        if self._known_layout is None:
            self._known_layout = self._terminals.layout(self._sources)
        return self._known_layout

    # ---- what voltages do to the cells

    def _live(self, moment: float) -> None:
        """Let the cells live up to a moment [s] under what the sources give now."""
        start, seconds = self._lived, moment - self._lived
        if self._living is None or seconds <= 0:
            return
        self._lived = moment
        largest = self._largest()
        if largest == 0:
            self._living.rest()
        elif not self._living.still(largest, seconds):
            seen, begin = self.cells.seen(start, noisy=False), self.cells.moment(start)
            driving = [s.limit if s.voltage else abs(s.level) for s in self._sources.values() if s.level]
            self._living.live(begin, seconds, min(driving), lambda state=None: self._across(seen, state))

    def _largest(self) -> float:
        """Return the largest voltage that can stand between two lines now [V]: a network lies between its sources."""
        levels = [s.level if s.voltage else np.sign(s.level) * s.limit for s in self._sources.values()]
        return float(max(levels) - min(levels))

    def _across(self, seen: SeenCells, state: Floats | None) -> tuple[Floats, bool]:
        return self._solver.across(seen if state is None else seen.with_state(state), self._layout())

    def end(self) -> None:
        """Let the cells live up to now for the last time, and their pulses end."""
        with self._lock:
            self._live(self.clock.now())
            if self._living is not None:
                self._living.rest()

    # ---- what stands at the terminals

    def measure(self, terminal: str, *, noisy: bool = True, at: float | None = None) -> Point:
        """Return what stands at a terminal at a moment [s], now if None; noisy calls draw all read noise anew."""
        place = self._terminals.place(terminal)
        # Outside the lock: what is due takes it for each of its own readings.
        self.before_solving()
        with self._lock:
            now = self.clock.now() if at is None else at
            self._live(now)
            layout = self._layout()
            found = self._solver.solve(self.cells.seen(now, noisy=noisy), layout)
            net, k = int(layout.of_terminal[place]), layout.number.get(place)
            # A terminal that nothing is tied to, neither a line nor a source, stands at ground.
            voltage = float(found.voltages[net]) if net >= 0 else 0.0
            if k is None:
                return Point(voltage, 0.0, False)
            return Point(voltage, float(found.currents[k]), bool(found.limited[k]))

    def line_voltages(self, at: float | None = None) -> tuple[Floats, Floats]:
        """Return the voltages of all word lines and bit lines at a moment [s], now if None, without noise [V]."""
        with self._lock:
            moment = self.clock.now() if at is None else at
            self._live(moment)
            layout, rows = self._layout(), self.cells.shape[0]
            found = self._solver.solve(self.cells.seen(moment, noisy=False), layout)
            return found.voltages[layout.lines[:rows]], found.voltages[layout.lines[rows:]]

    # ---- what must not be

    def _check_shorts(self) -> None:
        levels = {place: source.level for place, source in self._sources.items() if source.voltage}
        if max(levels.values()) - min(levels.values()) > HOT:
            self.faults.shorts(levels, self._terminals.nets(), self._terminals.names)

    def _check_cells(self, moment: float) -> None:
        if self.faults.cell_voltage is None:
            return
        levels = [source.level for source in self._sources.values() if source.voltage]
        if len(levels) == len(self._sources) and max(levels) - min(levels) <= self.faults.cell_voltage:
            return  # a network of resistances lies between its sources
        self.faults.cells(*self.line_voltages(moment))
