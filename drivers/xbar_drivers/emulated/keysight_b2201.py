"""Keysight B2201A: a 14-input switching matrix with bias and ground modes, SCPI."""

from collections.abc import Callable
from typing import ClassVar

from xbar_drivers.emulated.instrument import Instrument
from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.scpi.command_tree import Call, choose
from xbar_drivers.emulated.scpi.program_message import ScpiError
from xbar_drivers.emulated.scpi.values import boolean, channel_list, string, whole
from xbar_drivers.emulated.scpi_language import ScpiLanguage

INPUTS, OUTPUTS = 14, 48
SETTLE = 7e-3
"""Time of one relay action [s]."""

Path = tuple[int, int]
"""Input and output, both from 1."""


class KeysightB2201(Instrument):
    """One B2201A with four plug-in cards as one 14 x 48 matrix; terminals `<name>.in1` and `<name>.out1`.

    Outputs that no input is connected to can go to the bias port (bias mode) or the ground port (ground mode).

    Args:
        name: its name on the bench.
        lines: what its terminals are connected to.
        number: its place on the bench.

    """

    model: ClassVar[str] = "B2201A"

    def __init__(self, name: str, lines: Lines, number: int) -> None:
        super().__init__(name, lines, number)
        for index in range(1, INPUTS + 1):
            lines.add_terminal(f"{name}.in{index}")
        for index in range(1, OUTPUTS + 1):
            lines.add_terminal(f"{name}.out{index}")
        self._scpi = ScpiLanguage(self, error_sign=True)
        self._contacts: set[tuple[str, str]] = set()
        self.paths: set[Path] = set()
        self._defaults()
        self._commands()

    def _defaults(self) -> None:
        self.rule, self.sequence = "FREE", "BBM"
        self.bias_on, self.bias_port, self.bias_outputs = False, 10, set(range(1, OUTPUTS + 1))
        self.ground_on, self.ground_port, self.ground_outputs = False, 12, set(range(1, OUTPUTS + 1))
        self.unused: tuple[int, ...] = ()
        self.couple_on = False
        self.coupled: tuple[int, ...] = ()

    @property
    def identity(self) -> str:
        """Get the answer to *IDN?."""
        return f"AGILENT TECHNOLOGIES,B2201A,{self.serial},A.01.00"

    def outputs_on(self) -> dict[str, str]:
        """Return nothing: a matrix has no source."""
        return {}

    def line(self, link: Link, text: str) -> None:
        """Execute one message."""
        self._scpi.line(link, text)

    def reset(self) -> None:
        """Open all paths and return to the state after switching on."""
        self.paths.clear()
        self._defaults()
        self._move()

    def _commands(self) -> None:
        add = self._scpi.tree.add
        add("[ROUTe]:CLOSe", self._close, self._is_closed)
        add("[ROUTe]:CLOSe:CARD", query=lambda call: self._listed(self._card(call)))
        add("[ROUTe]:OPEN", self._open, self._is_open)
        add("[ROUTe]:OPEN:CARD", self._open_card)
        add("[ROUTe]:FUNCtion", self._function, lambda call: "ACON")
        self._setting("[ROUTe]:CONNection:RULE", "rule", ("FREE", "SROUte"))
        self._setting("[ROUTe]:CONNection:SEQuence", "sequence", ("NSEQ", "BBMake", "MBBReak"))
        self._mode("BIAS", "bias")
        self._mode("AGND", "ground")
        add("[ROUTe]:AGND:UNUSED", self._set_unused, lambda call: f"'{', '.join(map(str, self.unused))}'")
        add("[ROUTe]:COUPle[:STATe]", self._set_couple, lambda call: str(int(self.couple_on)))
        add("[ROUTe]:COUPle:PORT", self._set_coupled, lambda call: f"'{','.join(map(str, self.coupled))}'")
        add("[ROUTe]:COUPle:PORT:DETect", lambda call: None)  # no Kelvin cable is there to be found
        add("DIAGnostic:TEST:CARD:CLEar", lambda call: None)

    def _setting(self, pattern: str, field: str, words: tuple[str, ...]) -> None:
        def put(call: Call) -> None:
            self._card(call)
            setattr(self, field, choose(call.text(1), *words))

        self._scpi.tree.add(pattern, put, lambda call: str(getattr(self, field)))

    def _mode(self, word: str, field: str) -> None:
        """Add the commands of bias or ground mode."""
        add = self._scpi.tree.add

        def switch(call: Call) -> None:
            self._card(call)
            setattr(self, f"{field}_on", boolean(call.text(1)))
            self._move()

        def port(call: Call) -> None:
            self._card(call)
            setattr(self, f"{field}_port", whole(call.text(1), 1, INPUTS))
            self._move()

        def outputs(on: bool) -> Callable[[Call], None]:
            def act(call: Call) -> None:
                chosen: set[int] = getattr(self, f"{field}_outputs")
                found = {path[1] for path in self._paths(call.text(0))}
                setattr(self, f"{field}_outputs", chosen | found if on else chosen - found)
                self._move()

            return act

        def all_outputs(on: bool) -> Callable[[Call], None]:
            def act(call: Call) -> None:
                self._card(call)
                setattr(self, f"{field}_outputs", set(range(1, OUTPUTS + 1)) if on else set())
                self._move()

            return act

        base = f"[ROUTe]:{word}"
        add(f"{base}[:STATe]", switch, lambda call: str(int(getattr(self, f"{field}_on"))))
        add(f"{base}:PORT", port, lambda call: str(getattr(self, f"{field}_port")))
        add(f"{base}:CHANnel:ENABle", outputs(True), self._enabled(field))
        add(f"{base}:CHANnel:DISable", outputs(False))
        add(f"{base}:CHANnel:ENABle:CARD", all_outputs(True))
        add(f"{base}:CHANnel:DISable:CARD", all_outputs(False))

    def _enabled(self, field: str) -> Callable[[Call], str]:
        def query(call: Call) -> str:
            chosen: set[int] = getattr(self, f"{field}_outputs")
            return ",".join(str(int(path[1] in chosen)) for path in self._paths(call.text(0)))

        return query

    def _card(self, call: Call) -> int:
        """Return the card number that comes first: 0 or 1 to 4, or ALL."""
        text = call.text(0, "0")
        return 0 if text.upper() == "ALL" else whole(text, 0, 4)

    def _paths(self, text: str) -> list[Path]:
        """Return the paths of a channel list: card, input with two digits, output with two; ranges by output.

        Raises `ScpiError`.
        """
        found: list[Path] = []
        for part in channel_list(text):
            first, colon, last = part.partition(":")
            start = self._path(first)
            end = self._path(last) if colon else start
            inputs, outputs = range(start[0], end[0] + 1), range(start[1], end[1] + 1)
            found += [(i, o) for i in inputs for o in outputs]
        if len(found) > INPUTS * OUTPUTS:
            raise ScpiError(-223, "Too much data")
        return found

    def _path(self, text: str) -> Path:
        text = text.strip()
        if not (text.isdigit() and len(text) == 5):
            raise ScpiError(-171, f"Invalid expression;{text[:20]}")
        card, source, sink = int(text[0]), int(text[1:3]), int(text[3:])
        # Without automatic configuration, cards 1 to 4 hold 12 outputs each.
        sink += 12 * (card - 1) if card else 0
        if card > 4 or source > INPUTS or not 1 <= sink <= OUTPUTS:
            raise ScpiError(-222, f"Parameter data out of range;{text}")
        return source, sink

    def _close(self, call: Call) -> None:
        for source, sink in self._paths(call.text(0)):
            if not source:
                raise ScpiError(-222, "Parameter data out of range")
            if self.rule == "SROU":
                self.paths -= {path for path in self.paths if path[0] == source or path[1] == sink}
            self.paths.add((source, sink))
        self._move()

    def _open(self, call: Call) -> None:
        self.paths -= set(self._paths(call.text(0)))
        self._move()

    def _open_card(self, call: Call) -> None:
        card = self._card(call)
        kept = range(12 * (card - 1) + 1, 12 * card + 1)
        self.paths = set() if not card else {path for path in self.paths if path[1] not in kept}
        self._move()

    def _is_closed(self, call: Call) -> str:
        return ",".join(str(int(path in self.paths)) for path in self._paths(call.text(0)))

    def _is_open(self, call: Call) -> str:
        return ",".join(str(int(path not in self.paths)) for path in self._paths(call.text(0)))

    def _listed(self, card: int) -> str:
        kept = range(1, OUTPUTS + 1) if not card else range(12 * (card - 1) + 1, 12 * card + 1)
        shift = 12 * (card - 1) if card else 0
        found = [f"{card}{i:02d}{o - shift:02d}" for i, o in sorted(self.paths) if o in kept]
        return f"(@{','.join(found)})"

    def _function(self, call: Call) -> None:
        choose(call.text(0), "ACONfig", "NCONfig")

    def _set_unused(self, call: Call) -> None:
        self._card(call)
        self.unused = self._inputs(call.text(1, "''"))
        self._move()

    def _set_couple(self, call: Call) -> None:
        self._card(call)
        self.couple_on = boolean(call.text(1))
        self._move()

    def _set_coupled(self, call: Call) -> None:
        self._card(call)
        self.coupled = self._inputs(call.text(1, "''"))
        self._move()

    def _inputs(self, text: str) -> tuple[int, ...]:
        return tuple(whole(part, 1, INPUTS) for part in string(text).split(",") if part.strip())

    def _wanted(self) -> set[tuple[str, str]]:
        """Return the contacts that the settings ask for."""
        name = self.name
        found = {(f"{name}.in{source}", f"{name}.out{sink}") for source, sink in self.paths}
        free = set(range(1, OUTPUTS + 1)) - {sink for _, sink in self.paths}
        if self.bias_on:
            found |= {(f"{name}.in{self.bias_port}", f"{name}.out{sink}") for sink in free & self.bias_outputs}
        if self.ground_on:
            grounded = free & self.ground_outputs - (self.bias_outputs if self.bias_on else set())
            found |= {(f"{name}.in{self.ground_port}", f"{name}.out{sink}") for sink in grounded}
            connected = {source for source, _ in self.paths}
            for source in set(self.unused) - connected - {self.ground_port}:
                found.add((f"{name}.in{self.ground_port}", f"{name}.in{source}"))
        if self.couple_on:
            found |= {(f"{name}.in{k}", f"{name}.in{k + 1}") for k in self.coupled if k < INPUTS}
        return found

    def _move(self) -> None:
        """Bring the relays to what is wanted, in the order of the connection sequence."""
        wanted = self._wanted()
        away, new = self._contacts - wanted, wanted - self._contacts
        if not away and not new:
            return
        if self.sequence == "MBBR":
            self.lines.relays([], new)
            self.lines.relays(away, [])
        elif self.sequence == "BBM":
            self.lines.relays(away, [])
            self.lines.relays([], new)
        else:
            self.lines.relays(away, new)
        self._contacts = wanted
        self.clock.wait(SETTLE * (bool(away) + bool(new)), self.stopped())
