"""The device card: the range of a device and the laws of what its cells do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from xbar.devices.drift import Drift
from xbar.devices.flicker_noise import FlickerNoise
from xbar.devices.programming_error import ProgrammingError
from xbar.devices.read_noise import ReadNoise
from xbar.devices.stuck_cells import StuckCells
from xbar.errors import InputError, UnknownNameError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show

EFFECTS: Final = ("programming_error", "drift", "flicker_noise", "read_noise", "stuck_cells")
"""Names of the effects of a card, which are also its fields and the blocks of a card file."""

ROUNDING = 1e-9
"""How far, relative to g_max, a target may lie outside the range: rounding of a float32 map, no physics."""


@dataclass(frozen=True)
class DeviceCard:
    """A device as a simulated array knows it. A law that is None is not there: the cell is ideal in that respect."""

    name: str
    title: str
    source: str
    """Where the device and its numbers come from."""
    text: str = field(repr=False)
    """The card file, line ends normalised, to be embedded in maps and traces; also of a card with laws switched off."""
    sha256: str
    """SHA-256 of `text` in UTF-8, hexadecimal."""
    g_min: float
    """Smallest conductance that can be asked for [S]."""
    g_max: float
    """Largest conductance that can be asked for [S]."""
    read_voltage: float
    """Voltage across the cell at which it is read, and full scale of the inputs [V]."""
    programming_error: ProgrammingError | None = None
    drift: Drift | None = None
    flicker_noise: FlickerNoise | None = None
    read_noise: ReadNoise | None = None
    stuck_cells: StuckCells | None = None

    def check_targets(self, g: Array, nan: bool = False) -> None:
        """Check that target conductances [S] can be written; NaN (leave this cell as it is) only where `nan`.

        Raises `InputError` that tells how many are out of range and the worst of them.
        """
        xp = namespace(g)
        g = as_float64(g)
        missing = int(xp.sum(xp.astype(xp.isnan(g), xp.int64)))
        if missing and not nan:
            raise InputError(f"{missing} of {_size(g)} target conductances are NaN; every cell needs a target here")
        slack = ROUNDING * self.g_max
        # NaN compares false on both sides.
        outside = (g < self.g_min - slack) | (g > self.g_max + slack)
        count = int(xp.sum(xp.astype(outside, xp.int64)))
        if count == 0:
            return
        excess = xp.where(outside, xp.maximum(self.g_min - g, g - self.g_max), -1.0)
        worst = float(xp.reshape(g, (-1,))[int(xp.argmax(excess))])
        raise InputError(
            f"{count} of {_size(g)} target conductances lie outside the range of card {self.name!r}, "
            f"{show(self.g_min, 'S')} to {show(self.g_max, 'S')}; the worst is {show(worst, 'S')}. "
            "Map the network with this card, or clip the targets to its range"
        )

    def effects(self) -> tuple[tuple[str, str], ...]:
        """Return (name, law and source) for each law that the card has, in the order of `EFFECTS`."""
        laws = ((name, getattr(self, name)) for name in EFFECTS)
        return tuple((name, f"{law.describe()} [{law.source}]") for name, law in laws if law is not None)

    def without(self, names: Iterable[str]) -> Self:
        """Return the card with these effects switched off; raises `UnknownNameError` for a name not in `EFFECTS`.

        An effect that the card does not have may be named.
        """
        switched_off: dict[str, Any] = dict.fromkeys(_known(names))
        return replace(self, **switched_off)

    def only(self, names: Iterable[str]) -> Self:
        """Return the card with all but these effects switched off; raises `UnknownNameError` as `without` does."""
        kept = _known(names)
        return self.without(name for name in EFFECTS if name not in kept)


def _known(names: Iterable[str]) -> Collection[str]:
    # One name instead of a list of names would be read letter by letter.
    names = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in names if name not in EFFECTS]
    if unknown:
        listed = ", ".join(repr(name) for name in unknown)
        raise UnknownNameError(f"unknown effect {listed}; a card's effects are {', '.join(EFFECTS)}")
    return names


def _size(g: Array) -> int:
    size = 1
    for length in g.shape:
        size *= length
    return size
