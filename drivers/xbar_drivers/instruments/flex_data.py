"""Measured data of a B1500A in format 1 (FMT 1): status letter, channel letter, kind, value."""

import re
from dataclasses import dataclass

from xbar.bench.status import Status
from xbar.errors import DriverError

LETTERS = {
    "N": Status.OK,
    "T": Status.OTHER_COMPLIANCE,
    "C": Status.COMPLIANCE,
    "V": Status.OVERRANGE,
    "X": Status.OSCILLATION,
    "F": Status.OVERRANGE,
    "G": Status.OK,
    "S": Status.OK,
}
"""Status letters of measured data (programming guide, data output format)."""

DUMMY = 1e90
"""From here on a value stands for a point that was not measured: 199.999E+99."""

_VALUE = re.compile(r"([A-Z])([A-J])([IVT])([+-]\d+(?:\.\d+)?E[+-]\d+)")


@dataclass(frozen=True)
class FlexValue:
    """One value of measured data."""

    status: str
    """Status letter; W and E mark source values."""
    channel: int
    kind: str
    """I, V or T."""
    value: float


def parse_data(text: str, name: str) -> list[FlexValue]:
    """Return the values of an answer in format 1 (FMT 1): "NAI+3.75678E-06".

    Raises `DriverError` for anything else.
    """
    found = []
    for part in text.split(","):
        match = _VALUE.fullmatch(part.strip())
        if match is None:
            raise DriverError(f"{name} answered {part[:40]!r}, which is no measured value of format 1")
        found.append(FlexValue(match[1], ord(match[2]) - 64, match[3], float(match[4])))
    return found
