"""What the wires do: exact currents and node voltages of arrays whose word and bit lines have resistance.

    from xbar.circuit import Wires, effective_operator
    op = effective_operator(g, Wires(word=2.0, bit=8.0))
    currents = op.currents(v)

The names here are loaded when they are first used: they need SciPy and compiled kernels.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xbar.circuit.adjoint import Gradients, gradients, solution_gradients
    from xbar.circuit.boundary import Boundary, End, biased, driven, floating, sensed
    from xbar.circuit.cell_law import Ohmic, Polynomial, PooleFrenkel, Resistor, Selector, Series, Sinh
    from xbar.circuit.newton import Solution, Status, solve
    from xbar.circuit.operator import EffectiveOperator, effective_operator
    from xbar.circuit.read_noise import NoiseStream, NoisyCurrents, ReadNoise, noisy_currents
    from xbar.circuit.wires import Wires

_PLACES = {
    "Boundary": "boundary",
    "EffectiveOperator": "operator",
    "End": "boundary",
    "Gradients": "adjoint",
    "NoiseStream": "read_noise",
    "NoisyCurrents": "read_noise",
    "Ohmic": "cell_law",
    "Polynomial": "cell_law",
    "PooleFrenkel": "cell_law",
    "ReadNoise": "read_noise",
    "Resistor": "cell_law",
    "Selector": "cell_law",
    "Series": "cell_law",
    "Sinh": "cell_law",
    "Solution": "newton",
    "Status": "newton",
    "Wires": "wires",
    "biased": "boundary",
    "driven": "boundary",
    "effective_operator": "operator",
    "floating": "boundary",
    "gradients": "adjoint",
    "noisy_currents": "read_noise",
    "sensed": "boundary",
    "solution_gradients": "adjoint",
    "solve": "newton",
}

__all__ = [
    "Boundary",
    "EffectiveOperator",
    "End",
    "Gradients",
    "NoiseStream",
    "NoisyCurrents",
    "Ohmic",
    "Polynomial",
    "PooleFrenkel",
    "ReadNoise",
    "Resistor",
    "Selector",
    "Series",
    "Sinh",
    "Solution",
    "Status",
    "Wires",
    "biased",
    "driven",
    "effective_operator",
    "floating",
    "gradients",
    "noisy_currents",
    "sensed",
    "solution_gradients",
    "solve",
]


def __getattr__(name: str) -> Any:
    """Return a public name, importing its module now."""
    if name in _PLACES:
        from importlib import import_module

        value = getattr(import_module(f"xbar.circuit.{_PLACES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'xbar.circuit' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
