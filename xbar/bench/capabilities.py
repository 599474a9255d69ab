"""What a bench can do, who answers on it, and which physical effects its driver accounts for."""

from dataclasses import dataclass, field
from typing import Literal

from xbar.bench.settings import Unselected

EffectState = Literal["applied", "skipped", "unsupported"]


@dataclass(frozen=True)
class Effect:
    """One physical effect and what the driver does about it."""

    name: str
    state: EffectState
    note: str = ""
    """The law and its source, or the reason why it is not applied."""


@dataclass(frozen=True)
class Timings:
    """How long operations take on the bench [s]."""

    product: float = 1e-6
    """One input vector, all bit lines of all arrays at once."""
    read: float = 1e-5
    """One reading of one cell."""
    write: float = 1e-5
    """Writing one cell."""


@dataclass(frozen=True)
class Identity:
    """Who answers. Simulated and replayed benches say so in `model`: it begins with "sim:" or "replay:"."""

    driver: str
    model: str
    serial: str = ""
    firmware: str = ""


@dataclass(frozen=True)
class Capabilities:
    """What a driver can do; valid after `Driver.open`."""

    arrays: int
    rows: int
    """Word lines of one array."""
    cols: int
    """Bit lines of one array."""
    voltage_max: float
    """Largest voltage across a cell that the sources can give [V]."""
    current_max: float
    """Largest current of a bit line that can be measured [A]."""
    conductance_range: tuple[float, float] | None = None
    """Range of `program` targets [S]; None where the array has no one-shot write."""
    dac_bits: int | None = None
    """Bits of the input converters, sign included; None where inputs are continuous."""
    adc_bits: int | None = None
    """Bits of the output converters, sign included; None where the bench gives amperes."""
    native: frozenset[str] = frozenset({"read"})
    """Operations the driver does itself: read, sweep, pulse, mvm, program."""
    unselected: frozenset[Unselected] = frozenset({Unselected.GROUND})
    parallel_sense: int = 1
    """Bit lines that are measured at once."""
    hardware: bool = False
    """True where a command can move real charge."""
    effects: tuple[Effect, ...] = ()
    pulse_min: float = 0.0
    """Shortest pulse that the bench times [s]; 0 where any is possible or none is known."""
    timings: Timings = field(default_factory=Timings)
