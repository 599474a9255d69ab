"""What the terminals of the instruments are connected to: cables, closed relays, and the lines of one array."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.port_admittance import port_admittance
from xbar.circuit.wires import Wires
from xbar.errors import InputError
from xbar_drivers.emulated.audit import Audit, FaultKind
from xbar_drivers.emulated.cells import Cells
from xbar_drivers.emulated.clock import BenchClock
from xbar_drivers.emulated.nets import Layout, roots
from xbar_drivers.emulated.nodal import Solution, Source, coupling, lumped, solve

GROUND = "gnd"
"""The common ground: the LO terminal of every source, and whatever is wired to it."""

HOT = 1e-3
"""A relay that moves with more than this on it is hot [V]; a source that gives current counts as hot, too."""


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
    `<instrument>.<terminal>`. One lock guards it all: every call is short.

    Args:
        cells: the array.
        clock: the bench's time.
        audit: where faults are noted.
        cell_voltage: largest voltage across a cell that the rack file allows [V]; None for no limit.
        current: largest current limit that it allows a source that drives [A]; None for no limit.
        wires: of the array; None for ideal ones.

    """

    def __init__(
        self,
        cells: Cells,
        clock: BenchClock,
        audit: Audit,
        cell_voltage: float | None = None,
        current: float | None = None,
        wires: Wires | None = None,
    ) -> None:
        self.cells, self.clock, self.audit, self.cell_voltage = cells, clock, audit, cell_voltage
        self._current, self._wires = current, wires
        self._seen: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        rows, cols = cells.shape
        self._index: dict[str, int] = {}
        self._cabled: list[int] | None = None
        for name in (GROUND, *(f"word{i}" for i in range(rows)), *(f"bit{j}" for j in range(cols))):
            self.add_terminal(name)
        self._cables: list[tuple[int, int]] = []
        self._closed: set[tuple[int, int]] = set()
        self._sources: dict[int, Source] = {0: Source(True, 0.0, np.inf)}
        self._lock = threading.RLock()
        self._nets: tuple[NDArray[np.intp], int] | None = None
        self._known_layout: Layout | None = None
        self.before_solving: Callable[[], None] = lambda: None

    def add_terminal(self, name: str) -> None:
        """Make a terminal known.

        Raises `InputError` where the name is taken.
        """
        if name in self._index:
            raise InputError(f"two terminals are named {name!r}; give the instruments different names")
        self._index[name] = len(self._index)
        self._nets = self._cabled = self._known_layout = None

    def join(self, first: str, second: str) -> None:
        """Tie two terminals together by a cable.

        Raises `InputError` for a terminal that the bench does not have.
        """
        self._cables.append((self._place(first), self._place(second)))
        self._nets = self._cabled = self._known_layout = None

    def _place(self, name: str) -> int:
        if name not in self._index:
            rows, cols = self.cells.shape
            kin = [known for known in self._index if known.split(".")[0] == name.split(".")[0]]
            told = f"{', '.join(kin[:8])}{', ...' if len(kin) > 8 else ''}" if kin else ", ".join(self._owners())
            raise InputError(
                f"terminal {name!r} does not exist; the array has word0 to word{rows - 1} and bit0 to bit{cols - 1}; "
                f"the bench has {told}"
            )
        return self._index[name]

    def _owners(self) -> list[str]:
        return sorted({name.split(".")[0] + ".*" for name in self._index if "." in name})

    def set_source(self, terminal: str, source: Source | None) -> None:
        """Let a source drive a terminal; None disconnects it (high impedance)."""
        place = self._place(terminal)
        with self._lock:
            if self._sources.get(place) == source:
                return
            if source is None:
                self._sources.pop(place, None)
            else:
                self._sources[place] = source
            self._known_layout = None
            if source is not None:
                self._check_source(terminal, source)
            self._check_shorts()
            self._check_cells()

    def relays(self, opened: Iterable[tuple[str, str]], closed: Iterable[tuple[str, str]]) -> None:
        """Open and close relay contacts, each between two terminals; moving a hot one is noted as a fault."""
        with self._lock:
            away = {(self._place(a), self._place(b)) for a, b in opened} & self._closed
            new = {(self._place(a), self._place(b)) for a, b in closed} - self._closed
            if not away and not new:
                return
            hot = self._hot_places()
            self._closed = (self._closed - away) | new
            self._nets = self._known_layout = None
            hot |= self._hot_places()
            if hot:
                self._note_hot(away, new, hot)
            if new:
                self._check_shorts()
            self._check_cells()

    def _note_hot(self, away: set[tuple[int, int]], new: set[tuple[int, int]], hot: set[int]) -> None:
        names = list(self._index)
        for a, b in sorted(away | new):
            if a in hot or b in hot:
                did = "closed" if (a, b) in new else "opened"
                text = f"{names[a]} to {names[b]} {did} while its source was on"
                self.audit.note(self.clock.now(), FaultKind.HOT_SWITCHING, text)

    def _hot_places(self) -> set[int]:
        """Return the terminals whose net a source drives away from 0."""
        driving = [p for p, s in self._sources.items() if s.level and (not s.voltage or abs(s.level) > HOT)]
        if not driving:
            return set()
        net, _ = self._net_numbers()
        hot = {int(net[p]) for p in driving}
        return {place for place in range(len(net)) if int(net[place]) in hot}

    def _net_numbers(self) -> tuple[NDArray[np.intp], int]:
        """Return the net of every terminal and the number of nets; cables and closed relays are ideal."""
        if self._nets is None:
            if self._cabled is None:
                self._cabled = roots(list(range(len(self._index))), self._cables)
            net = np.asarray(roots(list(self._cabled), self._closed), np.intp)
            names, numbers = np.unique(net, return_inverse=True)
            self._nets = numbers.astype(np.intp), len(names)
        return self._nets

    def _layout(self) -> Layout:
        """Return how the network lies: the nets with a line or a source, numbered anew; kept until something moves."""
        if self._known_layout is None:
            net, _ = self._net_numbers()
            rows, cols = self.cells.shape
            places = sorted(self._sources)
            used = np.concatenate([net[1 : 1 + rows + cols], net[places]])
            names, numbers = np.unique(used, return_inverse=True)
            small = np.full(int(net.max()) + 1, -1, np.intp)
            small[names] = np.arange(len(names))
            self._known_layout = Layout(
                lines=numbers[: rows + cols].astype(np.intp),
                nets=[int(k) for k in numbers[rows + cols :]],
                sources=[self._sources[place] for place in places],
                number={place: k for k, place in enumerate(places)},
                of_terminal=small[net],
                count=len(names),
            )
        return self._known_layout

    def _solve(self, conductances: NDArray[np.float64]) -> Solution:
        layout, rows = self._layout(), self.cells.shape[0]
        if self._wires is None:
            laplacian = coupling(conductances, layout.lines[:rows], layout.lines[rows:], layout.count)
        else:
            laplacian = lumped(self._admittance(conductances, self._wires), layout.lines, layout.count)
        return solve(laplacian, layout.nets, layout.sources)

    def _admittance(self, conductances: NDArray[np.float64], wires: Wires) -> NDArray[np.float64]:
        """Return the array as its line ends see it; kept as long as the conductances stay the same."""
        if self._seen is None or not np.array_equal(self._seen[0], conductances):
            self._seen = conductances.copy(), np.asarray(port_admittance(conductances, wires).matrix, np.float64)
        return self._seen[1]

    def measure(self, terminal: str, *, noisy: bool = True, at: float | None = None) -> Point:
        """Return what stands at a terminal at a moment [s], now if None; noisy calls draw all read noise anew."""
        place = self._place(terminal)
        # Outside the lock: what is due takes it for each of its own readings.
        self.before_solving()
        with self._lock:
            now = self.clock.now() if at is None else at
            found = self._solve(self.cells.conductances(now) if noisy else self.cells.noiseless(now))
            layout = self._layout()
            net, k = int(layout.of_terminal[place]), layout.number.get(place)
            # A terminal that nothing is tied to, neither a line nor a source, stands at ground.
            voltage = float(found.voltages[net]) if net >= 0 else 0.0
            if k is None:
                return Point(voltage, 0.0, False)
            return Point(voltage, float(found.currents[k]), bool(found.limited[k]))

    def line_voltages(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the voltages of all word lines and of all bit lines without noise [V]."""
        with self._lock:
            found = self._solve(self.cells.noiseless(self.clock.now()))
            lines, rows = self._layout().lines, self.cells.shape[0]
            return found.voltages[lines[:rows]], found.voltages[lines[rows:]]

    def _check_source(self, terminal: str, source: Source) -> None:
        """Note a driving source that could give more current than the rack file allows."""
        largest = source.limit if source.voltage else abs(source.level)
        if self._current is not None and source.level and largest > self._current * (1 + 1e-9):
            text = f"{terminal} may give {largest:g} A, limit {self._current:g} A"
            self.audit.note(self.clock.now(), FaultKind.OVER_LIMIT, text)

    def _check_shorts(self) -> None:
        """Note voltage sources of different levels on one net: they fight within their limits."""
        levels = {place: source.level for place, source in self._sources.items() if source.voltage}
        if max(levels.values()) - min(levels.values()) <= HOT:
            return
        net, _ = self._net_numbers()
        names = list(self._index)
        first: dict[int, int] = {}
        for place in sorted(levels):
            other = first.setdefault(int(net[place]), place)
            if abs(levels[place] - levels[other]) > HOT:
                text = (
                    f"{names[other]} at {levels[other]:g} V and {names[place]} at {levels[place]:g} V are tied together"
                )
                self.audit.note(self.clock.now(), FaultKind.SHORTED, text)

    def _check_cells(self) -> None:
        if self.cell_voltage is None:
            return
        levels = [source.level for source in self._sources.values() if source.voltage]
        if len(levels) == len(self._sources) and max(levels) - min(levels) <= self.cell_voltage:
            return  # a network of resistances lies between its sources
        word, bit = self.line_voltages()
        worst = np.abs(word[:, None] - bit[None, :])
        row, col = np.unravel_index(int(worst.argmax()), worst.shape)
        if worst[row, col] > self.cell_voltage * (1 + 1e-9):
            text = f"{worst[row, col]:.4g} V across cell ({row}, {col}), limit {self.cell_voltage:g} V"
            self.audit.note(self.clock.now(), FaultKind.OVER_LIMIT, text)
