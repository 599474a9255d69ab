"""FLEX messages: commands with numbers, in all the ways that clients write them."""

import re
from dataclasses import dataclass

_COMMAND = re.compile(r"\s*(\*?[A-Za-z]+\??)\s*(.*?)\s*", re.DOTALL)

MOST_COMMANDS = 1000
MOST_PARAMETERS = 2000


class FlexError(Exception):
    """An error with its number, as ERRX? tells it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


UNDEFINED = (100, "Undefined GPIB command.")
BAD_NUMBER = (102, "Incorrect numeric data value.")
BAD_VALUE = (120, "Incorrect parameter value.")
BAD_CHANNEL = (121, "Channel number must be correct.")
MISSING = (123, "Number of parameters must be correct.")
OUTPUT_OFF = (203, "Channel output switch must be ON.")
NO_SWEEP = (260, "Measurement channel must be specified by MM.")


@dataclass(frozen=True)
class Command:
    """One command."""

    name: str
    """In capitals: "DV", "*LRN?"."""
    parameters: tuple[str, ...]
    """As written; trailing empty ones removed."""

    def number(self, index: int, default: float | None = None) -> float:
        """Return a parameter as a number.

        Raises `FlexError` where it is missing without default, or no finite number.
        """
        text = self.parameters[index] if index < len(self.parameters) else ""
        if not text:
            if default is None:
                raise FlexError(*MISSING)
            return default
        try:
            value = float(text)
        except ValueError as error:
            raise FlexError(*BAD_NUMBER) from error
        if not abs(value) < 1e30:
            raise FlexError(*BAD_NUMBER)
        return value

    def whole(self, index: int, low: int, high: int, default: int | None = None) -> int:
        """Return a parameter that is a whole number from `low` to `high`.

        Raises `FlexError`.
        """
        value = self.number(index, default)
        if value != round(value) or not low <= value <= high:
            raise FlexError(*BAD_VALUE)
        return round(value)

    def wholes(self, first: int, low: int, high: int) -> list[int]:
        """Return all parameters from `first` on as whole numbers."""
        return [self.whole(k, low, high) for k in range(first, len(self.parameters))]


def commands(text: str) -> list[Command]:
    """Return the commands of a message, separated by semicolons.

    Raises `FlexError` where a part is no command.
    """
    found = []
    parts = text.split(";")
    if len(parts) > MOST_COMMANDS:
        raise FlexError(*BAD_VALUE)
    for part in parts:
        if not part.strip():
            continue
        match = _COMMAND.fullmatch(part)
        if match is None:
            raise FlexError(*UNDEFINED)
        parameters = [value.strip() for value in match[2].split(",")] if match[2] else []
        while parameters and not parameters[-1]:
            parameters.pop()
        if len(parameters) > MOST_PARAMETERS:
            raise FlexError(*MISSING)
        found.append(Command(match[1].upper(), tuple(parameters)))
    return found
