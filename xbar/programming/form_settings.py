"""How cells are formed: amplitudes, compliance, the check reading, rules for giving up."""

from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np

from xbar.bench.settings import ReadConfig, Unselected
from xbar.devices.card import DeviceCard
from xbar.errors import InputError
from xbar.programming.write_settings import Staircase

STEPS = 20
"""Amplitudes of the default ramp."""

Way = Literal["pulses", "sweep"]


@dataclass(frozen=True)
class FormCells:
    """How cells are formed."""

    formed: float
    """A cell that conducts at least so much is formed [S]."""
    ramp: Staircase
    """Amplitudes, lowest first."""
    width: float = 1e-6
    """Of every pulse [s]."""
    current_limit: float = 1e-3
    """Compliance of every pulse and sweep [A]: what keeps a cell from being formed too far."""
    way: Way = "pulses"
    """One pulse of each amplitude and a reading after it; or one sweep of each cell over the amplitudes."""
    read: ReadConfig = field(default_factory=ReadConfig)
    """The check reading; the mean of `repeat` readings counts."""
    repeats: int = 1
    """Pulses of each amplitude before the next, or sweeps of each cell."""
    max_pulses: int = 100
    """Pulses after which a cell is given up; one that the last amplitude leaves fresh is given up then."""
    unselected: Unselected = Unselected.HALF
    """What the other lines are tied to during a pulse; sweeps take that of `read`."""

    @classmethod
    def for_card(cls, card: DeviceCard, **more: object) -> Self:
        """Return settings for a card, `more` are fields: a ramp of 20 steps.

        The ramp of a card with a law of forming goes from half its median forming voltage to the largest voltage that
        the card allows, and a cell counts as formed that conducts more than fresh ones do, by the geometric mean of
        theirs and the card's smallest conductance. Of another card it goes from a SET pulse's threshold to that
        voltage, to the middle of the range. Where half of the last amplitude would move cells, the scheme is `THIRD`.
        Raises `InputError` where a card has neither.
        """
        law, write = card.forming, card.write
        if write is None and law is None:
            raise InputError(
                f"card {card.name!r} has neither write pulses nor a law of forming; give a ramp of your own (FormCells)"
            )
        if law is not None:
            start, last = law.voltage / 2, 2 * law.voltage
        else:
            assert write is not None
            start, last = write.set_threshold or write.set_voltage / STEPS, write.set_voltage
        if write is not None:
            last = float(np.copysign(write.voltage_max, last))
        ramp = Staircase(start, abs(last - start) / (STEPS - 1), last)
        width = 1e-6 if write is None else write.width
        disturbs = write is not None and abs(last) / 2 > abs(write.set_threshold if last > 0 else write.reset_threshold)
        scheme = Unselected.THIRD if disturbs else Unselected.HALF
        read = ReadConfig(voltage=card.read_voltage)
        given = cls((card.g_min + card.g_max) / 2, ramp, width, read=read, unselected=scheme)
        asked = replace(given, **more)  # type: ignore[arg-type]  # names and types are those of the fields
        if law is None or "formed" in more:
            return asked
        least = min(card.g_min, law.conductance(asked.current_limit))
        return replace(asked, formed=max(float(np.sqrt(law.pristine * least)), least / 100))
