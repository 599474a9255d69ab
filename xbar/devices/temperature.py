"""Temperature: how the conductance follows it at once, and how it makes time run faster."""

import math
from dataclasses import dataclass
from typing import Final, Literal

from xbar.errors import InputError
from xbar.namespace import Array, as_float64
from xbar.units import show

BOLTZMANN: Final = 8.617333262e-5
"""Boltzmann constant [eV/K], CODATA 2018."""


@dataclass(frozen=True)
class Temperature:
    """Conductance and ageing at a temperature T, relative to the reference temperature T0 of the other laws.

        linear:     G(T) = G (1 + coefficient (T - T0))
        arrhenius:  G(T) = G exp(-coefficient / k (1/T - 1/T0)),  coefficient an energy
        ageing:     t_eff = t exp(ageing / k (1/T0 - 1/T)),       ageing an energy

    Laws of time (drift, relaxation, retention) get the effective time. An Arrhenius law, as of any thermally activated
    process.
    """

    kind: Literal["linear", "arrhenius"]
    coefficient: float
    """[1/K] ("linear") or [eV] ("arrhenius")."""
    reference: float
    """T0 [K]."""
    ageing: float = 0.0
    """Activation energy of the laws of time [eV]; zero lets time run alike at every temperature."""
    source: str = ""

    def conductance(self, g: Array, temperature: float) -> Array:
        """Return the conductances [S] at a temperature [K] of cells of `g` [S] at the reference; never below zero."""
        kelvin = _above_zero(temperature)
        if self.kind == "linear":
            return as_float64(g) * max(1 + self.coefficient * (kelvin - self.reference), 0.0)
        return as_float64(g) * math.exp(-self.coefficient / BOLTZMANN * (1 / kelvin - 1 / self.reference))

    def effective_time(self, seconds: float | Array, temperature: float) -> float | Array:
        """Return the time at the reference temperature that ages a cell as `seconds` at `temperature` [K] do."""
        factor = math.exp(self.ageing / BOLTZMANN * (1 / self.reference - 1 / _above_zero(temperature)))
        return float(seconds) * factor if isinstance(seconds, int | float) else as_float64(seconds) * factor

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        change = f"{100 * self.coefficient:g} % per K" if self.kind == "linear" else show(self.coefficient, "eV")
        return f"G {self.kind}, {change} from {show(self.reference, 'K')}; ageing {show(self.ageing, 'eV')}"


def _above_zero(temperature: float) -> float:
    if not 0 < temperature < math.inf:
        raise InputError(f"temperature {temperature:g} K must be above 0 K and finite")
    return float(temperature)
