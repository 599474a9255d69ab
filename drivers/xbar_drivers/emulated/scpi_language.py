"""The SCPI side of an instrument: messages through the parser to the handlers of its tree."""

from xbar_drivers.emulated.instrument import Instrument
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.scpi.command_tree import Call, CommandTree
from xbar_drivers.emulated.scpi.program_message import ScpiError, units
from xbar_drivers.emulated.scpi.values import whole
from xbar_drivers.emulated.status_model import ALL_BITS, Register


class ScpiLanguage:
    """The SCPI side of an instrument: parser, tree, answers.

    Args:
        instrument: whose error queue and status it uses.
        error_sign: whether error numbers are answered with a sign even at 0, as Keysight's instruments do.

    """

    def __init__(self, instrument: Instrument, error_sign: bool = False) -> None:
        self.instrument, self.tree, self._sign = instrument, CommandTree(), error_sign
        self._add_status()

    def line(self, link: Link, text: str) -> None:
        """Execute one message; the answers of its queries make one line."""
        answers: list[str] = []
        try:
            for unit in units(text):
                answer = self._unit(link, unit.common, unit.query, unit.header, unit.parameters, text)
                if answer is not None:
                    answers.append(answer)
                if unit.common:
                    continue
                handler, call = self.tree.find(unit)
                found = handler(call)
                if unit.query:
                    answers.append("" if found is None else found)
        except ScpiError as error:
            self.instrument.fail(error.code, error.text)
            if error.code == -113:
                self.instrument.unknown(text)
        if answers:
            self.instrument.reply(";".join(answers))

    def _unit(
        self, link: Link, common: bool, query: bool, header: tuple[str, ...], parameters: tuple[str, ...], text: str
    ) -> str | None:
        """Execute a common command; return its answer."""
        if not common:
            return None
        before = link.take()
        known = self.instrument.common(f"{header[0]}{'?' if query else ''} {','.join(parameters)}".strip())
        fresh = link.take()
        for answer in before:
            link.put(answer)
        if not known:
            self.instrument.unknown(text)
            raise ScpiError(-113, f"Undefined header;{header[0]}")
        return fresh[0].removesuffix(self.instrument.terminator).decode("latin-1") if fresh else None

    def _add_status(self) -> None:
        add, instrument = self.tree.add, self.instrument
        add("SYSTem:ERRor[:NEXT]", query=lambda call: self.next_error())
        add("SYSTem:ERRor:COUNt", query=lambda call: str(len(instrument.errors)))
        add("SYSTem:ERRor:ALL", query=lambda call: ",".join(self._all_errors()))
        add("SYSTem:CLEar", lambda call: instrument.errors.clear())
        add("SYSTem:VERSion", query=lambda call: "1999.0")
        add("STATus:PRESet", lambda call: instrument.status.preset())
        for name, register in (
            ("OPERation", instrument.status.operation),
            ("QUEStionable", instrument.status.questionable),
            ("MEASurement", instrument.status.measurement),
        ):
            self._add_register(name, register)

    def _add_register(self, name: str, register: Register) -> None:
        def enable(call: Call) -> None:
            register.enable = whole(call.text(0), 0, ALL_BITS)

        def rising(call: Call) -> None:
            register.rising = whole(call.text(0), 0, ALL_BITS)

        def falling(call: Call) -> None:
            register.falling = whole(call.text(0), 0, ALL_BITS)

        add = self.tree.add
        add(f"STATus:{name}[:EVENt]", query=lambda call: str(register.take_event()))
        add(f"STATus:{name}:CONDition", query=lambda call: str(register.condition))
        add(f"STATus:{name}:ENABle", enable, lambda call: str(register.enable))
        add(f"STATus:{name}:PTRansition", rising, lambda call: str(register.rising))
        add(f"STATus:{name}:NTRansition", falling, lambda call: str(register.falling))

    def next_error(self) -> str:
        """Return the oldest error as SYSTem:ERRor? does."""
        error = self.instrument.errors.next()
        plus = "+" if self._sign else ""
        if error is None:
            return f'{plus}0,"No error"'
        return f'{error.code:+d},"{error.text}"' if self._sign else f'{error.code},"{error.text}"'

    def _all_errors(self) -> list[str]:
        found = [self.next_error() for _ in range(len(self.instrument.errors))]
        return found or [self.next_error()]
