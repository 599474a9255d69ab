"""Properties of instruments: numbers and choices that are checked before they are sent."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, overload

from xbar.errors import DriverError, InputError


class Speaker(Protocol):
    """What a property needs of its owner."""

    @property
    def name(self) -> str:
        """Get what errors call the owner."""
        ...

    def get(self, key: str) -> str:
        """Ask for a setting by its key and return the answer."""
        ...

    def put(self, key: str, value: str) -> None:
        """Send a setting."""
        ...


class Number:
    """A number that an instrument keeps: a property of a class that has `name`, `get` and `put`.

    Args:
        key: the setting, as `get` and `put` of the owner take it.
        unit: of the value, for messages.
        low: smallest value.
        high: largest value; a name of an attribute of the owner where it depends on the model.
        tolerance: what is read back may differ by this share; None does not read back.
        signed: whether -high to -low are allowed too.

    """

    def __init__(
        self,
        key: str,
        unit: str,
        low: float,
        high: float | str,
        *,
        tolerance: float | None = None,
        signed: bool = False,
    ) -> None:
        self.key, self.unit, self.low, self.high = key, unit, low, high
        self.tolerance, self.signed = tolerance, signed

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, kind: type) -> "Number": ...
    @overload
    def __get__(self, owner: Speaker, kind: type) -> float: ...
    def __get__(self, owner: Speaker | None, kind: type) -> "float | Number":
        """Ask the instrument. Raises `DriverError` for an answer that is no number."""
        return self if owner is None else number_of(owner.get(self.key), owner.name, self.key)

    def __set__(self, owner: Speaker, value: float) -> None:
        """Check, send, and read back where that is asked for.

        Raises `InputError` for a value out of range, `DriverError` where it reads back as another.
        """
        owner.put(self.key, repr(self.checked(owner, value)))
        if self.tolerance is not None:
            found = number_of(owner.get(self.key), owner.name, self.key)
            if not abs(found - value) <= self.tolerance * abs(value):
                raise DriverError(
                    f"{owner.name}: {self._name} was set to {value:g} {self.unit} and reads back as {found:g} "
                    f"{self.unit}; nothing is switched on"
                )

    def checked(self, owner: Speaker, value: float) -> float:
        """Return the value as a float within the range."""
        high = float(getattr(owner, self.high)) if isinstance(self.high, str) else self.high
        size = abs(value) if self.signed else value
        if not (math.isfinite(value) and self.low <= size <= high):
            span = f"{self.low:g} to {high:g}{', either sign' if self.signed else ''}"
            raise InputError(f"{owner.name}: {self._name} {value:g} {self.unit} is outside {span} {self.unit}")
        return float(value)


class Choice:
    """One of a few values that an instrument writes in its own words.

    Args:
        key: the setting, as `get` and `put` of the owner take it.
        words: what the instrument writes, by value.
        read: turns an answer into the instrument's word.

    """

    def __init__(self, key: str, words: Mapping[Any, str], read: Callable[[str], str] = str.strip) -> None:
        self.key, self.words, self._read = key, dict(words), read

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, kind: type) -> "Choice": ...
    @overload
    def __get__(self, owner: Speaker, kind: type) -> Any: ...
    def __get__(self, owner: Speaker | None, kind: type) -> Any:
        """Ask the instrument. Raises `DriverError` for an answer that is none of the choices."""
        if owner is None:
            return self
        answer = self._read(owner.get(self.key))
        for value, word in self.words.items():
            if word == answer:
                return value
        raise DriverError(f"{owner.name}: {self._name} reads {answer!r}, which is none of {list(self.words)}")

    def __set__(self, owner: Speaker, value: Any) -> None:
        """Check and send. Raises `InputError` for what is none of the choices."""
        if value not in self.words:
            raise InputError(f"{owner.name}: {self._name} {value!r} is none of {list(self.words)}")
        owner.put(self.key, self.words[value])


def number_of(answer: str, name: str, what: str) -> float:
    """Return an answer as a number; NaN for the overflow value 9.9e37 that these instruments give.

    Raises `DriverError` for what is no number.
    """
    try:
        value = float(answer)
    except ValueError as error:
        raise DriverError(
            f"{name} answered {answer[:60]!r} to {what}, which is no number; it may be out of step"
        ) from error
    return value if abs(value) < OVERFLOW else math.nan


OVERFLOW = 9.8e37
"""Readings from here on say that the range does not hold the value (9.9e37 and 9.91e37, either sign)."""
