"""The bench file: a TOML file that says which driver stands on the bench, with what geometry, converters and limits."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from xbar.bench.limits import Limits
from xbar.errors import FileError, FormatError, InputError
from xbar.units import parse

SCHEMA = "xbar-bench/1"
LARGEST = 1_000_000
"""Largest bench file that is read [bytes]."""


def _quantity(unit: str) -> BeforeValidator:
    def read(value: object) -> float:
        try:
            return parse(value if isinstance(value, str | int | float) else str(value), unit)
        except InputError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(read)


Volts = Annotated[float, _quantity("V"), Field(gt=0)]
Amperes = Annotated[float, _quantity("A"), Field(gt=0)]
Joules = Annotated[float, _quantity("J"), Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class _Geometry(_Section):
    arrays: int = Field(default=1, ge=1, le=65536)
    rows: int = Field(default=128, ge=1, le=8192)
    cols: int = Field(default=128, ge=1, le=8192)


class _Converters(_Section):
    dac_bits: int = Field(default=8, ge=2, le=16)
    adc_bits: int = Field(default=8, ge=2, le=16)


class _Limits(_Section):
    cell_voltage: Volts
    current: Amperes
    pulse_energy: Joules | None = None
    pulses_per_cell: int | None = Field(default=None, ge=1)


class _Sample(_Section):
    name: str = ""
    wafer: str = ""
    die: str = ""
    operator: str = ""
    note: str = ""


class _File(_Section):
    schema_: Literal["xbar-bench/1"] = Field(alias="schema")
    driver: str = Field(min_length=2)
    address: str = ""
    card: str | None = None
    seed: int | None = Field(default=None, ge=0)
    geometry: _Geometry | None = None
    converters: _Converters | None = None
    limits: _Limits | None = None
    sample: _Sample = _Sample()
    options: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class BenchFile:
    """What a bench file says."""

    driver: str
    """Name of the driver, of the entry-point group `xbar.drivers`."""
    rest: str
    """Rest of the driver's address."""
    options: Mapping[str, Any]
    """Options of the driver: geometry, converters, card, seed, and those of the section [options]."""
    limits: Limits | None
    sample: Mapping[str, str]
    """Sample, wafer, die, operator, note: they stand in the trace."""


def load_bench_file(path: str | Path) -> BenchFile:
    """Read a bench file.

    Raises:
        FileError: it cannot be read, or is larger than 1 MB.
        FormatError: it is not TOML, of another version, or has errors: the message lists all of them.

    """
    file = Path(path)
    try:
        if file.stat().st_size > LARGEST:
            raise FileError(f"bench file {file} has more than {LARGEST} bytes; it should hold settings only")
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"bench file {file} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FormatError(f"bench file {file} is not TOML: {error}") from error
    try:
        found = _File.model_validate(content)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(p) for p in e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        ]
        raise FormatError(f"bench file {file} has {len(lines)} errors:\n" + "\n".join(lines)) from error
    return BenchFile(
        found.driver, found.address, _options(found, file.parent), _limits(found), found.sample.model_dump()
    )


def _limits(found: _File) -> Limits | None:
    return None if found.limits is None else Limits(**found.limits.model_dump())


def _options(found: _File, folder: Path) -> dict[str, Any]:
    options = dict(found.options)
    for section in (found.geometry, found.converters):
        options |= {} if section is None else section.model_dump()
    if found.card is not None:
        # A card file is named from where the bench file lies.
        is_file = found.card.endswith(".toml") and not Path(found.card).is_absolute()
        options["card"] = str(folder / found.card) if is_file else found.card
    if found.seed is not None:
        options["seed"] = found.seed
    return options
