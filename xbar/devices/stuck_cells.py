"""Stuck cells: cells that no write moves, at one end of the conductance range."""

from dataclasses import dataclass
from enum import IntEnum

from xbar.namespace import Array, as_float64, namespace


class CellState(IntEnum):
    """Whether a cell can be written; the numbers stand in chip files and never change."""

    FREE = 0
    OFF = 1
    """Stuck at g_min ("stuck off")."""
    ON = 2
    """Stuck at g_max ("stuck on")."""


@dataclass(frozen=True)
class StuckCells:
    """Rates of cells stuck at g_min and at g_max, drawn once per cell, each cell by itself.

    A stuck cell has neither programming error nor drift nor flicker noise: it stands at g_min or g_max. So `apply` is
    the last step after them. White read noise remains: it belongs to the reading.
    """

    off: float
    """Share of cells stuck at g_min, 0 to 1."""
    on: float
    """Share of cells stuck at g_max, 0 to 1; both together at most 1."""
    g_min: float
    """Smallest conductance of the device [S]."""
    g_max: float
    """Largest conductance of the device [S]."""
    source: str = ""

    def draw(self, uniforms: Array) -> Array:
        """Return the state of each cell (int8, `CellState`) from as many uniform numbers in [0, 1)."""
        xp = namespace(uniforms)
        uniforms = as_float64(uniforms)
        stuck = xp.astype(uniforms < self.off + self.on, xp.int8)
        off = xp.astype(uniforms < self.off, xp.int8)
        return stuck * int(CellState.ON) - off

    def apply(self, g: Array, state: Array) -> Array:
        """Return conductances [S] with those of stuck cells in place of what was written."""
        xp = namespace(g, state)
        g = xp.where(state == int(CellState.OFF), self.g_min, as_float64(g))
        return xp.where(state == int(CellState.ON), self.g_max, g)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"{100 * self.off:g} % stuck off, {100 * self.on:g} % stuck on"
