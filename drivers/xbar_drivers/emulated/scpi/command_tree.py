"""The commands of a SCPI instrument by header: short forms, optional nodes, numeric suffixes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

from xbar_drivers.emulated.scpi.program_message import ScpiError, Unit
from xbar_drivers.emulated.scpi.values import BOUNDS, Bound, BoundFound, show

Handler = Callable[["Call"], str | None]
"""Executes a command; a query returns its answer."""

_NODE = re.compile(r"(\[)?:?([A-Z]+)([a-z]*)(#)?(\])?")


@dataclass(frozen=True)
class Call:
    """One command as its handler gets it."""

    parameters: tuple[str, ...]
    suffixes: tuple[int, ...]
    """Numeric suffixes of the nodes written with # in the pattern; 1 where none was given."""

    def text(self, index: int, default: str | None = None) -> str:
        """Return a parameter as it was written.

        Raises `ScpiError` where it is missing and has no default.
        """
        if index < len(self.parameters) and self.parameters[index]:
            return self.parameters[index]
        if default is None:
            raise ScpiError(-109, "Missing parameter")
        return default


@dataclass
class _Node:
    children: list[tuple[re.Pattern[str], bool, "_Node"]] = field(default_factory=list)
    names: dict[str, "_Node"] = field(default_factory=dict)
    command: Handler | None = None
    query: Handler | None = None
    most: int | None = None
    """Parameters that the command takes at most; None: its handler looks at them itself."""


class CommandTree:
    """Commands by header.

    A pattern is written as in manuals: `SOURce#:VOLTage[:LEVel][:IMMediate]`. Capitals are the short form, square
    brackets optional nodes, # a node that may have a numeric suffix.
    """

    def __init__(self) -> None:
        self._root = _Node()

    def add(
        self, pattern: str, command: Handler | None = None, query: Handler | None = None, most: int | None = None
    ) -> None:
        """Make a command known, its query, or both; `most` parameters are allowed, any number if None."""
        for nodes in _variants(pattern):
            place = self._root
            for short, rest, suffix in nodes:
                name = f"{short}{rest}{'#' if suffix else ''}"
                if name not in place.names:
                    child = _Node()
                    digits = r"(\d{0,3})" if suffix else "()"
                    form = re.compile(f"(?:{short}|{short}{rest}){digits}", re.IGNORECASE)
                    place.names[name] = child
                    place.children.append((form, suffix, child))
                place = place.names[name]
            place.command = command or place.command
            place.query = query or place.query
            place.most = most if command else place.most

    def find(self, unit: Unit) -> tuple[Handler, Call]:
        """Return what executes a command.

        Raises `ScpiError` -113 for a header that does not exist, or not in this form, -108 for too many parameters.
        """
        written = ":".join(unit.header)
        place, suffixes = self._root, []
        for word in unit.header:
            for form, has_suffix, child in place.children:
                found = form.fullmatch(word)
                if found is not None:
                    if has_suffix:
                        suffixes.append(int(found[1] or 1))
                    place = child
                    break
            else:
                raise ScpiError(-113, f"Undefined header;{written[:60]}")
        handler = place.query if unit.query else place.command
        if handler is None:
            raise ScpiError(-113, f"Undefined header;{written[:60]}{'?' if unit.query else ''}")
        given = Call(unit.parameters, tuple(suffixes))
        if not unit.query and place.most is not None and any(unit.parameters[place.most :]):
            raise ScpiError(-108, f"Parameter not allowed;{written[:60]}")
        asks = unit.query and place.most == 1 and len(unit.parameters) == 1
        if asks and place.command is not None and unit.parameters[0].strip().upper() in BOUNDS:
            return _bound_query(place.command, handler), given
        return handler, given


def _bound_query(command: Handler, query: Handler) -> Handler:
    """Return the query of what MINimum, MAXimum or DEFault stand for in a command (SCPI-1999, volume 1, 7.2.1)."""

    def ask(call: Call) -> str | None:
        now = query(Call((), call.suffixes))
        try:
            command(Call((Bound(call.parameters[0]),), call.suffixes))
        except BoundFound as found:
            whole = now is not None and now.lstrip("+-").isdigit()
            return f"{found.value:.0f}" if whole else show(found.value)
        return now

    return ask


def _variants(pattern: str) -> list[list[tuple[str, str, bool]]]:
    """Return all ways to write a pattern: every optional node present or not."""
    nodes: list[list[tuple[str, str, bool] | None]] = []
    for opened, short, rest, suffix, _ in _NODE.findall(pattern):
        node = (short, rest, bool(suffix))
        nodes.append([node, None] if opened else [node])
    return [[node for node in chosen if node is not None] for chosen in product(*nodes)]


def choose(text: str, *forms: str) -> str:
    """Return which of a few words a parameter is, each given as "SHORTlong"; the answer is its short form.

    Raises `ScpiError` for another word.
    """
    word = text.strip("\"'").upper()
    for form in forms:
        short = re.sub(r"[a-z]+", "", form)
        if word in (short, form.upper()):
            return short
    raise ScpiError(-224, f"Illegal parameter value;{text[:40]}")


def answer_words(values: Sequence[str]) -> str:
    """Return several values as one answer."""
    return ",".join(values)
