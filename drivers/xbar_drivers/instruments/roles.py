"""What a rack needs of its instruments: somebody who answers, sources that measure, and a matrix of relays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from xbar.bench.status import Status
from xbar_drivers.instruments.session import Session


class Instrument(Protocol):
    """One instrument that answers."""

    name: str
    session: Session

    @property
    def model(self) -> str:
        """Get the model, such as "2636B"."""
        ...

    @property
    def serial(self) -> str:
        """Get the serial number."""
        ...

    @property
    def firmware(self) -> str:
        """Get the version of the firmware."""
        ...

    def cards(self) -> tuple[str, ...]:
        """Return the models of its cards, slot by slot, "" for an empty slot; () where it has no slots."""
        ...

    def errors(self) -> list[str]:
        """Drain its error queue."""
        ...

    def get_in_step(self) -> None:
        """Throw away answers that nobody waits for any more, where a question was left without its answer."""
        ...


@dataclass(frozen=True)
class SourceSetup:
    """How a source is prepared."""

    limit: float
    """Current limit [A]."""
    largest: float
    """Largest |voltage| that it will be asked for [V]."""
    nplc: float
    """Integration time [power-line cycles]."""
    current_range: float | None
    """Measuring range [A]; None: autorange."""


class Source(Protocol):
    """One source of voltage that measures current."""

    name: str

    @property
    def voltage_max(self) -> float:
        """Get the largest voltage [V]."""
        ...

    @property
    def current_max(self) -> float:
        """Get the largest current [A]."""
        ...

    @property
    def line_frequency(self) -> float:
        """Get the frequency of the mains (Hz)."""
        ...

    def prepare(self, setup: SourceSetup) -> None:
        """Bring it to 0 V, its ranges and its limit; the limit is read back.

        Raises `DriverError` where the limit reads back as another.
        """
        ...

    def set_level(self, volts: float) -> None:
        """Set the level [V] and return when it stands: a query follows the command."""
        ...

    def zero(self) -> None:
        """Set 0 V and return when it stands."""
        ...

    def switch_on(self) -> None:
        """Switch the output on."""
        ...

    def switch_off(self) -> None:
        """Switch the output off and make sure of it. Raises `DriverError` where it still reads as on."""
        ...

    def measure_current(self) -> tuple[float, Status]:
        """Return the current out of the source [A], NaN for an overflow, and its status."""
        ...

    def measure_voltage(self) -> tuple[float, Status]:
        """Return the voltage [V], NaN where it is not measured, and whether the source stands at its limit."""
        ...


Crosspoint = tuple[str, str, str]
"""Two terminals, and the name of the channel that ties them together."""


class Matrix(Instrument, Protocol):
    """A matrix of relays."""

    slots: ClassVar[int]

    @classmethod
    def crosspoints(cls, name: str, cards: Sequence[str], common_rows: bool) -> Iterable[Crosspoint]:
        """Return all crosspoints of a matrix of that name with these cards.

        Raises `FormatError` for cards that it does not have.
        """
        ...

    @property
    def closed(self) -> set[str]:
        """Get the channels that are closed."""
        ...

    def move(self, opened: Iterable[str], closed: Iterable[str]) -> None:
        """Open channels, then close others, and return when the relays rest; their sources must stand at 0 V."""
        ...

    def open_all(self) -> None:
        """Open every channel and make sure of it. Raises `DriverError` where some are still closed."""
        ...


class SourceInstrument(Instrument, Protocol):
    """An instrument with sources."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """Get its sources by the name of their terminal in wires: "a", "hi", "1"."""
        ...
