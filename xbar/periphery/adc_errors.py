"""What output converters do wrong: gain, offset, noise, and transitions that are not where they should be."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.periphery import pipeline_adc, ramp_adc, sar_adc
from xbar.periphery.checks import check_numbers
from xbar.periphery.nonlinearity import ladder_inl, table_inl

Floats = NDArray[np.float64]

AdcModel: TypeAlias = Literal["sar", "ramp", "pipeline"]

MODEL_KEYS = {"sar": ("unit_capacitor_sigma",), "ramp": ("slope_sigma", "curvature"), "pipeline": ("stage_gain_sigma",)}
"""What each model is told by."""

LARGEST = float("inf")


@dataclass(frozen=True)
class AdcErrors:
    """Errors of the output converters. All zero, or None: ideal steps.

    An input of x steps is converted as x (1 + gain) + offset + noise by the transitions of the converter. What is
    reported are codes of ideal converters: nobody knows the errors but who measures them.
    """

    gain_sigma: float = 0.0
    """Deviation of the relative gain error between converters, 0 to 1."""
    offset_sigma: float = 0.0
    """Deviation of the offset between converters [LSB]."""
    noise: float = 0.0
    """Deviation of the input noise of each conversion [LSB]."""
    dnl_sigma: float = 0.0
    """Deviation of the width of a step [LSB]: a ladder of unit elements, another one for each converter."""
    inl: tuple[float, ...] | None = None
    """Deviation [LSB] of each transition, from the lowest to the highest: two fewer than 2**bits; of all converters."""
    dnl: tuple[float, ...] | None = None
    """Or the deviations of the widths of the codes between them [LSB]."""
    model: AdcModel | None = None
    """"sar", "ramp" or "pipeline"; None: told by `inl`, `dnl` or `dnl_sigma`, or without error."""
    unit_capacitor_sigma: float = 0.0
    """SAR: relative deviation of one unit capacitor, 0 to 0.5."""
    slope_sigma: float = 0.0
    """Ramp: deviation of the relative slope error between arrays, 0 to 0.5."""
    curvature: float = 0.0
    """Ramp: bow in the middle of the ramp, either sign [LSB]."""
    stage_gain_sigma: float = 0.0
    """Pipeline: relative deviation of the gain of a stage, 0 to 0.5."""
    columns_per_adc: int = 1
    """Neighbouring bit lines that share a converter, one after the other."""

    def __post_init__(self) -> None:
        """Raise `InputError` for numbers that cannot be meant, and keys that do not belong to the model."""
        bounds = {"gain_sigma": 1.0, "unit_capacitor_sigma": 0.5, "slope_sigma": 0.5, "stage_gain_sigma": 0.5}
        in_steps = dict.fromkeys(("offset_sigma", "noise", "dnl_sigma"), LARGEST)
        check_numbers("output converters", self, bounds | in_steps)
        if not np.isfinite(self.curvature):
            raise InputError(f"output converters: curvature {self.curvature} is not finite")
        if self.columns_per_adc < 1:
            raise InputError(f"output converters: columns_per_adc {self.columns_per_adc} must be at least 1")
        if self.model is not None and self.model not in get_args(AdcModel):
            raise InputError(f"output converters: model {self.model!r} is not known; choose {', '.join(MODEL_KEYS)}")
        for model, names in MODEL_KEYS.items():
            for name in names:
                if getattr(self, name) and model != self.model:
                    raise InputError(f"output converters: {name} belongs to model {model!r}; set model = {model!r}")
        if self.model is not None and (self.inl is not None or self.dnl is not None or self.dnl_sigma):
            raise InputError(
                f"output converters: model {self.model!r} says where transitions lie; leave inl, dnl, dnl_sigma out"
            )

    @property
    def has_transitions(self) -> bool:
        """Get whether transitions are not simply those of rounding."""
        return self.model in ("sar", "ramp") or bool(self.dnl_sigma) or self.inl is not None or self.dnl is not None

    def transitions(self, bits: int, normals: Floats) -> Floats:
        """Return the inputs `(converters, 2 * code_max)` [LSB] at which codes grow by 1; they never fall along a row.

        `normals` `(converters, n)` are standard normals, with `n` from `draws`. Raises `InputError` for a table of a
        wrong length.
        """
        code_max = (1 << (bits - 1)) - 1
        if self.model == "sar":
            units = sar_adc.capacitors(bits, self.unit_capacitor_sigma, normals)
            # Word 1 is the smallest code; transition 0, into it, is not met by symmetric codes.
            return np.asarray(sar_adc.transitions(units)[:, 1:] - float(1 << (bits - 1)) - 0.5)
        if self.model == "ramp":
            # One ramp for the array: its slope error is the first converter's draw.
            edges = ramp_adc.transitions(code_max, self.slope_sigma * float(normals[0, 0]), self.curvature)
            return np.sort(np.broadcast_to(edges, (len(normals), len(edges))), axis=1)
        ideal = np.arange(-code_max + 1, code_max + 1) - 0.5
        found = np.broadcast_to(ideal, (len(normals), len(ideal)))
        table = table_inl(self.inl, self.dnl, len(ideal), "output converters")
        if table is not None:
            found = found + table
        if self.dnl_sigma:
            found = found + self.dnl_sigma * ladder_inl(normals[:, : len(ideal) - 1])
        # Where transitions cross, a converter that counts those below its input sees them in order.
        return np.sort(found, axis=1)

    def draws(self, bits: int) -> int:
        """Return how many normals `transitions` or `gains` need of each converter."""
        if self.model == "sar":
            return bits + 1
        if self.model == "pipeline":
            return pipeline_adc.stages(bits)
        return 1 if self.model == "ramp" else max((1 << bits) - 3, 1)

    def gains(self, normals: Floats) -> Floats:
        """Return the gains `(converters, stages)` of the stages of pipeline converters; `normals` of that shape."""
        return np.asarray(2.0 * (1.0 + self.stage_gain_sigma * normals))
