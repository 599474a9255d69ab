"""Converters in files that people write: the section [converters] of a bench file, and a file of its own.

Quantities are text with their unit, "0.5 LSB" where they count in steps of the converter. Tables of INL and DNL stand
in the file, or in a text file of numbers beside it.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from xbar import toml_file
from xbar.errors import FormatError, InputError
from xbar.periphery.adc_errors import AdcModel
from xbar.periphery.bit_serial import BitSerial
from xbar.periphery.real_converters import real_converters
from xbar.quantity_fields import Current, Seconds, Share, quantity

SCHEMA = "xbar-converters/1"

MOST_VALUES = 2**13
"""Values of the longest table: more than the transitions of the largest converter with errors."""

Lsb = Annotated[float, BeforeValidator(quantity("LSB", "0.5 LSB"))]
Hertz = Annotated[float, BeforeValidator(quantity("Hz", "10 MHz"))]
NoiseDensity = Annotated[float, BeforeValidator(quantity("A/rtHz", "1 pA/rtHz"))]
Table = Annotated[list[Annotated[float, Field(strict=True, allow_inf_nan=False)]], Field(max_length=MOST_VALUES)] | str


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class _Dac(_Section):
    gain_sigma: Share = 0.0
    offset_sigma: Lsb = 0.0
    dnl_sigma: Lsb = 0.0
    inl: Table | None = None
    dnl: Table | None = None


class _Sense(_Section):
    gain_sigma: Share = 0.0
    offset_sigma: Current = 0.0
    bandwidth: Hertz | None = None
    time: Seconds | None = None
    noise_density: NoiseDensity = 0.0
    saturation: Current | None = None


class _Adc(_Section):
    gain_sigma: Share = 0.0
    offset_sigma: Lsb = 0.0
    noise: Lsb = 0.0
    dnl_sigma: Lsb = 0.0
    inl: Table | None = None
    dnl: Table | None = None
    model: AdcModel | None = None
    unit_capacitor_sigma: Share = 0.0
    slope_sigma: Share = 0.0
    curvature: Lsb = 0.0
    stage_gain_sigma: Share = 0.0
    columns_per_adc: int = Field(default=1, ge=1, le=8192)


class ConverterSection(_Section):
    """The section [converters] of a bench file."""

    dac_bits: int = Field(default=8, ge=2, le=16)
    adc_bits: int = Field(default=8, ge=2, le=16)
    bit_serial: BitSerial | None = None
    range_factor: float = Field(default=1.0, gt=0, le=1e6, strict=True, allow_inf_nan=False)
    dac: _Dac | None = None
    sense: _Sense | None = None
    adc: _Adc | None = None

    def options(self, folder: Path, origin: str) -> dict[str, Any]:
        """Return the options of a driver: `dac_bits`, `adc_bits`, and `converters` where they are not ideal.

        Args:
            folder: where files of tables are looked for.
            origin: the file, for errors.

        Raises `FormatError` for tables that cannot be read and converters that cannot be.

        """
        values = self.model_dump(exclude={"dac_bits", "adc_bits", "schema_"}, exclude_unset=True)
        for name in ("dac", "adc"):
            for table in ("inl", "dnl"):
                text = (values.get(name) or {}).get(table)
                if isinstance(text, str):
                    values[name][table] = _numbers(folder / text, f"{origin}: converters.{name}.{table}")
        bits = {"dac_bits": self.dac_bits, "adc_bits": self.adc_bits}
        if not values:
            return bits
        try:
            return bits | {"converters": real_converters({n: v for n, v in values.items() if v is not None}).to_dict()}
        except InputError as error:
            raise FormatError(f"{origin}: {error}") from error


class _File(ConverterSection):
    schema_: Literal["xbar-converters/1"] = Field(alias="schema")


def load_converters(path: str | Path) -> dict[str, Any]:
    """Return the driver options that a file of converters tells: bits that it names, and `converters`.

    The file has the keys of the section [converters] of a bench file, and `schema = "xbar-converters/1"`.

    Raises:
        FileError: it cannot be read, or there is none.
        FormatError: it is not TOML, of another version, or has errors: the message lists all of them.

    """
    file = Path(path)
    origin = f"converter file {file}"
    table = toml_file.parse(toml_file.read_text(file, "converter file"), origin, SCHEMA)
    try:
        found = _File.model_validate(table)
    except ValidationError as error:
        raise FormatError(toml_file.report(origin, error)) from error
    options = found.options(file.parent, origin)
    return {name: value for name, value in options.items() if name == "converters" or name in found.model_fields_set}


def _numbers(path: Path, where: str) -> list[float]:
    """Return the numbers of a text file: the last column, lines of text and comments left out."""
    found: list[float] = []
    for number, line in enumerate(toml_file.read_text(path, "table").splitlines(), 1):
        words = line.split("#")[0].replace(",", " ").replace(";", " ").split()
        if not words:
            continue
        try:
            value = float(words[-1])
        except ValueError as error:
            if not found:
                continue  # the head of the table
            raise FormatError(f"{where}: {path}, line {number} does not end in a number; give LSB") from error
        if not np.isfinite(value):
            raise FormatError(f"{where}: {path}, line {number} is not finite; give LSB")
        found.append(value)
        if len(found) > MOST_VALUES:
            raise FormatError(f"{where}: {path} has more than {MOST_VALUES} numbers; no converter has so many steps")
    return found
