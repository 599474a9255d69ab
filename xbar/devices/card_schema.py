"""What a card file may hold: its blocks by name, and the laws that they stand for.

The blocks are in `card_blocks` and the modules named after what they are about. The reference page
`docs/reference/cards.md` describes each key.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from xbar.devices.card import LAWS
from xbar.devices.card_blocks import Block, Device, FittedLaw, Law, Text
from xbar.devices.error_blocks import (
    AbsolutePolynomialError,
    ConstantError,
    LevelsBlock,
    LognormalVariation,
    PolynomialError,
    SaturatingErrorBlock,
    TableErrorBlock,
)
from xbar.devices.fault_blocks import IndependentStuckCells, OpenLines
from xbar.devices.forming_block import FormingBlock
from xbar.devices.iv_blocks import (
    CubicBlock,
    DataDrivenBlock,
    IonDriftBlock,
    PolynomialIvBlock,
    PooleFrenkelBlock,
    SinhBlock,
    StanfordBlock,
    VteamBlock,
    YakopcicBlock,
)
from xbar.devices.noise_blocks import (
    AccumulatedFlickerNoise,
    ConstantReadNoise,
    DensityReadNoise,
    FittedFlickerBlock,
    LogFlickerBlock,
    RelativeReadNoise,
    SaturatingReadNoiseBlock,
    SpectrumBlock,
    TelegraphBlock,
)
from xbar.devices.pulse_blocks import (
    ConstantStepBlock,
    ExponentialStepBlock,
    LinearStepBlock,
    PowerStepBlock,
    PulseLookupBlock,
    PulseTableBlock,
    SoftBoundsBlock,
    WriteBlock,
)
from xbar.devices.time_blocks import (
    ArrheniusTemperature,
    EnduranceBlock,
    LinearTemperature,
    LogTimeBlock,
    PiecewiseDrift,
    PolynomialRelaxation,
    PowerLawDrift,
    RetentionBlock,
    SaturatingRelaxation,
)
from xbar.devices.validity import Validity
from xbar.errors import InputError
from xbar.quantity_fields import Conductance, Voltage
from xbar.units import show

SCHEMA = "xbar-card/1"

Kind = Field(discriminator="kind")

ErrorBlock = Annotated[
    PolynomialError | AbsolutePolynomialError | ConstantError | SaturatingErrorBlock | TableErrorBlock, Kind
]
DriftBlock = Annotated[PowerLawDrift | PiecewiseDrift, Kind]
RelaxationBlock = Annotated[LogTimeBlock | PolynomialRelaxation | SaturatingRelaxation, Kind]
TemperatureKinds = Annotated[LinearTemperature | ArrheniusTemperature, Kind]
FlickerKinds = Annotated[AccumulatedFlickerNoise | FittedFlickerBlock | LogFlickerBlock | SpectrumBlock, Kind]
ReadNoiseKinds = Annotated[RelativeReadNoise | ConstantReadNoise | DensityReadNoise | SaturatingReadNoiseBlock, Kind]
PulseKinds = Annotated[
    ConstantStepBlock
    | SoftBoundsBlock
    | LinearStepBlock
    | ExponentialStepBlock
    | PowerStepBlock
    | PulseTableBlock
    | PulseLookupBlock,
    Kind,
]
DynamicsKinds = Annotated[VteamBlock | IonDriftBlock | StanfordBlock | YakopcicBlock | DataDrivenBlock, Kind]
IvKinds = Annotated[SinhBlock | CubicBlock | PolynomialIvBlock | PooleFrenkelBlock, Kind]


class CardFile(Block):
    """A card file."""

    # `schema` is a method of pydantic's, so the field has another name.
    version: Literal["xbar-card/1"] = Field(alias="schema")
    name: Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    title: Text
    source: Text
    g_min: Annotated[Conductance, Field(ge=0)]
    g_max: Annotated[Conductance, Field(gt=0)]
    read_voltage: Annotated[Voltage, Field(gt=0)]
    levels: LevelsBlock | None = None
    programming_error: ErrorBlock | None = None
    device_variation: LognormalVariation | None = None
    cycle_variation: LognormalVariation | None = None
    relaxation: RelaxationBlock | None = None
    drift: DriftBlock | None = None
    retention: RetentionBlock | None = None
    temperature: TemperatureKinds | None = None
    flicker_noise: FlickerKinds | None = None
    random_telegraph_noise: TelegraphBlock | None = None
    read_noise: ReadNoiseKinds | None = None
    stuck_cells: IndependentStuckCells | None = None
    stuck_lines: OpenLines | None = None
    endurance: EnduranceBlock | None = None
    iv_nonlinearity: IvKinds | None = None
    pulse_response: PulseKinds | None = None
    dynamics: DynamicsKinds | None = None
    write: WriteBlock | None = None
    forming: FormingBlock | None = None

    @field_validator("name")
    @classmethod
    def _no_verb(cls, name: str) -> str:
        if name in ("show", "plot"):
            raise InputError(f"{name!r} is a word of the command xbar cards; choose another name")
        return name

    @field_validator("g_max")
    @classmethod
    def _above_g_min(cls, g_max: float, info: ValidationInfo) -> float:
        if g_max <= info.data.get("g_min", 0.0):
            raise InputError(f"g_max, {show(g_max, 'S')}, must be above g_min, {show(info.data['g_min'], 'S')}")
        return g_max

    @field_validator(*LAWS)
    @classmethod
    def _no_extrapolation(cls, block: Law | None, info: ValidationInfo) -> Law | None:
        if isinstance(block, FittedLaw) and {"g_min", "g_max"} <= info.data.keys():
            low, high = info.data["g_min"], info.data["g_max"]
            if low < block.valid[0] or high > block.valid[1]:
                raise InputError(
                    f"the law is valid from {show(block.valid[0], 'S')} to {show(block.valid[1], 'S')}, the card's "
                    f"range is {show(low, 'S')} to {show(high, 'S')}; narrow the range, or fit the law on all of it"
                )
        return block

    @field_validator(*LAWS)
    @classmethod
    def _makes_a_law(cls, block: Any, info: ValidationInfo) -> Any:
        # Here, so that what a law finds wrong with the card's range is told with the place of the block.
        if block is not None and {"g_min", "g_max", "read_voltage"} <= info.data.keys():
            block.law(Device(info.data["g_min"], info.data["g_max"], info.data["read_voltage"]))
        return block

    @model_validator(mode="after")
    def _formed_cells_move(self) -> "CardFile":
        pulses = self.pulse_response is not None and self.write is not None
        if self.forming is not None and not pulses and self.dynamics is None:
            raise InputError("forming needs cells that move: give [pulse_response] and [write], or [dynamics]")
        return self

    def laws(self) -> Mapping[str, Any]:
        """Return the law of each block by its name, None where the file has no block for it."""
        device = Device(self.g_min, self.g_max, self.read_voltage)
        blocks = ((name, getattr(self, name)) for name in LAWS)
        return {name: None if block is None else block.law(device) for name, block in blocks}

    def validity(self) -> tuple[tuple[str, Validity], ...]:
        """Return the valid range of each law that the file has."""
        blocks = ((name, getattr(self, name)) for name in LAWS)
        return tuple((name, block.validity()) for name, block in blocks if block is not None)
