"""What a foreign file gives to a trace, and what it lacks."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from xbar.bench.operation import Operation


@dataclass(frozen=True)
class Missing:
    """Something that a trace holds and the foreign file does not, or not surely."""

    what: str
    """The quantity."""
    file: str
    """What the file has of it."""
    trace: str
    """What stands in the trace instead."""

    def values(self) -> dict[str, str]:
        """Return the fields as JSON values."""
        return asdict(self)


class Source(Protocol):
    """An open foreign file whose form was checked."""

    @property
    def format(self) -> str:
        """Name and version of the form, such as "arc2control H5DS 0.2"."""

    @property
    def shape(self) -> tuple[int, int]:
        """Word lines and bit lines of the array."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What the file says of its origin (JSON values)."""

    @property
    def sample(self) -> str:
        """Name of the sample, "" where there is none."""

    @property
    def embedded(self) -> Mapping[str, bytes]:
        """Texts of the file that travel with the trace, by name."""

    def operations(self, compliance: float) -> Iterator[Operation]:
        """Give every operation, each time anew; `compliance` [A] stands in pulses whose compliance is not known.

        Raises `FormatError` for values that are damaged or beyond the bounds.
        """

    def missing(self, compliance: float) -> list[Missing]:
        """Return what was missing; called after `operations` has given all."""
