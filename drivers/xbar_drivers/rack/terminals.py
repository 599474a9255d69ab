"""Terminals and the cables between them, as [wires] of a rack file writes them."""

import re

from xbar.errors import FormatError

MOST_TERMINALS = 8192
"""Terminals that one range may name."""


def joints_of(key: str, value: str | list[str], origin: str) -> list[tuple[str, str]]:
    """Return the pairs of one entry of [wires].

    Equally many terminals on both sides pair up; a single one joins all of the other side.

    Args:
        key: terminal, or range of terminals.
        value: likewise, or a list of them.
        origin: names the file in errors.

    Raises:
        FormatError: the sides do not pair up, or a range runs backwards.

    """
    first = terminals_of(key, origin)
    second = [name for part in ([value] if isinstance(value, str) else value) for name in terminals_of(part, origin)]
    if isinstance(value, str) and len(first) == len(second):
        return list(zip(first, second, strict=True))
    if len(first) == 1:
        return [(first[0], name) for name in second]
    if len(second) == 1:
        return [(name, second[0]) for name in first]
    raise FormatError(
        f"{origin}: wires: {key!r} names {len(first)} terminals, {value!r} {len(second)}; they do not pair up"
    )


def terminals_of(text: str, origin: str) -> list[str]:
    """Return the terminals of a name that may end in a range, such as "switch.1.col1-8" or "switch.1.rowA-D".

    Raises `FormatError` for a range that runs backwards.
    """
    found = re.fullmatch(r"([\w.-]*?[A-Za-z_.])(?:(\d{1,5})-(\d{1,5})|([A-Z])-([A-Z]))", text)
    if found is None:
        return [text]
    if found[2] is not None:
        low, high = int(found[2]), int(found[3])
        names = [f"{found[1]}{k}" for k in range(low, min(high, low + MOST_TERMINALS) + 1)]
    else:
        names = [f"{found[1]}{chr(k)}" for k in range(ord(found[4]), ord(found[5]) + 1)]
    if not names:
        raise FormatError(f"{origin}: wires: range {text!r} runs backwards")
    return names
