"""Products with converters that are not ideal: volts through DAC, array, sense amplifier and ADC, plane by plane."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xbar.namespace import Array
from xbar.periphery.converter_bank import ConverterPart

Floats = NDArray[np.float64]


class Currents(Protocol):
    """A product that gives currents for levels of the word lines."""

    def __call__(self, levels: Array, unit: float, steps: Floats, events: Array, plane: int, /) -> Array:
        """Return currents (batch, cols) in `steps` (cols,) [A]; `levels` (batch, rows) are of `unit` volts."""


def convert(  # noqa: PLR0913  # what a product takes, and where it runs
    converters: ConverterPart,
    currents: Currents,
    volts: NDArray[Any],
    input_step: float,
    steps: Floats,
    events: NDArray[np.uint64],
    out: NDArray[Any],
    clipped: NDArray[np.bool_],
    *,
    block: int,
    put: Callable[[NDArray[Any]], Array] = np.asarray,
    get: Callable[[Array], NDArray[Any]] = np.asarray,
) -> None:
    """Fill `out` (batch, cols) with codes of `volts` (batch, rows) [V], `clipped` with what a converter cut off.

    Args:
        converters: those of the array's part.
        currents: the product.
        volts: asked for.
        input_step: voltage of one input code [V].
        steps: current of one step of a conversion (cols,) [A].
        events: (batch,).
        out: codes, planes added.
        clipped: whether any plane of a conversion clipped.
        block: input vectors in work at once; the result does not depend on it.
        put: copies an array to where products run.
        get: copies one back.

    """
    plan = converters.plan
    unit = input_step / converters.unit
    for first in range(0, len(volts), block):
        part = slice(first, first + block)
        codes = converters.codes(put(np.require(volts[part], np.float32, ["C", "W"])), input_step)
        there = put(np.require(events[part], np.uint64, ["C", "W"]))
        total: Any = 0.0
        cut: Any = False
        for number, weight in enumerate(plan.weights):
            found = currents(converters.drive(codes, number), unit, steps, there, number)
            plane_codes, plane_cut = converters.convert(found, there, number)
            total, cut = total + plane_codes * float(weight), cut | plane_cut
        if plan.adc_bits is None:
            total = total * (1.0 / plan.serial)
        out[part], clipped[part] = get(total), get(cut)
