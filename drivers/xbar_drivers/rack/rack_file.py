"""The rack file as the driver reads it: instruments, wires, who drives and who senses. `xbar serve` reads the same."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xbar import toml_file
from xbar.errors import FormatError
from xbar.quantity_fields import Current, Seconds, Voltage
from xbar_drivers.rack.terminals import joints_of

SCHEMA = "xbar-rack/1"


class _Loose(BaseModel):
    """A section of which the emulation reads more than the driver does."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Array(_Loose):
    rows: int = Field(default=8, ge=1, le=1024)
    cols: int = Field(default=8, ge=1, le=1024)


class _Limits(_Strict):
    cell_voltage: Voltage | None = Field(default=None, gt=0)
    current: Current | None = Field(default=None, gt=0)


class _Instrument(_Loose):
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")
    model: str
    address: str | list[str]
    node: int | None = Field(default=None, ge=1, le=64)
    cards: list[str] = Field(default_factory=list, max_length=16)
    common_rows: bool = False


class _Rack(_Strict):
    drive: str = Field(min_length=1)
    sense: str = Field(min_length=1)
    bias: list[str] = Field(default_factory=list, max_length=2)
    ground: str | None = "gnd"
    nplc: Annotated[float, Field(ge=0.001, le=25)] = 1.0
    settle: Seconds = Field(default=1e-3, ge=0, le=3600)
    dac_bits: int = Field(default=8, ge=2, le=16)
    voltage_max: Voltage = Field(default=5.0, gt=0, le=200)
    shortest_pulse: Seconds = Field(default=1e-3, gt=0)
    timeout: Seconds = Field(default=10.0, gt=0, le=600)
    visa: str = "@py"


class _File(_Loose):
    schema_: Literal["xbar-rack/1"] = Field(alias="schema")
    time_scale: Literal["real", "fast"] | Annotated[float, Field(gt=0, le=1e6)] = "real"
    array: _Array = _Array()
    limits: _Limits = _Limits()
    instruments: list[_Instrument] = Field(min_length=1, max_length=64)
    wires: dict[str, str | list[str]] = Field(default_factory=dict)
    rack: _Rack


@dataclass(frozen=True)
class RackInstrument:
    """What a rack file says of one instrument."""

    name: str
    model: str
    address: str
    """VISA resource string; the first where the file names several."""
    node: int | None
    """Its number on the TSP-Link; None: not on it."""
    cards: tuple[str, ...]
    common_rows: bool
    """Whether the rows of all cards are tied together."""


@dataclass(frozen=True)
class RackFile:
    """What a rack file says to the driver."""

    path: Path
    rows: int
    cols: int
    cell_voltage: float | None
    current: float | None
    """Largest current limit of a source [A]."""
    instruments: tuple[RackInstrument, ...]
    joints: tuple[tuple[str, str], ...]
    """Terminals that cables tie together."""
    rack: _Rack
    """Who drives and senses, and how."""
    speed: float | None
    """Bench seconds per second, of served instruments alone; None: waits are skipped."""

    def instrument(self, name: str) -> RackInstrument:
        """Return an instrument by name. Raises `FormatError` where there is none."""
        for found in self.instruments:
            if found.name == name:
                return found
        raise FormatError(
            f"rack file {self.path}: instrument {name!r} is not in the file; it has "
            f"{', '.join(found.name for found in self.instruments)}"
        )


def load_rack_file(path: str | Path) -> RackFile:
    """Read a rack file.

    Raises:
        FileError: it cannot be read, or there is none.
        FormatError: it is not TOML, too large, of another version, or has errors: the message lists all of them.

    """
    file = Path(path)
    origin = f"rack file {file}"
    table = toml_file.parse(toml_file.read_text(file, "rack file"), origin, SCHEMA)
    if "rack" not in table:
        raise FormatError(f"{origin}: section [rack] is missing; it says which source drives and which senses")
    try:
        found = _File.model_validate(table)
    except ValidationError as error:
        raise FormatError(toml_file.report(origin, error)) from error
    instruments = tuple(_instrument(part) for part in found.instruments)
    names = [part.name for part in instruments]
    if len(set(names)) < len(names):
        raise FormatError(f"{origin}: two instruments have one name; give each its own")
    joints = tuple(pair for key, value in found.wires.items() for pair in joints_of(key, value, origin))
    scale = found.time_scale
    return RackFile(
        path=file,
        rows=found.array.rows,
        cols=found.array.cols,
        cell_voltage=found.limits.cell_voltage,
        current=found.limits.current,
        instruments=instruments,
        joints=joints,
        rack=found.rack,
        speed=None if scale == "fast" else 1.0 if scale == "real" else float(scale),
    )


def _instrument(part: _Instrument) -> RackInstrument:
    address = part.address if isinstance(part.address, str) else next(iter(part.address), "")
    return RackInstrument(part.name, part.model, address, part.node, tuple(part.cards), part.common_rows)
