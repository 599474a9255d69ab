"""Attributes of TSP objects that stand for plain attributes of Python objects."""

from collections.abc import Callable
from typing import Any

from xbar_drivers.emulated.tsp.node_tree import TspError, TspObject, choice, number


def nothing() -> None:
    """Do nothing after a change."""


def numeric(
    part: TspObject, name: str, owner: Any, field: str, bounds: tuple[float, float], after: Callable[[], None] = nothing
) -> None:
    """Add an attribute that is the number `owner.field` between bounds; `after` is called when it was set."""

    def put(value: Any) -> None:
        setattr(owner, field, type(getattr(owner, field))(number(value, *bounds)))
        after()

    part.attribute(name, lambda: float(getattr(owner, field)), put)


def switch(
    part: TspObject, name: str, owner: Any, field: str, allowed: tuple[int, ...], after: Callable[[], None] = nothing
) -> None:
    """Add an attribute that is one of a few numbers, kept as the type that `owner.field` has."""

    def put(value: Any) -> None:
        setattr(owner, field, type(getattr(owner, field))(choice(value, *allowed)))
        after()

    part.attribute(name, lambda: float(getattr(owner, field)), put)


def stored(part: TspObject, **values: float | str | bool) -> None:
    """Add attributes that only remember what they were set to, such as those of the display."""
    held: dict[str, Any] = dict(values)

    def attribute(name: str, kind: type) -> None:
        def put(value: Any) -> None:
            if kind is str:
                held[name] = str(value)
            elif isinstance(value, bool | int | float):
                held[name] = value
            else:
                raise TspError(-286, "expected a number")

        part.attribute(name, lambda: held[name], put)

    for name, value in values.items():
        attribute(name, type(value))


def ignored(part: TspObject, *names: str) -> None:
    """Add functions that do nothing, such as those of the display."""
    for name in names:
        part.functions[name] = lambda *values: None
