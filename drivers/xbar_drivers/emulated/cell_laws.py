"""Laws of the cells behind served lines as the circuit's solvers take them: increasing, and defined at any voltage.

What a law scales is a factor of each cell, not its conductance: time, temperature and the noise of a reading are in it.
Beyond `limit` a law goes on by its tangent: instruments source voltages that no cell was measured at.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.law import Law
from xbar.devices.dynamics import DynamicModel
from xbar.devices.iv_law import IvLaw
from xbar.namespace import Array

Floats = NDArray[np.float64]

LIMIT = 10.0
"""Largest voltage at which laws are asked [V]: exponentials stay finite."""

TRIED = 101
"""Voltages up to the limit at which it is looked whether a law still rises."""

STEP = 1e-6
"""Step of the derivative of a model, which tells only its current [V]: the square of it is the relative error."""


def rising_limit(law: IvLaw, own: Floats) -> float:
    """Return the largest voltage, at most `LIMIT`, up to which currents of cells of parameters `own` [S] rise [V]."""
    volts = np.linspace(0.0, LIMIT, TRIED)
    ends = np.array([own.min(initial=np.inf), np.median(own) if own.size else 1.0, own.max(initial=0.0)])
    with np.errstate(over="ignore", invalid="ignore"):
        falls = ~(np.asarray(law.conductance(volts[:, None] + 0 * ends, ends + 0 * volts[:, None])) > 0).all(axis=1)
    falls |= ends.max() <= 0
    first = int(falls.argmax()) if falls.any() else TRIED
    return float(volts[max(first - 1, 1)])


@dataclass(frozen=True, eq=False)
class IvCells(Law):
    """Cells of an I-V law."""

    law: IvLaw
    own: Floats
    """Parameter of the law of each cell, (rows, cols) [S]."""
    limit: float = LIMIT

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return currents [A] and differential conductances [S]; `g` are factors."""
        inside = np.clip(v, -self.limit, self.limit)
        own = np.broadcast_to(self.own, inside.shape)
        slope = g * np.asarray(self.law.conductance(inside, own))
        return g * np.asarray(self.law.current(inside, own)) + slope * (v - inside), slope


@dataclass(frozen=True, eq=False)
class ModelCells(Law):
    """Cells of a dynamic model in their present states; some are mere resistors."""

    model: DynamicModel
    state: Floats
    """(rows, cols)."""
    resistors: NDArray[np.bool_]
    """Cells that are stuck, or on an open line: their factor is their conductance [S]."""
    limit: float = field(default=LIMIT)

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return currents [A] and differential conductances [S]; `g` are factors."""
        inside = np.clip(v, -self.limit, self.limit)
        state = np.broadcast_to(self.state, inside.shape)
        high = np.asarray(self.model.current(state, inside + STEP))
        low = np.asarray(self.model.current(state, inside - STEP))
        slope = (high - low) / (2 * STEP)
        current = np.asarray(self.model.current(state, inside)) + slope * (v - inside)
        return g * np.where(self.resistors, v, current), g * np.where(self.resistors, 1.0, slope)
