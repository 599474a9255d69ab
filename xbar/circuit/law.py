"""The port of the laws of cells: what a solver asks of one, and what all of them share."""

from typing import Any, Protocol

from xbar.errors import InputError
from xbar.namespace import Array


class CellLaw(Protocol):
    """What the solver asks of a cell."""

    @property
    def limit(self) -> float:
        """Get the largest |voltage| for which the law is meant [V]."""
        ...

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return current [A] and differential conductance [S] at voltages `v`, from conductances `g` at 0 V."""
        ...

    def by_g(self, g: Array, v: Array) -> Array:
        """Return the derivative of the current by `g` at voltages `v` [V]."""
        ...


def require_law(law: Any, what: str) -> None:
    """Raise `InputError` for what is no law of cells."""
    if isinstance(law, type) or not callable(getattr(law, "evaluate", None)) or not hasattr(law, "limit"):
        raise InputError(f"{what} is {law!r}; give a law of cells, such as Sinh(0.1)")


class Law:
    """Current and conductance of a law one by one."""

    def current(self: CellLaw, g: Array, v: Array) -> Array:
        """Return the current [A] at the voltage `v` [V] of cells of conductance `g` [S]."""
        return self.evaluate(g, v)[0]

    def conductance(self: CellLaw, g: Array, v: Array) -> Array:
        """Return the differential conductance [S] at the voltage `v` [V] of cells of conductance `g` [S]."""
        return self.evaluate(g, v)[1]

    def by_g(self: CellLaw, g: Array, v: Array) -> Array:
        """Return the derivative of the current by `g` [V]: here of a current that is proportional to it."""
        return self.evaluate(0 * g + 1, v)[0]
