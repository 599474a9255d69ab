"""The bench file: a TOML file that says which drivers stand on the bench, with what geometry, converters and limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from xbar import toml_file
from xbar.bench.converter_section import ConverterSection
from xbar.bench.limits import Limits
from xbar.bench.placement_rule import PlacementRule, TooLarge
from xbar.errors import FormatError
from xbar.quantity_fields import Current, Energy, Resistance, Voltage

SCHEMA = "xbar-bench/1"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class _Geometry(_Section):
    arrays: int = Field(default=1, ge=1, le=65536)
    rows: int = Field(default=128, ge=1, le=8192)
    cols: int = Field(default=128, ge=1, le=8192)


class _Wires(_Section):
    technology: str | None = None
    word: Resistance | None = Field(default=None, ge=0)
    bit: Resistance | None = Field(default=None, ge=0)
    source: Resistance | None = Field(default=None, ge=0)
    sense: Resistance | None = Field(default=None, ge=0)

    def option(self) -> str | dict[str, float]:
        """Return the wires as a driver takes them."""
        named = {name: value for name, value in self.model_dump(exclude={"technology"}).items() if value is not None}
        if self.technology is None:
            return named
        return ", ".join([self.technology, *(f"{name}={value!r} ohm" for name, value in named.items())])


class _Limits(_Section):
    cell_voltage: Voltage = Field(gt=0)
    current: Current = Field(gt=0)
    pulse_energy: Energy | None = Field(default=None, gt=0)
    pulses_per_cell: int | None = Field(default=None, ge=1)
    forming_voltage: Voltage | None = Field(default=None, gt=0)


class _Sample(_Section):
    name: str = ""
    wafer: str = ""
    die: str = ""
    operator: str = ""
    note: str = ""


class _Driver(_Section):
    driver: str = Field(min_length=2)
    address: str = ""
    chip: str | None = Field(default=None, min_length=1)
    card: str | None = None
    seed: int | None = Field(default=None, ge=0)
    geometry: _Geometry | None = None
    converters: ConverterSection | None = None
    wires: _Wires | None = None
    limits: _Limits | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class _OneDriver(_Driver):
    schema_: Literal["xbar-bench/1"] = Field(alias="schema")
    sample: _Sample = _Sample()


class _NamedDriver(_Driver):
    name: str = Field(min_length=1, max_length=64)


_Name = Annotated[str, Field(min_length=1, max_length=256)]


class _Placement(_Section):
    layers: list[_Name] = Field(min_length=1, max_length=4096)
    driver: _Name | list[_Name]
    program: bool = True
    too_large: TooLarge = "refuse"

    def rule(self) -> PlacementRule:
        """Return the rule."""
        drivers = [self.driver] if isinstance(self.driver, str) else self.driver
        return PlacementRule(tuple(self.layers), tuple(drivers), self.program, self.too_large)


class _SeveralDrivers(_Section):
    schema_: Literal["xbar-bench/1"] = Field(alias="schema")
    drivers: list[_NamedDriver] = Field(min_length=1, max_length=256)
    placement: list[_Placement] = Field(default_factory=list, max_length=4096)
    sample: _Sample = _Sample()

    @field_validator("drivers")
    @classmethod
    def _names_differ(cls, drivers: list[_NamedDriver]) -> list[_NamedDriver]:
        names = [driver.name for driver in drivers]
        if len(set(names)) < len(names):
            raise ValueError("two drivers have one name; give each its own")
        return drivers

    @field_validator("placement")
    @classmethod
    def _drivers_are_there(cls, placement: list[_Placement], info: ValidationInfo) -> list[_Placement]:
        there = [driver.name for driver in info.data.get("drivers", [])]
        for rule in (section.rule() for section in placement if there):
            unknown = [name for name in rule.drivers if name not in there]
            if unknown or not rule.drivers:
                asked = repr(unknown[0]) if unknown else "nothing"
                raise ValueError(f"[[placement]] names the driver {asked}; the file has {', '.join(there)}")
        return placement


@dataclass(frozen=True)
class BenchDriver:
    """What a bench file says of one driver."""

    name: str
    """Its name on the bench; empty where the file names no several."""
    driver: str
    """Name of the driver, of the entry-point group `xbar.drivers`."""
    rest: str
    """Rest of the driver's address."""
    options: Mapping[str, Any]
    """Options of the driver: geometry, converters, card, seed, and those of the section [options]."""
    limits: Limits | None
    chip: Path | None = None
    """File that keeps the life of its arrays."""


@dataclass(frozen=True)
class BenchFile:
    """What a bench file says."""

    drivers: tuple[BenchDriver, ...]
    """In the order of their arrays."""
    sample: Mapping[str, str]
    """Sample, wafer, die, operator, note: they stand in the trace."""
    placement: tuple[PlacementRule, ...] = ()
    """Which layers of a network stand on which drivers; none: tiles take the arrays in their order."""


def load_bench_file(path: str | Path) -> BenchFile:
    """Read a bench file.

    Raises:
        FileError: it cannot be read, or there is none.
        FormatError: it is not TOML, too large, of another version, or has errors: the message lists all of them.

    """
    file = Path(path)
    origin = f"bench file {file}"
    table = toml_file.parse(toml_file.read_text(file, "bench file"), origin, SCHEMA)
    kind = _SeveralDrivers if "drivers" in table else _OneDriver
    try:
        found = kind.model_validate(table)
    except ValidationError as error:
        raise FormatError(toml_file.report(origin, error)) from error
    parts = found.drivers if isinstance(found, _SeveralDrivers) else [found]
    drivers = tuple(_driver(part, file, number) for number, part in enumerate(parts))
    placed = found.placement if isinstance(found, _SeveralDrivers) else []
    return BenchFile(drivers, found.sample.model_dump(), tuple(rule.rule() for rule in placed))


def _driver(found: _Driver, file: Path, number: int) -> BenchDriver:
    folder = file.parent
    name = found.name if isinstance(found, _NamedDriver) else ""
    options = _options(found, folder, f"bench file {file}")
    if number and found.driver == "sim":
        options.setdefault("seed", number)  # another chip than the first driver's
    limits = None if found.limits is None else Limits(**found.limits.model_dump())
    chip = None if found.chip is None else folder / found.chip
    return BenchDriver(name, found.driver, _from_folder(found.address, folder), options, limits, chip)


def _from_folder(text: str, folder: Path) -> str:
    """Return a path to another TOML file as seen from the folder of the bench file; other texts as they are."""
    return str(folder / text) if text.endswith(".toml") and not Path(text).is_absolute() else text


def _options(found: _Driver, folder: Path, origin: str) -> dict[str, Any]:
    options = dict(found.options)
    options |= {} if found.geometry is None else found.geometry.model_dump()
    options |= {} if found.converters is None else found.converters.options(folder, origin)
    if found.wires is not None:
        options["wires"] = found.wires.option()
    if found.card is not None:
        options["card"] = _from_folder(found.card, folder)
    if found.seed is not None:
        options["seed"] = found.seed
    return options
