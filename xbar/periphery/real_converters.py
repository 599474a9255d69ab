"""All that is not ideal about the converters of an array, and how inputs are driven."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, get_args

from xbar.errors import InputError
from xbar.periphery.adc_errors import AdcErrors
from xbar.periphery.bit_serial import BitSerial
from xbar.periphery.checks import check_numbers
from xbar.periphery.dac_errors import DacErrors
from xbar.periphery.sense_amplifier import SenseAmplifier
from xbar.units import show

DAC_ERRORS, SENSE, ADC_ERRORS, ADC_NOISE = "dac_errors", "sense_amplifier", "adc_errors", "adc_noise"
EFFECTS = (DAC_ERRORS, SENSE, ADC_ERRORS, ADC_NOISE)
"""Effects of converters that are not ideal, as they are switched and reported."""

NEEDS: Final = {DAC_ERRORS: "dac", ADC_ERRORS: "adc", ADC_NOISE: "adc"}
"""Converters that effects belong to: without the one there is not the other."""

UNITS: Final = {
    "gain_sigma": "%",
    "unit_capacitor_sigma": "%",
    "slope_sigma": "%",
    "stage_gain_sigma": "%",
    "dnl_sigma": "LSB",
    "curvature": "LSB",
    "bandwidth": "Hz",
    "time": "s",
    "noise_density": "A/rtHz",
    "saturation": "A",
}
"""Units of the fields; of an offset it depends on the converter."""


@dataclass(frozen=True)
class RealConverters:
    """Converters that are not ideal."""

    dac: DacErrors = field(default_factory=DacErrors)
    sense: SenseAmplifier = field(default_factory=SenseAmplifier)
    adc: AdcErrors = field(default_factory=AdcErrors)
    bit_serial: BitSerial | None = None
    """How the bits of an input code are driven one after the other; None: all at once, as one voltage."""
    range_factor: float = 1.0
    """Range of the output converters in units of the range that is asked for: above 1 trades steps for room."""

    def __post_init__(self) -> None:
        """Raise `InputError` for numbers and names that cannot be meant."""
        check_numbers("converters", self, {"range_factor": 1e6})
        if self.range_factor == 0:
            raise InputError("converters: range_factor 0 leaves no range; 1 takes the range that is asked for")
        if self.bit_serial is not None and self.bit_serial not in get_args(BitSerial):
            raise InputError(f"bit_serial {self.bit_serial!r} is not known; choose {' or '.join(get_args(BitSerial))}")
        if self.bit_serial is not None and (self.dac.dnl_sigma or self.dac.inl is not None or self.dac.dnl is not None):
            raise InputError("bit-serial inputs have no steps between 0 and the range; leave inl, dnl, dnl_sigma out")

    @property
    def is_ideal(self) -> bool:
        """Get whether nothing is left that products would see."""
        return self == RealConverters(adc=AdcErrors(columns_per_adc=self.adc.columns_per_adc))

    def only(self, effects: set[str]) -> "RealConverters":
        """Return the converters with these effects alone: "dac" and "adc" carry the errors of theirs."""
        adc = self.adc
        if "adc" not in effects or ADC_ERRORS not in effects:
            adc = AdcErrors(noise=adc.noise)
        if "adc" not in effects or ADC_NOISE not in effects:
            adc = replace(adc, noise=0.0)
        return RealConverters(
            self.dac if {"dac", DAC_ERRORS} <= effects else DacErrors(),
            self.sense if SENSE in effects else SenseAmplifier(),
            adc,
            self.bit_serial if "dac" in effects else None,
            self.range_factor if "adc" in effects else 1.0,
        )

    def notes(self) -> dict[str, str]:
        """Return what is told of each effect that these converters have."""
        found = {DAC_ERRORS: _told(self.dac), SENSE: _told(self.sense)}
        found[ADC_ERRORS] = _told(replace(self.adc, noise=0.0))
        found[ADC_NOISE] = f"{self.adc.noise:g} LSB at the input of each conversion" if self.adc.noise else ""
        return {name: note for name, note in found.items() if note}

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, without what is ideal; `real_converters` makes the same converters of them."""
        parts = {name: _given(getattr(self, name)) for name in ("dac", "sense", "adc")}
        told = _given(self)
        return {name: parts.get(name, value) for name, value in told.items()}


def real_converters(values: Mapping[str, Any]) -> RealConverters:
    """Return the converters that nested values in SI units and LSB tell, by the names of the fields.

    Raises `InputError` for a name that is not known, and numbers that cannot be meant.
    """
    kinds: dict[str, type[Any]] = {"dac": DacErrors, "sense": SenseAmplifier, "adc": AdcErrors}
    given = dict(values)
    for name, kind in kinds.items():
        part = given.get(name)
        if isinstance(part, Mapping):
            given[name] = _make(kind, f"converters: {name}", part)
        elif part is not None and not isinstance(part, kind):
            raise InputError(f"converters: {name} {part!r} is not a table of values")
    made: RealConverters = _make(RealConverters, "converters", given)
    return made


def _make(kind: type[Any], where: str, values: Mapping[str, Any]) -> Any:
    known = [part.name for part in fields(kind)]
    for name in values:
        if name not in known:
            raise InputError(f"{where}: {name!r} is not known; known are {', '.join(known)}")
    return kind(**{n: tuple(v) if n in ("inl", "dnl") and v is not None else v for n, v in values.items()})


def _given(part: Any) -> dict[str, Any]:
    """Return the fields that are not their defaults."""
    ideal = asdict(type(part)())
    return {name: value for name, value in asdict(part).items() if value != ideal[name]}


def _told(part: Any) -> str:
    """Return the fields that are not their defaults as a text."""
    given = _given(part)
    if set(given) <= {"columns_per_adc"}:
        return ""
    units = UNITS | {"offset_sigma": "A" if isinstance(part, SenseAmplifier) else "LSB"}
    return ", ".join(f"{name.replace('_', ' ')} {_shown(name, value, units)}" for name, value in given.items())


def _shown(name: str, value: Any, units: Mapping[str, str]) -> str:
    if name in ("inl", "dnl"):
        return "by a table"
    unit = units.get(name)
    if unit is None:
        return str(value)
    return f"{100 * value:.4g} %" if unit == "%" else f"{value:.4g} LSB" if unit == "LSB" else show(value, unit)
