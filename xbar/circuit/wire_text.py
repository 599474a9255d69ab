"""Wires in words: "1 ohm", "word=1 ohm, bit=2 ohm, source=50 ohm", or a technology such as "22nm-1t1r"."""

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from xbar.circuit.technology import KINDS, technology
from xbar.circuit.wires import Wires
from xbar.errors import InputError
from xbar.units import parse

PARTS: Final = ("word", "bit", "source", "sense")
"""What can be named: segments of word and bit lines, the sources, the sensing [ohm]."""

NODE: Final = re.compile(r"\d+ *nm", re.IGNORECASE)
"""Where a technology node begins: no resistance is given in nanometres."""

LARGEST: Final = 1e12
"""Largest resistance that can be named [ohm]: above it double precision loses the current that still flows."""


def parse_wires(text: str) -> Wires:
    """Return the wires that a text names.

    Parts are separated by commas: a resistance for both kinds of segments, a technology, or `name=resistance` for one
    of `word`, `bit`, `source`, `sense`; what is named goes before what is meant by a technology. Segments that are
    not named, and source and sense, are 0 ohm.

    Raises `InputError` for anything else, with what can be written, `UnknownNameError` for an unknown technology.
    """
    found: dict[str, float] = {}
    general: dict[str, float] = {}
    for part in (piece.strip() for piece in text.split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if equals and name in PARTS and name not in found:
            found[name] = _ohm(value)
        elif equals or not part or general:
            raise InputError(
                f"wires {text!r}: {part!r} is not understood; write '1 ohm', 'word=1 ohm, bit=2 ohm, source=50 ohm, "
                "sense=10 ohm' or a technology such as '22nm-1t1r', each once"
            )
        elif part.lower().endswith(KINDS) or NODE.match(part):
            general["word"], general["bit"] = technology("".join(part.lower().split()))
        else:
            general["word"] = general["bit"] = _ohm(part)
    return wires_of(general | found)


def wires_of(values: Mapping[str, float]) -> Wires:
    """Return wires of these resistances [ohm] by name; those that are not named are 0."""
    unknown = sorted(values.keys() - set(PARTS))
    if unknown:
        raise InputError(f"wires have no {', '.join(map(repr, unknown))}; name {', '.join(PARTS)}")
    given = {name: float(values.get(name, 0.0)) for name in PARTS}
    for name, value in given.items():
        if not 0 <= value <= LARGEST:
            raise InputError(f"wires: {name} = {value:g} ohm must be 0 to {LARGEST:g} ohm")
    return Wires(**given)


def wire_values(wires: Wires) -> dict[str, float]:
    """Return the resistances of wires whose segments are equal [ohm], by name."""
    return {name: float(np.asarray(getattr(wires, name))) for name in PARTS}


def _ohm(text: str) -> float:
    value = parse(text, "ohm")
    if not 0 <= value <= LARGEST:
        raise InputError(f"wires: {text!r} must be 0 to {LARGEST:g} ohm")
    return value
