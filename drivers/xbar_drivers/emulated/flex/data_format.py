"""How a B1500A writes measured data: status, channel, kind and value in the format that FMT chose."""

from dataclasses import dataclass

DUMMY = 199.999e99
"""Value of points that an abort left out, and of those that their range does not hold."""

DUMMY_TEXT = "+199.999E+99"

OTHER_LIMIT, OWN_LIMIT, OVERFLOW, END = 4, 8, 1, 128
LETTERS = ((OVERFLOW, "V"), (OWN_LIMIT, "C"), (OTHER_LIMIT, "T"))
"""Status letters by their bit, the most important first."""

FORMATS = (1, 2, 5, 11, 12, 15, 21, 22, 25)
"""Formats that are served: text with and without headers; the binary ones are not."""


@dataclass
class FlexDataFormat:
    """The settings of FMT."""

    format: int = 1
    sources: int = 0
    """1: the source value follows each point; 2: the synchronous source as well."""

    @property
    def headers(self) -> bool:
        """Whether data carry status, channel and kind."""
        return self.format % 10 != 2

    def measured(self, status: int, letter: str, kind: str, value: float) -> str:
        """Return one measured value; kind is I, V or T."""
        digits = 5 if self.format < 10 else 6
        number = DUMMY_TEXT if abs(value) > 1e30 else f"{value:+.{digits}E}"
        if not self.headers:
            return number
        if self.format > 20:
            return f"{status:3d}{letter}{kind}{number}"
        shown = next((name for bit, name in LETTERS if status & bit), "N")
        return f"{shown}{letter}{kind}{number}"

    def source(self, last: bool, letter: str, kind: str, value: float) -> str:
        """Return one source value; kind is I or V."""
        digits = 5 if self.format < 10 else 6
        number = f"{value:+.{digits}E}"
        if not self.headers:
            return number
        if self.format > 20:
            return f"{END if last else 0:3d}{letter}{kind.lower()}{number}"
        return f"{'E' if last else 'W'}{letter}{kind}{number}"
