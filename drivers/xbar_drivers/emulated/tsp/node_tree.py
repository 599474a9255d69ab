"""The tree of objects and attributes that a TSP instrument shows to scripts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Value = float | int | bool | str | None
"""What attributes hold and functions take and return; lists of them too, and objects."""


class TspError(Exception):
    """An error of the instrument with its number; it enters the error queue unless the script catches it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass(eq=False)
class TspObject:
    """One object of the tree."""

    luatype: str = "rec"
    getters: dict[str, Callable[[], Any]] = field(default_factory=dict)
    setters: dict[str, Callable[[Any], None]] = field(default_factory=dict)
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    constants: dict[str, float | str] = field(default_factory=dict)
    objects: dict[str, "TspObject"] = field(default_factory=dict)
    elements: list["TspObject"] = field(default_factory=list)
    """Objects with numbers, from 1: `slot[1]`."""
    item: Callable[[int], Any] | None = None
    """Values with numbers: `buffer.readings[1]`."""
    put: Callable[[int, Any], None] | None = None
    payload: Any = None
    """What the object stands for, such as a reading buffer."""

    def attribute(self, name: str, get: Callable[[], Any], put: Callable[[Any], None] | None = None) -> None:
        """Add an attribute; without `put` it is read only."""
        self.getters[name] = get
        if put is not None:
            self.setters[name] = put


class TspTree:
    """The objects of one instrument, each with its number; the root has number 1."""

    def __init__(self, root: TspObject) -> None:
        self._objects: list[TspObject] = []
        self._numbers: dict[int, int] = {}
        self._add(root)
        self._fixed = len(self._objects)

    def _add(self, part: TspObject) -> int:
        if id(part) not in self._numbers:
            self._objects.append(part)
            self._numbers[id(part)] = len(self._objects)
            for child in (*part.objects.values(), *part.elements):
                self._add(child)
        return self._numbers[id(part)]

    def forget(self) -> None:
        """Forget the objects that scripts have made."""
        for part in self._objects[self._fixed :]:
            del self._numbers[id(part)]
        del self._objects[self._fixed :]

    def specs(self) -> list[dict[str, Any]]:
        """Return the description of all objects, in the order of their numbers, for the sandbox."""
        return [self._spec(part) for part in self._objects[: self._fixed]]

    def _spec(self, part: TspObject) -> dict[str, Any]:
        return {
            "luatype": part.luatype,
            "getters": list(part.getters),
            "setters": list(part.setters),
            "functions": [name for name in part.functions if not name.startswith("__")],
            "constants": part.constants,
            "objects": {name: self._numbers[id(child)] for name, child in part.objects.items()},
            "elements": [self._numbers[id(child)] for child in part.elements],
            "indexed": part.item is not None,
            "assigned": part.put is not None,
        }

    def _described(self, part: TspObject) -> dict[str, Any]:
        """Return an object made while a script runs, with all below it."""
        number = self._add(part)
        spec = self._spec(part)
        spec["objects"] = {name: self._described(child) for name, child in part.objects.items()}
        return {"id": number, "spec": spec}

    def find(self, number: Any) -> TspObject:
        """Return an object by number.

        Raises `TspError` for a number that no object has.
        """
        if not isinstance(number, int | float) or not 1 <= int(number) <= len(self._objects):
            raise TspError(-286, "no such object")
        return self._objects[int(number) - 1]

    def answer(self, kind: str, values: list[Any], resolve: Callable[[int, int], TspObject]) -> list[Any]:
        """Answer a request (kind, number of the object, name, values) of a script.

        `resolve` gives the object of a node of the link and a number: what a script passes as a value.
        Raises `TspError`.
        """

        def argument(value: Any) -> Any:
            return resolve(int(value.get("node", 0)), int(value.get("id", 0))) if isinstance(value, Mapping) else value

        part, name, rest = self.find(values[0]), values[1], values[2:]
        if kind == "get":
            return [self._result(part.getters[name]())]
        if kind == "set":
            part.setters[name](argument(rest[0] if rest else None))
            return []
        if kind == "item" and part.item is not None:
            return [self._result(part.item(_whole(name)))]
        if kind == "put" and part.put is not None:
            part.put(_whole(name), argument(rest[0] if rest else None))
            return []
        try:
            found = part.functions[name](*(argument(value) for value in rest))
        except TypeError as error:
            raise TspError(-286, f"{name}: wrong number of parameters") from error
        if isinstance(found, tuple):
            return [self._result(value) for value in found]
        return [self._result(found)]

    def _result(self, value: Any) -> Any:
        if not isinstance(value, TspObject):
            return value
        return self._described(value)


def _whole(value: Any) -> int:
    if not isinstance(value, int | float) or value != int(value):
        raise TspError(-286, "index is not a whole number")
    return int(value)


def number(value: Any, low: float, high: float) -> float:
    """Return a parameter as a number from `low` to `high`.

    Raises `TspError`: -286 for what is no number, 1102 and 1101 for one too big or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TspError(-286, "expected a number")
    if value != value or value > high:
        raise TspError(1102, "Parameter too big")
    if value < low:
        raise TspError(1101, "Parameter too small")
    return float(value)


def choice(value: Any, *allowed: int) -> int:
    """Return a parameter that is one of a few numbers, where true and false count as 1 and 0.

    Raises `TspError`.
    """
    if isinstance(value, bool):
        value = int(value)
    if not isinstance(value, int | float) or value not in allowed:
        raise TspError(1110, "Parameter is not one of those allowed")
    return int(value)
