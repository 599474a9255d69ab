"""The plan file of a characterisation: what is measured of an array, in TOML. What it leaves out the bench chooses."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xbar import toml_file
from xbar.errors import FormatError
from xbar.quantity_fields import Conductance, Current, Seconds, Voltage

SCHEMA = "xbar-characterise/1"

Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Settle = Annotated[Seconds, Field(ge=0, le=1e6)]


class Section(BaseModel):
    """What every section has: whether the step is done, and nothing that is not a key."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    skip: Annotated[bool, Field(strict=True)] = False
    """Whether the step is left out."""


class ReadSection(BaseModel):
    """How cells are read, in all steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    voltage: Annotated[Voltage, Field(gt=0)] | None = None
    """[V]; the card's, or 0.2 V, and no more than the limit."""
    repeat: Annotated[Count, Field(ge=2)] = 4
    """Readings of a visit."""
    settle: Settle = 0.0
    """Between applying the voltage and measuring [s]."""
    current_limit: Annotated[Current, Field(gt=0)] | None = None
    """Compliance [A]; that of the bench."""


class WiresSection(Section):
    """All cells at one high level, each read alone: what far cells lose against near ones."""

    level: Annotated[Conductance, Field(gt=0)] | None = None
    """[S]; the highest of `levels`."""


class LevelsSection(Section):
    """Cells written to random levels, and read back."""

    count: Count = 16
    low: Annotated[Conductance, Field(ge=0)] | None = None
    """[S]; 2 % of the highest, with one more level at the array's smallest where that lies below."""
    high: Annotated[Conductance, Field(gt=0)] | None = None
    """[S]; the array's largest."""
    spacing: Literal["geometric", "linear"] = "geometric"
    writes: Count = 2
    """How often; two tell what devices differ by from what writes differ by."""


class RetentionSection(Section):
    """All cells read at times that grow by a factor since their last write."""

    first: Annotated[Seconds, Field(gt=0)] = 1.0
    """[s]."""
    last: Annotated[Seconds, Field(gt=0)] | None = None
    """[s]; 100000 s where the clock is simulated, 1000 s on hardware, and no more than the card's laws hold for."""
    visits: Annotated[Count, Field(ge=2)] = 10


class ProductsSection(Section):
    """Random input vectors: gain, offset and noise of every bit line."""

    vectors: Count | None = None
    """64 more than word lines, 128 for more than 512 of these."""
    batch: Count = 64
    voltage: Annotated[Voltage, Field(gt=0)] | None = None
    """Largest input [V]; the read voltage."""


class NoiseSection(Section):
    """Many readings of few cells at several intervals: noise over bandwidth."""

    cells: Count = 16
    readings: Annotated[Count, Field(ge=2)] = 256
    settle: tuple[Settle, ...] = (0.0, 1e-4, 1e-2)
    """Waits before each reading [s], one burst of every cell at each."""


class SweepsSection(Section):
    """I-V curves of cells over the whole range, up and down."""

    cells: Count = 24
    voltage: Annotated[Voltage, Field(gt=0)] | None = None
    """Largest |V|; 2.5 times the read voltage, less where it would move cells or leave the range of the card's law."""
    points: Annotated[Count, Field(ge=5)] = 21
    """Voltages one way."""


class PulsesSection(Section):
    """Trains of equal pulses up and down, a reading after each."""

    cells: Count = 64
    trains: Annotated[Count, Field(ge=2)] = 4
    """Up and down in turn."""
    readings: Annotated[Count, Field(ge=4)] = 40
    """Of each train."""
    every: Count | None = None
    """Pulses between two readings; by the card's step, so that a train spans the range, else 1."""
    set_voltage: Voltage | None = None
    """[V]; the card's."""
    reset_voltage: Voltage | None = None
    width: Annotated[Seconds, Field(gt=0)] | None = None
    """[s]."""
    current_limit: Annotated[Current, Field(gt=0)] | None = None
    """[A]; 1 mA, and no more than the limit."""


class PlanFile(BaseModel):
    """What a plan file says; everything has a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_: Annotated[Literal["xbar-characterise/1"], Field(alias="schema")] = "xbar-characterise/1"
    seed: Annotated[int, Field(ge=0, le=2**48, strict=True)] = 0
    """Of targets, inputs and the choice of cells."""
    read: ReadSection = ReadSection()
    wires: WiresSection = WiresSection()
    levels: LevelsSection = LevelsSection()
    retention: RetentionSection = RetentionSection()
    products: ProductsSection = ProductsSection()
    noise: NoiseSection = NoiseSection()
    sweeps: SweepsSection = SweepsSection()
    pulses: PulsesSection = PulsesSection()


def parse_plan(text: str, origin: str = "plan") -> PlanFile:
    """Return the plan of a TOML text; an empty one is the plan that the bench chooses.

    Raises `FormatError` that lists every error.
    """
    table = toml_file.parse(text, origin, SCHEMA)
    try:
        return PlanFile.model_validate(table)
    except ValidationError as error:
        raise FormatError(toml_file.report(origin, error)) from error


def read_plan(path: Path) -> str:
    """Return the text of a plan file; raises `FileError`, `FormatError` as `toml_file.read_text` does."""
    return toml_file.read_text(path, "plan file")
