"""The instruments that a rack can be made of, by the model that a rack file names."""

from collections.abc import Callable

from xbar_drivers.instruments.keithley_707b import Keithley707B, Keithley708B
from xbar_drivers.instruments.keithley_2450 import Keithley2450
from xbar_drivers.instruments.keithley_2600 import MODELS as SERIES_2600
from xbar_drivers.instruments.keithley_2600 import Keithley2600
from xbar_drivers.instruments.keithley_3706a import Keithley3706A
from xbar_drivers.instruments.keysight_b1500 import KeysightB1500
from xbar_drivers.instruments.keysight_b2201 import KeysightB2201
from xbar_drivers.instruments.keysight_b2900 import MODELS as SERIES_B2900
from xbar_drivers.instruments.keysight_b2900 import KeysightB2900
from xbar_drivers.instruments.roles import Matrix, SourceInstrument
from xbar_drivers.instruments.session import Session
from xbar_drivers.instruments.tsp import TspInstrument
from xbar_drivers.rack.rack_file import RackInstrument

MakeSource = Callable[[Session, RackInstrument, int | None], SourceInstrument]
"""Makes an instrument with sources from a session, its entry, and its node where the session is the master's."""


def _series_2600(session: Session, part: RackInstrument, node: int | None) -> SourceInstrument:
    return Keithley2600(session, part.name, node, model=part.model)


def _keithley_2450(session: Session, part: RackInstrument, node: int | None) -> SourceInstrument:
    del node
    meter = Keithley2450(session, part.name)
    meter.check_language()
    return meter


def _b1500(session: Session, part: RackInstrument, node: int | None) -> SourceInstrument:
    del node
    return KeysightB1500(session, part.name, part.cards)


def _b2900(session: Session, part: RackInstrument, node: int | None) -> SourceInstrument:
    del node
    return KeysightB2900(session, part.name, part.model)


SOURCES: dict[str, MakeSource] = {
    **dict.fromkeys(SERIES_2600, _series_2600),
    "2450": _keithley_2450,
    "B1500A": _b1500,
    **dict.fromkeys(SERIES_B2900, _b2900),
}
"""Makers of instruments with sources."""

MATRICES: dict[str, type[Matrix]] = {
    "3706A": Keithley3706A,
    "707B": Keithley707B,
    "708B": Keithley708B,
    "B2201A": KeysightB2201,
}
"""Classes of matrices."""


def make_matrix(session: Session, part: RackInstrument, node: int | None) -> Matrix:
    """Return the matrix of an entry."""
    kind: Callable[..., Matrix] = MATRICES[part.model]
    linked = issubclass(MATRICES[part.model], TspInstrument)
    return kind(session, part.name, node) if linked else kind(session, part.name)
