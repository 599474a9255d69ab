"""Cells of an array as elements of SPICE."""

from dataclasses import dataclass
from typing import Any

from xbar.circuit.cell_law import Ohmic, Polynomial, PooleFrenkel, Resistor, Selector, Series, Sinh
from xbar.circuit.wires import Floats
from xbar.errors import Unsupported
from xbar.units import show

TINY = 1e-30
"""Added to |v| under a root, whose slope at 0 V a simulator would find infinite."""


@dataclass(frozen=True, eq=False)
class CellElements:
    """How the cells of one array are written."""

    g: Floats
    """(rows, cols) [S]"""
    law: Any

    def lines(self, i: int, j: int) -> list[str]:
        """Return the elements of cell (i, j) between `w<i>_<j>` and `b<i>_<j>`; two in series meet at `x<i>_<j>`."""
        place = f"{i}_{j}"
        g = float(self.g[i, j])
        if isinstance(self.law, Series):
            return [
                _element(self.law.device, g, f"d{place}", f"w{place}", f"x{place}"),
                _element(self.law.access, g, f"a{place}", f"x{place}", f"b{place}"),
            ]
        return [_element(self.law, g, f"d{place}", f"w{place}", f"b{place}")]

    @property
    def note(self) -> str:
        """Get what a reader of the netlist has to know: what the law is, and how far it and its numbers hold."""
        parts = (self.law.device, self.law.access) if isinstance(self.law, Series) else (self.law,)
        if all(isinstance(part, (Ohmic, Resistor)) for part in parts):
            return ""
        return (
            f"cells: {self.law}, meant up to {show(float(self.law.limit), 'V')} across a cell; ngspice keeps 11 digits "
            "of the numbers in their expressions"
        )


def cell_elements(law: Any, g: Floats) -> CellElements:
    """Return the elements of cells with conductances `g` (rows, cols) [S] and a law; None: resistors.

    Raises `Unsupported` for a law that has no expression here.
    """
    found = CellElements(g, Ohmic() if law is None else law)
    found.lines(0, 0)
    return found


def _element(law: Any, g: float, name: str, one: str, two: str) -> str:
    """Return one element: a resistor, or a source whose current is a function of the voltage across it."""
    u = f"v({one},{two})"
    if isinstance(law, Ohmic):
        return f"R{name} {one} {two} {1 / g if g else 0.0!r}"
    if isinstance(law, Resistor):
        return f"R{name} {one} {two} {float(law.ohm)!r}"
    if isinstance(law, Sinh):
        current = f"{g!r}*{law.v0!r}*sinh({u}/{law.v0!r})"
    elif isinstance(law, Selector):
        current = f"{law.i0!r}*sinh({u}/{law.v0!r})"
    elif isinstance(law, PooleFrenkel):
        current = f"{g!r}*{u}*exp({law.b!r}*sqrt(abs({u})+{TINY!r}))"
    elif isinstance(law, Polynomial):
        inner = "".join(f"+{u}*({a!r}" for a in law.coefficients) + ")" * len(law.coefficients)
        current = f"{g!r}*{u}*(1{inner})"
    else:
        raise Unsupported(
            f"cells of the law {type(law).__name__} have no expression in SPICE; Ohmic, Resistor, Sinh, Selector, "
            "PooleFrenkel, Polynomial and two of these in Series have one"
        )
    return f"B{name} {one} {two} I={current}"
