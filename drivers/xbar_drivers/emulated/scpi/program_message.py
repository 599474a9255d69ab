"""Program messages of IEEE 488.2 and SCPI-1999: units, headers, parameters; the path of compound headers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_UNITS, MOST_PARAMETERS = 1000, 10_000

_HEADER = re.compile(r"\s*(:?\*?[A-Za-z][\w]*(?::[A-Za-z][\w]*)*\??|:?\*[A-Za-z]+\??)")


class ScpiError(Exception):
    """An error with its number; it enters the error queue and ends the message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass(frozen=True)
class Unit:
    """One command of a message."""

    header: tuple[str, ...]
    """Its mnemonics as written, from the root: ("SOUR", "VOLT")."""
    query: bool
    parameters: tuple[str, ...]
    """As written, blanks around them removed; an empty one is ""."""
    common: bool
    """Whether it is a common command, such as *IDN?."""


def units(message: str) -> Iterator[Unit]:
    """Return the commands of a message one after the other, each header completed by the path before it.

    Raises `ScpiError` where the text is no program message; what came before it has been returned.
    """
    path: tuple[str, ...] = ()
    for count, part in enumerate(split(message, ";", MOST_UNITS)):
        if not part.strip():
            continue
        if count >= MOST_UNITS:
            raise ScpiError(-223, "Too much data")
        found = _HEADER.match(part)
        if found is None:
            raise ScpiError(-102, "Syntax error")
        header, rest = found[1], part[found.end() :]
        if rest and not rest[0].isspace():
            raise ScpiError(-101, f"Invalid character;{part.strip()[:40]}")
        query, name = header.endswith("?"), header.rstrip("?")
        parameters = tuple(p.strip() for p in split(rest, ",", MOST_PARAMETERS)) if rest.strip() else ()
        if name.lstrip(":").startswith("*"):
            yield Unit((name.lstrip(":"),), query, parameters, True)
            continue
        if name.startswith(":"):
            path = ()
        words = (*path, *name.lstrip(":").split(":"))
        path = words[:-1]
        yield Unit(words, query, parameters, False)


def split(text: str, separator: str, most: int) -> Iterator[str]:
    """Split text at separators that lie outside quotes and parentheses.

    Raises `ScpiError` for an open quote, and for more than `most` parts.
    """
    start, depth, quote, count = 0, 0, "", 0
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == separator and depth <= 0:
            count += 1
            if count > most:
                raise ScpiError(-223, "Too much data")
            yield text[start:place]
            start = place + 1
    if quote:
        raise ScpiError(-151, "Invalid string data")
    yield text[start:]
