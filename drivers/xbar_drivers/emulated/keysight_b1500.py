"""Keysight B1500A: a mainframe of SMUs, FLEX."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar

from xbar.errors import InputError
from xbar_drivers.emulated.flex.channel import CURRENT_CODES, VOLTAGE_CODES, FlexChannel, check_range
from xbar_drivers.emulated.flex.commands import (
    BAD_CHANNEL,
    BAD_VALUE,
    UNDEFINED,
    Command,
    FlexError,
    commands,
)
from xbar_drivers.emulated.flex.data_format import FORMATS, FlexDataFormat
from xbar_drivers.emulated.flex.learn import learn
from xbar_drivers.emulated.flex.measurement import MODES, MeasurementPlan
from xbar_drivers.emulated.flex.runner import FlexRunner
from xbar_drivers.emulated.flex.settings_commands import IntegrationCommands, PlanCommands
from xbar_drivers.emulated.instrument import Instrument
from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.smu import Smu
from xbar_drivers.emulated.smu_ranges import KEYSIGHT_B1517A

SLOTS = 10
SMU_MODULES = ("B1517A", "B1511B", "B1511A", "B1510A")
"""SMUs that can be in a slot; all are emulated with the ranges of a B1517A."""

OTHER_MODULES = ("B1520A", "B1525A", "B1530A")
"""Modules that are listed by UNT? and do nothing: capacitance, pulses, waveforms."""

DEFAULT_MODULES = ("B1517A", "B1517A", "B1517A", "B1517A")
DEFAULTS = {"TM": "1", "AV": "1,0", "CM": "1", "AZ": "0", "TSC": "0", "AIT0": "0,1", "AIT1": "0,6", "PAD": "0"}

STORED = ("TM", "CM", "PAD", "ERC", "ERM", "ERS", "ERMOD", "ERSSP", "ODSW", "SIM", "SPRM", "SPM", "SPT", "SPV",
          "SPPER", "SPUPD", "SER", "MCC", "MSC", "ML", "PAX", "VAR", "SCR", "ACT", "DCORR", "ADJ", "IMP", "FC", "ACV",
          "DCV", "LSM", "LSTM", "US", "US42", "PCH", "BGI", "BGV", "RCV", "LGI", "LGV", "OSX", "TGP", "TGSI", "TGSO",
          "TGXO", "TGMO", "TGPC", "WAT", "SIT", "SRP", "SPP", "STGP", "SOPC", "SOVC", "ALS")  # fmt: skip
"""Commands that are taken and only remembered."""

MOST_ERRORS = 4


class KeysightB1500(Instrument):
    """One B1500A; terminals `<name>.1` to `<name>.10` by slot.

    Args:
        name: its name on the bench.
        lines: what its terminals are connected to.
        number: its place on the bench.
        cards: modules of the slots from 1; "" for an empty one.
        noise: whether readings carry the noise of the instrument.

    """

    model: ClassVar[str] = "B1500A"
    terminator: ClassVar[bytes] = b"\r\n"

    def __init__(self, name: str, lines: Lines, number: int, *, cards: Sequence[str] = (), noise: bool = True) -> None:
        super().__init__(name, lines, number)
        self.modules = list(cards or DEFAULT_MODULES)
        known = (*SMU_MODULES, *OTHER_MODULES)
        if len(self.modules) > SLOTS or any(module and module not in known for module in self.modules):
            raise InputError(f"{name}: a B1500A has {SLOTS} slots for {', '.join(known)}; cards are {self.modules}")
        self.channels = {
            slot: FlexChannel(slot, Smu(lines, f"{name}.{slot}", KEYSIGHT_B1517A, noise=noise, seed=number * 16 + slot))
            for slot, module in enumerate(self.modules, 1)
            if module in SMU_MODULES
        }
        self._codes: deque[tuple[int, str]] = deque()
        self._plan, self._formats = MeasurementPlan(), FlexDataFormat()
        self._settings = dict(DEFAULTS)
        self._runner = FlexRunner(self.channels, self._plan, self._formats, self._wait, self.stopping)
        self._actions = self._table()

    @property
    def identity(self) -> str:
        """Get the answer to *IDN?; a real one gives serial number 0."""
        return f"Agilent Technologies,B1500A,{self.serial},A.04.03.2010.0130"

    def _wait(self, seconds: float) -> None:
        self.clock.wait(seconds, self.stopped())

    def outputs_on(self) -> dict[str, str]:
        """Return the channels whose output switch is on."""
        return {str(number): c.smu.level_text() for number, c in self.channels.items() if c.smu.output}

    def line(self, link: Link, text: str) -> None:
        """Execute the commands of one line; the first error ends it."""
        try:
            for command in commands(text):
                if command.name.startswith("*") and command.name != "*LRN?":
                    if not self.common(f"{command.name} {','.join(command.parameters)}"):
                        raise FlexError(*UNDEFINED)
                    continue
                action = self._actions.get(command.name)
                if action is None:
                    if command.name not in STORED:
                        raise FlexError(*UNDEFINED)
                    self._settings[command.name] = ",".join(command.parameters)
                    continue
                answer = action(command)
                if answer is not None:
                    self.reply(answer)
        except FlexError as error:
            if (error.code, error.text) == UNDEFINED:
                self.unknown(text)
            self.fail(error.code, error.text)

    def fail(self, code: int, text: str) -> None:
        """Put an error into the queue of four that ERR? reads."""
        super().fail(code, text)
        while len(self.errors) > MOST_ERRORS:
            self.errors.next()

    def _table(self) -> dict[str, Callable[[Command], str | None]]:
        nothing: Callable[[Command], str | None] = lambda command: None  # noqa: E731  # one name for many commands
        plan = PlanCommands(self._plan, self._named).table()
        integration = IntegrationCommands(self.channels, self._named, self._settings).table()
        return plan | integration | {
            "CN": self._switch_on, "CL": self._switch_off, "DZ": self._zero, "RZ": self._recover,
            "DV": self._force, "DI": self._force, "TI": self._spot, "TV": self._spot, "TIV": self._spot,
            "TTI": self._spot, "TTV": self._spot, "TTIV": self._spot, "FMT": self._format, "MM": self._mode,
            "XE": self._execute, "CMM": self._side, "RI": self._range, "RV": self._range, "RM": nothing,
            "AZ": self._auto_zero, "FL": self._filter, "SSR": self._resistor,
            "TSR": self._reset_time, "TSC": self._time_stamps, "TSQ": self._time, "BC": self._clear_buffer,
            "AB": nothing, "PA": self._pause, "CA": nothing, "*LRN?": self._learn, "ERR?": self._error_codes,
            "ERRX?": self._error_text, "EMG?": self._message_of, "UNT?": self._units, "NUB?": self._waiting,
            "LOP?": lambda command: "LOP" + ",".join(["00"] * SLOTS), "WNU?": lambda command: self._step_count(),
            "CORRST?": lambda command: "0", "SPST?": lambda command: "0", "DIAG?": lambda command: "0",
        }  # fmt: skip

    def _channel(self, number: int) -> FlexChannel:
        # Subchannel 1 of a slot may be written with two digits: 301 is slot 3.
        slot = number if number <= SLOTS else (number - 1) // 100 if number % 100 == 1 else 0
        if slot not in self.channels:
            raise FlexError(*BAD_CHANNEL)
        return self.channels[slot]

    def _named(self, command: Command, index: int = 0) -> FlexChannel:
        return self._channel(command.whole(index, 1, 1002))

    def _several(self, command: Command) -> list[FlexChannel]:
        """Return the channels that a command names; all where it names none."""
        numbers = command.wholes(0, 1, 1002)
        return [self._channel(number) for number in numbers] if numbers else list(self.channels.values())

    def _switch_on(self, command: Command) -> None:
        for channel in self._several(command):
            channel.switch(True)

    def _switch_off(self, command: Command) -> None:
        for channel in self._several(command):
            channel.switch(False)

    def _zero(self, command: Command) -> None:
        for channel in self._several(command):
            channel.zero()

    def _recover(self, command: Command) -> None:
        for channel in self._several(command):
            channel.recover()

    def _force(self, command: Command) -> None:
        """Take DV ch,range,level[,limit[,polarity[,limit range]]] and DI likewise."""
        channel = self._named(command)
        limit = command.number(3) if len(command.parameters) > 3 and command.parameters[3] else None
        channel.force(command.name == "DV", command.whole(1, -5000, 5000), command.number(2), limit)

    def _spot(self, command: Command) -> str:
        """Take TI ch[,range], TV, TIV ch[,range[,range]], with the time in front where the name begins with TT."""
        channel = self._named(command)
        stamped = command.name.startswith("TT")
        kinds = command.name[2 if stamped else 1 :]
        first = command.whole(1, -5000, 5000, 0)
        second = command.whole(2, -5000, 5000, 0)
        current = first if "I" in kinds else None
        voltage = second if kinds == "IV" else first if kinds == "V" else None
        channel.need_on()
        channel.use_ranges(current, voltage)
        return ",".join(self._runner.data(channel, kinds, stamp=stamped))

    def _format(self, command: Command) -> None:
        chosen, sources = command.whole(0, 1, 25), command.whole(1, 0, 10, 0)
        if chosen not in FORMATS:
            raise FlexError(*BAD_VALUE)
        self._formats.format, self._formats.sources = chosen, min(sources, 2)
        self._clear_buffer(command)

    def _mode(self, command: Command) -> None:
        mode = command.whole(0, 1, 28)
        if mode not in MODES:
            raise FlexError(*BAD_VALUE)
        channels = command.wholes(1, 1, 1002)
        self._plan.channels = [self._channel(number).number for number in channels]
        self._plan.mode = mode

    def _execute(self, command: Command) -> str:
        del command
        return ",".join(self._runner.execute())

    def _side(self, command: Command) -> None:
        self._named(command).mode = command.whole(1, 0, 4)

    def _range(self, command: Command) -> None:
        code = command.whole(1, -5000, 5000)
        check_range(code, CURRENT_CODES if command.name == "RI" else VOLTAGE_CODES)
        channel = self._named(command)
        if command.name == "RI":
            channel.current_range = code
        else:
            channel.voltage_range = code

    def _auto_zero(self, command: Command) -> None:
        self._settings["AZ"] = str(command.whole(0, 0, 1))

    def _filter(self, command: Command) -> None:
        on = command.whole(0, 0, 1)
        chosen = [self._channel(number) for number in command.wholes(1, 1, 1002)] or list(self.channels.values())
        for channel in chosen:
            channel.filter_on = on

    def _resistor(self, command: Command) -> None:
        self._named(command).resistor = command.whole(1, 0, 1)

    def _reset_time(self, command: Command) -> None:
        del command
        self._runner.start = self.clock.now()

    def _time_stamps(self, command: Command) -> None:
        self._settings["TSC"] = str(command.whole(0, 0, 1))
        self._runner.time_stamps = self._settings["TSC"] == "1"

    def _time(self, command: Command) -> str:
        letter = next(iter(self.channels.values())).letter if self.channels else "A"
        return self._formats.measured(0, letter, "T", self.clock.now() - self._runner.start)

    def _clear_buffer(self, command: Command) -> None:
        del command
        if self.link is not None:
            self.link.take()

    def _pause(self, command: Command) -> None:
        """Take PA [seconds]."""
        self._wait(min(max(command.number(0, 0.0), 0.0), 99.9999))

    def _learn(self, command: Command) -> str:
        return learn(command.whole(0, 0, 200), self.channels, self._plan, self._formats, self._settings)

    def _error_codes(self, command: Command) -> str:
        del command
        found = [self.errors.next() for _ in range(MOST_ERRORS)]
        return ",".join(str(error.code if error is not None else 0) for error in found)

    def _error_text(self, command: Command) -> str:
        del command
        error = self.errors.next()
        return '+0,"No Error."' if error is None else f'{error.code:+d},"{error.text}"'

    def _message_of(self, command: Command) -> str:
        return UNDEFINED[1] if command.whole(0, 0, 999) == UNDEFINED[0] else "No Error."

    def _units(self, command: Command) -> str:
        del command
        filled = [f"{module},0" if module else "0,0" for module in self.modules]
        return ";".join(filled + ["0,0"] * (SLOTS - len(filled)))

    def _waiting(self, command: Command) -> str:
        del command
        return "0"

    def _step_count(self) -> str:
        return str(self._plan.primary.steps if self._plan.primary is not None else 0)

    def reset(self) -> None:
        """Return to the state after switching on: all output switches off."""
        for channel in self.channels.values():
            channel.reset()
        self._settings.clear()
        self._settings.update(DEFAULTS)
        fresh = MeasurementPlan()
        for name, value in vars(fresh).items():
            setattr(self._plan, name, value)
        self._formats.format, self._formats.sources = 1, 0
        self._runner.time_stamps = False
        self.errors.clear()
