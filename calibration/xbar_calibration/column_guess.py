"""What the columns of a table may be, by their heads: flags to try, never taken unasked."""

import re
import shlex
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from xbar_calibration.column_mapping import OF_CELLS
from xbar_calibration.column_units import UNITS, factor_of, in_head

NAMES: Final = (
    ("", r"width|duration|delay|error|std|sigma|average"),
    ("up", r"ltp|potentiat"),
    ("down", r"ltd|depress"),
    ("target", r"target|set ?point|aimed|wanted|\bziel"),
    ("needed", r"pulses? (needed|used|taken)|needed"),
    ("failed", r"fail|defekt"),
    ("pulse", r"pulse? ?(no|num|number|nummer|#|index|count|amp|amplitude|voltage|v)\b|^puls|^n$|^v_?pulse|amplitude"),
    ("time", r"^t$|time|elapsed|\bage\b|zeit|^datum|^date"),
    ("temperature", r"^temp"),
    ("compliance", r"compl|^icc$|limit"),
    ("voltage", r"^a?v[a-z]?\d*$|volt|bias|spannung"),
    ("current", r"^a?i[a-z]?\d*$|curr|strom"),
    ("conductance", r"^g\d*$|conduct|leitwert|^r\d*$|resist|widerstand|\b[lh]rs\b"),
    ("row", r"word ?line|^wl$|^row"),
    ("col", r"bit ?line|^bl$|^col"),
    ("array", r"^array|^tile"),
    ("cell", r"device|cell|zelle|dut|sample"),
    ("curve", r"cycle|sweep|repeat|loop|zyklus|^block$|^run$"),
)
"""Quantities by what heads call them, in English and German, the first that fits; "" is none."""
MOST: Final = 3
"""Flags for one quantity above which a pattern is proposed."""
RESISTANCE: Final = re.compile(r"^r\d*$|resist|widerstand|\b[lh]rs\b")
BY_UNIT: Final = ("time", "voltage", "current", "conductance", "temperature")


def guess(heads: Sequence[str]) -> list[str]:
    """Return flags that map columns by their heads; none is certain, and units that no head names are the SI ones."""
    found: dict[str, list[str]] = {}
    for place, head in enumerate(heads):
        name, unit = in_head(head)
        quantity = _quantity(name, unit)
        if not quantity or (quantity in found and quantity not in OF_CELLS):
            continue
        told = bool(unit) and factor_of(quantity, unit) is not None
        # A head with a colon or an equals sign, or one that is there twice, is named by its number.
        odd = ":" in head or "=" in head or list(heads).count(head) > 1 or not head
        column = f"{place + 1}:{unit}" if odd and told else str(place + 1) if odd else head
        plain = factor_of(quantity, "") is not None
        if not told and not plain:
            column += ":" + ("ohm" if RESISTANCE.search(name.casefold()) else UNITS[quantity][0])
        found.setdefault(quantity, []).append(f"{quantity}={column}")
    _one_kind(found)
    found = {quantity: _pattern(flags) if len(flags) > MOST else flags for quantity, flags in found.items()}
    return [f"--column {shlex.quote(flag)}" for flags in found.values() for flag in flags]


def _pattern(flags: Sequence[str]) -> list[str]:
    """Return one flag for many, where a pattern of their common beginning and end stands for all."""
    begin = re.sub(r"\d+$", "", _common(flags))
    end = _common([flag[::-1] for flag in flags])[::-1]
    if "=" not in begin or begin.endswith("="):
        return list(flags[:MOST])
    return [f"{begin}*{end}"]


def _common(texts: Sequence[str]) -> str:
    """Return what texts have in common at their beginning."""
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in same)


def _one_kind(found: dict[str, list[str]]) -> None:
    """Leave out what others make needless: the conductance beside currents and voltages, the number beside ramps."""
    if "conductance" in found and "current" in found:
        del found["conductance" if "voltage" in found else "current"]
    if "up" in found and "down" in found:
        for name in ("pulse", "conductance", "current", "voltage", "curve", "time"):
            found.pop(name, None)


def _quantity(name: str, unit: str) -> str | None:
    if name == "T" and unit and factor_of("temperature", unit):
        return "temperature"
    low = name.casefold().strip()
    for quantity, pattern in NAMES:
        fits = not quantity or not unit or factor_of(quantity, unit) or factor_of(quantity, "")
        if fits and re.search(pattern, low):
            return quantity or None
    for quantity in BY_UNIT:
        if unit and factor_of(quantity, unit):
            return quantity
    return None
