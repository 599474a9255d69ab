"""Nets: terminals that cables and closed relays tie together."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar_drivers.emulated.nodal import Source


@dataclass(frozen=True)
class Layout:
    """How the network lies between two changes."""

    lines: NDArray[np.intp]
    """Net of each line, word lines first."""
    nets: list[int]
    """Net of each source."""
    sources: list[Source]
    number: dict[int, int]
    """Number of the source at a terminal."""
    of_terminal: NDArray[np.intp]
    """Net of each terminal; -1 where no line and no source lies."""
    count: int
    """Number of nets."""


def roots(parent: list[int], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return for every place the smallest place that pairs tie it to; `parent` is where the search begins."""

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for a, b in pairs:
        first, second = root(a), root(b)
        if first < second:
            parent[second] = first
        else:
            parent[first] = second
    return [place if parent[place] == place else root(place) for place in range(len(parent))]
