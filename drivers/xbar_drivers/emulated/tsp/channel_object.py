"""The relays of a switching mainframe as scripts see them: `channel` and `slot[n]`."""

from collections.abc import Callable
from typing import Any

from xbar_drivers.emulated.switch_matrix import ChannelError, ConnectRule, Crosspoint, MatrixCard, SwitchMatrix
from xbar_drivers.emulated.tsp.attributes import stored, switch
from xbar_drivers.emulated.tsp.node_tree import TspError, TspObject, number
from xbar_drivers.emulated.tsp.tsp_instrument import TspInstrument

BAD_CHANNEL, FORBIDDEN = 1115, 1114
"""Errors of the channel functions: a channel list that cannot be meant; a channel that must not be closed."""


def channel_object(matrix: SwitchMatrix, instrument: TspInstrument) -> TspObject:
    """Return the object `channel`."""
    part = TspObject("channel")
    part.constants = {
        "BREAK_BEFORE_MAKE": 1.0, "MAKE_BEFORE_BREAK": 2.0, "OFF": 0.0, "ON": 1.0, "ALL": 4.0,
    }  # fmt: skip
    part.functions.update(_Channels(matrix, instrument).functions())
    switch(part, "connectrule", matrix, "rule", tuple(ConnectRule))
    switch(part, "connectsequential", matrix, "sequential", (0, 1))
    return part


class _Channels:
    """The functions of `channel`."""

    def __init__(self, matrix: SwitchMatrix, instrument: TspInstrument) -> None:
        self._matrix, self._instrument = matrix, instrument
        self._delay = 0.0

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Return the functions by name."""
        matrix, places = self._matrix, self._places
        return {
            "close": lambda text: self._move(set(), set(places(text))),
            "open": lambda text: self._move(set(places(text)), set()),
            "exclusiveclose": self._exclusive,
            "exclusiveslotclose": self._exclusive_slot,
            "getclose": lambda text: matrix.written(matrix.closed & set(places(text))),
            "getstate": lambda text: ";".join(str(int(place in matrix.closed)) for place in places(text)),
            "reset": self._reset,
            "setforbidden": lambda text: matrix.forbidden.update(places(text)),
            "clearforbidden": lambda text: matrix.forbidden.difference_update(places(text)),
            "getforbidden": lambda text: matrix.written(matrix.forbidden & set(places(text))),
            "setdelay": self._set_delay,
            "getdelay": lambda text: ";".join(f"{self._delay:.5e}" for _ in places(text)),
            "getcount": lambda text: ";".join("0" for _ in places(text)),
            "setbackplane": lambda text, backplane: places(text) and None,
            "getbackplane": lambda text: places(text) and None,
            "getimage": lambda text: matrix.written(places(text)),
        }

    def _places(self, text: Any) -> list[Crosspoint]:
        if not isinstance(text, str):
            raise TspError(-286, "expected a channel list")
        try:
            return self._matrix.places(text)
        except ChannelError as error:
            raise TspError(BAD_CHANNEL, f"Parameter error, {error}") from error

    def _move(self, opened: set[Crosspoint], closed: set[Crosspoint]) -> None:
        try:
            seconds = self._matrix.move(opened, closed)
        except ChannelError as error:
            raise TspError(FORBIDDEN, f"Parameter error, {error}") from error
        self._instrument.clock.wait(seconds + self._delay * bool(closed), self._instrument.stopped())

    def _exclusive(self, text: Any) -> None:
        wanted = set(self._places(text)) if text else set()
        self._move(self._matrix.closed - wanted, wanted)

    def _exclusive_slot(self, text: Any) -> None:
        wanted = set(self._places(text))
        slots = {place[0] for place in wanted}
        self._move({place for place in self._matrix.closed if place[0] in slots} - wanted, wanted)

    def _reset(self, text: Any) -> None:
        found = set(self._places(text))
        self._move(found, set())
        self._matrix.forbidden -= found

    def _set_delay(self, text: Any, value: Any) -> None:
        self._places(text)
        self._delay = number(value, 0, 60)


def slot_object(card: MatrixCard | None, serial: str) -> TspObject:
    """Return the object `slot[n]` of a card, or of an empty slot."""
    part = TspObject("slot")
    text = "Empty Slot" if card is None else f"{card.model},{card.description},{card.firmware},{serial}"
    part.attribute("idn", lambda: text)
    part.objects["interlock"] = TspObject()
    # 3: the interlock of a card without backplane relays is engaged.
    part.objects["interlock"].attribute("state", lambda: None if card is None else 3.0)
    stored(part.objects["interlock"], override=0.0)
    part.objects["rows"] = _count(None if card is None else card.rows)
    part.objects["columns"] = _count(None if card is None else card.columns)
    part.attribute("poles", lambda: None)
    return part


def _count(value: int | None) -> TspObject:
    part = TspObject()
    part.attribute("matrix", lambda: None if value is None else float(value))
    return part
