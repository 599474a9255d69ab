"""The device card: the range of a device and the laws of what its cells do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from xbar.devices.drift import Drift
from xbar.devices.dynamics import DynamicModel
from xbar.devices.endurance import Endurance
from xbar.devices.flicker_noise import FlickerLaw
from xbar.devices.forming import Forming
from xbar.devices.iv_law import IvLaw
from xbar.devices.levels import Levels
from xbar.devices.programming_error import ErrorLaw
from xbar.devices.pulse_law import PulseLaw
from xbar.devices.read_noise import ReadNoiseLaw
from xbar.devices.relaxation import RelaxationLaw
from xbar.devices.retention import Retention
from xbar.devices.stuck_cells import StuckCells
from xbar.devices.stuck_lines import StuckLines
from xbar.devices.telegraph_noise import TelegraphNoise
from xbar.devices.temperature import Temperature
from xbar.devices.validity import Outside, Validity
from xbar.devices.variation import Variation
from xbar.devices.write_conditions import WriteConditions
from xbar.errors import InputError, UnknownNameError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show

EFFECTS: Final = ("programming_error", "drift", "flicker_noise", "read_noise", "stuck_cells")
"""Names of the effects that most cards have, which are also fields and blocks of a card."""

SWITCHES: Final = (
    "programming_error",
    "device_variation",
    "cycle_variation",
    "relaxation",
    "drift",
    "retention",
    "temperature",
    "flicker_noise",
    "random_telegraph_noise",
    "read_noise",
    "stuck_cells",
    "stuck_lines",
    "endurance",
    "iv_nonlinearity",
)
"""Names of all effects that a card may have and that can be switched off, in the order in which they act."""

LAWS: Final = (*SWITCHES, "levels", "pulse_response", "dynamics", "write", "forming")
"""Names of all laws of a card: the effects, and what a device is rather than what it does wrong."""

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
    programming_error: ErrorLaw | None = None
    drift: Drift | None = None
    flicker_noise: FlickerLaw | None = None
    read_noise: ReadNoiseLaw | None = None
    stuck_cells: StuckCells | None = None
    device_variation: Variation | None = None
    """Drawn once per device."""
    cycle_variation: Variation | None = None
    """Drawn once per write."""
    relaxation: RelaxationLaw | None = None
    retention: Retention | None = None
    temperature: Temperature | None = None
    random_telegraph_noise: TelegraphNoise | None = None
    stuck_lines: StuckLines | None = None
    endurance: Endurance | None = None
    iv_nonlinearity: IvLaw | None = None
    levels: Levels | None = None
    pulse_response: PulseLaw | None = None
    dynamics: DynamicModel | None = None
    write: WriteConditions | None = None
    forming: Forming | None = None
    """What makes a fresh cell writable; None where cells need no forming."""
    valid: tuple[tuple[str, Validity], ...] = field(default=(), repr=False)
    """Valid range of each law of the file, also of those switched off."""

    def validity(self, law: str) -> Validity:
        """Return where a law holds, without limits for one that the card does not have.

        Raises `UnknownNameError` for a name that is not in `LAWS`.
        """
        if law not in LAWS:
            raise UnknownNameError(f"unknown law {law!r}; a card's laws are {', '.join(LAWS)}")
        return dict(self.valid).get(law, Validity())

    def check_valid(
        self,
        *,
        seconds: float | Array | None = None,
        temperature: float | None = None,
        voltage: float | Array | None = None,
        outside: Outside = "refuse",
    ) -> None:
        """Check that all laws that the card has hold at a time since programming [s], temperature [K] and voltage [V].

        Raises `InputError` that names law, value and range; with `outside="warn"` warns instead.
        """
        for name, _ in self.laws():
            what = f"{name} of card {self.name!r}"
            self.validity(name).check(what, outside, time=seconds, temperature=temperature, voltage=voltage)

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
        return self._described(EFFECTS)

    def laws(self) -> tuple[tuple[str, str], ...]:
        """Return (name, law and source) for each law that the card has, in the order of `LAWS`."""
        return self._described(LAWS)

    def _described(self, names: Iterable[str]) -> tuple[tuple[str, str], ...]:
        laws = ((name, getattr(self, name)) for name in names)
        return tuple((name, f"{law.describe()} [{law.source}]") for name, law in laws if law is not None)

    def without(self, names: Iterable[str]) -> Self:
        """Return the card with these effects switched off; raises `UnknownNameError` for a name not in `SWITCHES`.

        An effect that the card does not have may be named.
        """
        switched_off: dict[str, Any] = dict.fromkeys(_known(names))
        return replace(self, **switched_off)

    def only(self, names: Iterable[str]) -> Self:
        """Return the card with all but these effects switched off; raises `UnknownNameError` as `without` does.

        Laws that are no effects stay: levels, pulse response, dynamics, write conditions, forming.
        """
        kept = _known(names)
        return self.without(name for name in SWITCHES if name not in kept)


def _known(names: Iterable[str]) -> Collection[str]:
    # One name instead of a list of names would be read letter by letter.
    names = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in names if name not in SWITCHES]
    if unknown:
        listed = ", ".join(repr(name) for name in unknown)
        raise UnknownNameError(f"unknown effect {listed}; a card's effects are {', '.join(SWITCHES)}")
    return names


def _size(g: Array) -> int:
    size = 1
    for length in g.shape:
        size *= length
    return size
