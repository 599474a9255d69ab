"""Levels: a device that has a few states only, such as the two of a magnetic tunnel junction."""

from dataclasses import dataclass
from itertools import pairwise

from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class Levels:
    """Conductances that a write can leave; a target becomes the nearest of them."""

    conductances: tuple[float, ...]
    """Ascending [S], at least two."""
    source: str = ""

    def nearest(self, target: Array) -> Array:
        """Return the level nearest to each target [S], of two equally near the smaller one; NaN stays NaN."""
        xp = namespace(target)
        g = as_float64(target)
        found = g * 0.0 + self.conductances[0]
        for low, high in pairwise(self.conductances):
            found = xp.where(g > (low + high) / 2, high, found)
        return found

    def describe(self) -> str:
        """Return the levels in a few words, for logs."""
        return f"{len(self.conductances)} levels: {', '.join(show(g, 'S') for g in self.conductances)}"
