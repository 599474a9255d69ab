"""The rack file: which instruments stand on a bench, at which addresses, and how they are wired to one array."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xbar import toml_file
from xbar.errors import FormatError
from xbar.quantity_fields import Current, Voltage
from xbar_drivers.emulated.visa_address import VisaAddress, parse_address
from xbar_drivers.rack.terminals import joints_of

SCHEMA = "xbar-rack/1"

BENCH_SCHEMA = "xbar-bench/1"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class _Array(_Section):
    card: str = "generic"
    seed: int = Field(default=0, ge=0)
    rows: int = Field(default=8, ge=1, le=1024)
    cols: int = Field(default=8, ge=1, le=1024)
    without: list[str] = Field(default_factory=list)
    only: list[str] | None = None
    cells: Literal["random", "low", "high"] = "random"
    conductances: str | None = None
    wires: str | None = None


class _Limits(_Section):
    cell_voltage: Voltage | None = Field(default=None, gt=0)
    current: Current | None = Field(default=None, gt=0)


class _Instrument(_Section):
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")
    model: str
    address: str | list[str]
    node: int | None = Field(default=None, ge=1, le=64)
    cards: list[str] = Field(default_factory=list, max_length=16)
    common_rows: bool = False
    noise: bool = True
    language: Literal["TSP", "SCPI", "SCPI2400"] | None = None


class _File(_Section):
    schema_: Literal["xbar-rack/1"] = Field(alias="schema")
    time_scale: Literal["real", "fast"] | Annotated[float, Field(gt=0, le=1e6)] = "real"
    array: _Array = _Array()
    limits: _Limits = _Limits()
    instruments: list[_Instrument] = Field(min_length=1, max_length=64)
    wires: dict[str, str | list[str]] = Field(default_factory=dict)
    rack: dict[str, Any] = Field(default_factory=dict)
    """What only the rack driver reads."""

    @model_validator(mode="after")
    def _differ(self) -> "_File":
        names = [instrument.name for instrument in self.instruments]
        if len(set(names)) < len(names):
            raise ValueError("two instruments have one name; give each its own")
        nodes = [instrument.node for instrument in self.instruments if instrument.node is not None]
        if len(set(nodes)) < len(nodes):
            raise ValueError("two instruments have one node number on the TSP-Link; give each its own")
        if any(name in ("gnd",) or re.fullmatch(r"(word|bit)\d*", name) for name in names):
            raise ValueError("gnd, word and bit are names of terminals; name the instrument otherwise")
        return self


@dataclass(frozen=True)
class RackInstrument:
    """What a rack file says of one instrument."""

    name: str
    model: str
    addresses: tuple[VisaAddress, ...]
    node: int | None
    """Its number on the TSP-Link; None: not on it."""
    cards: tuple[str, ...]
    common_rows: bool
    noise: bool
    language: str | None


@dataclass(frozen=True)
class RackFile:
    """What a rack file says."""

    path: Path
    speed: float | None
    """Bench seconds per second; None: waits are skipped."""
    card: str
    seed: int
    rows: int
    cols: int
    without: tuple[str, ...]
    only: tuple[str, ...] | None
    cells: str
    """What the cells are before anybody writes them: "random", "low" or "high"."""
    conductances: Path | None
    """File of targets (.npy, siemens) instead."""
    wires: str | None
    """Of the array, as `xbar.circuit.wire_text` reads it; None: ideal."""
    cell_voltage: float | None
    """Largest voltage across a cell [V]; beyond it a fault is noted."""
    current: float | None
    """Largest current limit of a source that drives [A]; likewise."""
    instruments: tuple[RackInstrument, ...]
    joints: tuple[tuple[str, str], ...]
    """Terminals that cables tie together."""
    rack: Mapping[str, Any] = field(default_factory=dict)


def rack_file_of(path: Path) -> Path:
    """Return the rack file that a bench file names; another file is a rack file itself.

    Raises `FormatError` for a bench file without a rack, or with several.
    """
    try:
        table = tomllib.loads(toml_file.read_text(path, "rack file"))
    except (ValueError, RecursionError):
        return path  # what is wrong with it is told by who reads it
    if table.get("schema") != BENCH_SCHEMA:
        return path
    parts = table.get("drivers", [table])
    named = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    racks = [part.get("address") for part in named if part.get("driver") == "rack"]
    if len(racks) != 1 or not isinstance(racks[0], str) or not racks[0]:
        raise FormatError(
            f'bench file {path} names {len(racks)} racks to be served; name the rack file itself (driver = "rack" '
            "has it as address)"
        )
    return path.parent / racks[0]


def load_rack_file(path: str | Path) -> RackFile:
    """Read a rack file.

    Raises:
        FileError: it cannot be read, or there is none.
        FormatError: it is not TOML, too large, of another version, or has errors: the message lists all of them.

    """
    file = Path(path)
    origin = f"rack file {file}"
    table = toml_file.parse(toml_file.read_text(file, "rack file"), origin, SCHEMA)
    try:
        found = _File.model_validate(table)
        instruments = tuple(_instrument(part) for part in found.instruments)
    except ValidationError as error:
        raise FormatError(toml_file.report(origin, error)) from error
    except FormatError as error:
        raise FormatError(f"{origin}: {error}") from error
    joints = tuple(pair for key, value in found.wires.items() for pair in joints_of(key, value, origin))
    array, folder = found.array, file.parent
    is_file = array.card.endswith(".toml") and not Path(array.card).is_absolute()
    return RackFile(
        path=file,
        speed=speed_of(found.time_scale),
        card=str(folder / array.card) if is_file else array.card,
        seed=array.seed,
        rows=array.rows,
        cols=array.cols,
        without=tuple(array.without),
        only=None if array.only is None else tuple(array.only),
        cells=array.cells,
        conductances=None if array.conductances is None else folder / array.conductances,
        wires=array.wires,
        cell_voltage=found.limits.cell_voltage,
        current=found.limits.current,
        instruments=instruments,
        joints=joints,
        rack=found.rack,
    )


def speed_of(scale: str | float) -> float | None:
    """Return bench seconds per second for "real", "fast" or a number; None skips waits.

    Raises `FormatError` for anything else.
    """
    if scale == "fast":
        return None
    if scale == "real":
        return 1.0
    try:
        value = float(scale)
    except ValueError as error:
        raise FormatError(f"time scale {scale!r} is not 'real', 'fast' or a number") from error
    if not 0 < value <= 1e6:
        raise FormatError(f"time scale {value:g} must be above 0 and at most 1e6")
    return value


def _instrument(found: _Instrument) -> RackInstrument:
    texts = [found.address] if isinstance(found.address, str) else found.address
    addresses = tuple(parse_address(text) for text in texts)
    return RackInstrument(
        found.name,
        found.model,
        addresses,
        found.node,
        tuple(found.cards),
        found.common_rows,
        found.noise,
        found.language,
    )
