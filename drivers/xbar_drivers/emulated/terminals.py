"""Terminals by name, and the nets that cables and closed relays make of them; cables and relays are ideal."""

from collections.abc import Iterable, Mapping, Set

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar_drivers.emulated.nets import Layout, roots
from xbar_drivers.emulated.nodal import Source

GROUND = "gnd"
"""The common ground: the LO terminal of every source, and whatever is wired to it."""

Pair = tuple[int, int]


class Terminals:
    """The terminals of a bench: ground, the lines of an array of `shape`, and those that instruments add."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._index: dict[str, int] = {}
        self._cables: list[Pair] = []
        self.closed: set[Pair] = set()
        """Relay contacts that are closed."""
        self._cabled: list[int] | None = None
        self._nets: NDArray[np.intp] | None = None
        rows, cols = shape
        for name in (GROUND, *(f"word{i}" for i in range(rows)), *(f"bit{j}" for j in range(cols))):
            self.add(name)

    @property
    def names(self) -> list[str]:
        """Get the names of all terminals."""
        return list(self._index)

    def add(self, name: str) -> None:
        """Make a terminal known.

        Raises `InputError` where the name is taken.
        """
        if name in self._index:
            raise InputError(f"two terminals are named {name!r}; give the instruments different names")
        self._index[name] = len(self._index)
        self._nets = self._cabled = None

    def join(self, first: str, second: str) -> None:
        """Tie two terminals together by a cable.

        Raises `InputError` for a terminal that the bench does not have.
        """
        self._cables.append((self.place(first), self.place(second)))
        self._nets = self._cabled = None

    def place(self, name: str) -> int:
        """Return the number of a terminal; raises `InputError` for one that the bench does not have."""
        if name not in self._index:
            rows, cols = self.shape
            kin = [known for known in self._index if known.split(".")[0] == name.split(".")[0]]
            told = f"{', '.join(kin[:8])}{', ...' if len(kin) > 8 else ''}" if kin else ", ".join(self._owners())
            raise InputError(
                f"terminal {name!r} does not exist; the array has word0 to word{rows - 1} and bit0 to bit{cols - 1}; "
                f"the bench has {told}"
            )
        return self._index[name]

    def _owners(self) -> list[str]:
        return sorted({name.split(".")[0] + ".*" for name in self._index if "." in name})

    def pairs(self, contacts: Iterable[tuple[str, str]]) -> set[Pair]:
        """Return contacts between terminals by their numbers."""
        return {(self.place(a), self.place(b)) for a, b in contacts}

    def switch(self, opened: Set[Pair], closed: Set[Pair]) -> None:
        """Open and close relay contacts."""
        self.closed = (self.closed - opened) | closed
        self._nets = None

    def nets(self) -> NDArray[np.intp]:
        """Return the net of every terminal."""
        if self._nets is None:
            if self._cabled is None:
                self._cabled = roots(list(range(len(self._index))), self._cables)
            _, numbers = np.unique(np.asarray(roots(list(self._cabled), self.closed), np.intp), return_inverse=True)
            self._nets = numbers.astype(np.intp)
        return self._nets

    def layout(self, at: Mapping[int, Source]) -> Layout:
        """Return how the network of sources at these terminals lies: the nets with a line or a source, numbered."""
        net, (rows, cols) = self.nets(), self.shape
        places = sorted(at)
        used = np.concatenate([net[1 : 1 + rows + cols], net[places]])
        names, numbers = np.unique(used, return_inverse=True)
        small = np.full(int(net.max()) + 1, -1, np.intp)
        small[names] = np.arange(len(names))
        return Layout(
            lines=numbers[: rows + cols].astype(np.intp),
            nets=[int(k) for k in numbers[rows + cols :]],
            sources=[at[place] for place in places],
            number={place: k for k, place in enumerate(places)},
            of_terminal=small[net],
            count=len(names),
        )
