"""Commands of a B1500A that prepare measurements: swept and sampled sources, timing; integration times."""

from collections.abc import Callable, Mapping

from xbar_drivers.emulated.flex.channel import CURRENT_CODES, VOLTAGE_CODES, FlexChannel, check_range
from xbar_drivers.emulated.flex.commands import BAD_VALUE, MISSING, Command, FlexError
from xbar_drivers.emulated.flex.measurement import MOST_SAMPLES, MeasurementPlan, sweep_source

Action = Callable[[Command], None]


class PlanCommands:
    """WV, WI, WSV, WSI, WNX, WT, WM, MT, MV, MI.

    Args:
        plan: what they set.
        named: returns the channel that a parameter names.

    """

    def __init__(self, plan: MeasurementPlan, named: Callable[[Command, int], FlexChannel]) -> None:
        self._plan, self._named = plan, named

    def table(self) -> dict[str, Action]:
        """Return the commands by name."""
        return {
            "WV": self._sweep, "WI": self._sweep, "WSV": self._sweep, "WSI": self._sweep, "WNX": self._further,
            "WT": self._timing, "WM": self._after, "MT": self._sampling_time, "MV": self._sampling_source,
            "MI": self._sampling_source,
        }  # fmt: skip

    def _sweep(self, command: Command) -> None:
        synchronous = command.name.startswith("WS")
        found = sweep_source(command, self._named(command, 0), synchronous)
        if synchronous:
            self._plan.synchronous = found
        else:
            self._plan.primary, self._plan.synchronous, self._plan.more = found, None, []

    def _further(self, command: Command) -> None:
        """Take WNX n,ch,mode,range,start,stop[,limit[,power]]: mode 1 sweeps a voltage, 2 a current."""
        command.whole(0, 2, 10)
        if len(command.parameters) < 4:
            raise FlexError(*MISSING)
        voltage = command.whole(2, 1, 2) == 1
        rest = (command.parameters[1], *command.parameters[3:])
        further = sweep_source(Command("WSV" if voltage else "WSI", rest), self._named(command, 1), True)
        self._plan.more.append(further)

    def _timing(self, command: Command) -> None:
        plan = self._plan
        values = [command.number(k, 0.0) for k in range(5)]
        if not (0 <= values[0] <= 655.35 and all(0 <= value <= 65.535 for value in values[1:])):
            raise FlexError(*BAD_VALUE)
        plan.hold, plan.delay, plan.step_delay = values[:3]
        plan.trigger_delays = (values[3], values[4])

    def _after(self, command: Command) -> None:
        self._plan.abort, self._plan.post = command.whole(0, 1, 512), command.whole(1, 1, 2, 1)

    def _sampling_time(self, command: Command) -> None:
        """Take MT hold bias, interval, samples[, hold base]."""
        interval, samples = command.number(1), command.whole(2, 1, MOST_SAMPLES)
        if not 1e-4 <= interval <= 65.535:
            raise FlexError(*BAD_VALUE)
        self._plan.sample_hold, self._plan.interval = max(0.0, command.number(0)), interval
        self._plan.samples = samples

    def _sampling_source(self, command: Command) -> None:
        """Take MV ch,range,base,bias[,limit] and MI likewise."""
        channel, voltage = self._named(command, 0), command.name == "MV"
        code = command.whole(1, -5000, 5000)
        check_range(code, VOLTAGE_CODES if voltage else CURRENT_CODES)
        limit = command.number(4) if len(command.parameters) > 4 else None
        self._plan.sample_sources[channel.number] = (voltage, code, command.number(2), command.number(3), limit)


class IntegrationCommands:
    """AAD, AIT, AV: which converter a channel has, and how long each integrates.

    Args:
        channels: by number.
        named: returns the channel that a parameter names.
        settings: where `AIT0`, `AIT1` and `AV` are kept as text.

    """

    def __init__(
        self,
        channels: Mapping[int, FlexChannel],
        named: Callable[[Command, int], FlexChannel],
        settings: dict[str, str],
    ) -> None:
        self._channels, self._named, self._settings = channels, named, settings

    def table(self) -> dict[str, Action]:
        """Return the commands by name."""
        return {"AAD": self._converter, "AIT": self._integration, "AV": self._average}

    def _converter(self, command: Command) -> None:
        self._named(command, 0).adc = command.whole(1, 0, 2)
        self._integrate()

    def _integration(self, command: Command) -> None:
        """Take AIT converter, mode[, count]: mode 0 automatic, 1 a number of samples, 2 power-line cycles."""
        converter, mode = command.whole(0, 0, 2), command.whole(1, 0, 3)
        default = 1 if converter == 0 else 6
        count = command.number(2, default)
        if not 0 < count <= 1023:
            raise FlexError(*BAD_VALUE)
        self._settings[f"AIT{converter}"] = f"{mode},{count:g}"
        self._integrate()

    def _integrate(self) -> None:
        """Bring the integration times of all channels to the converters' settings."""
        for channel in self._channels.values():
            mode, _, count = self._settings.get(f"AIT{channel.adc}", "0,1").partition(",")
            # A sample of the high-speed converter takes about 20 us, one of the high-resolution converter 1 ms.
            sample = (1e-3, 0.05, 1e-3)[channel.adc]
            low, high = channel.smu.ranges.nplc
            cycles = float(count) if mode == "2" else sample * float(count)
            channel.smu.nplc = min(max(cycles, low), high)

    def _average(self, command: Command) -> None:
        """Take AV n[,mode]: n samples, or -n power-line cycles of the high-speed converter."""
        count = command.whole(0, -100, 1023)
        if count == 0:
            raise FlexError(*BAD_VALUE)
        self._settings["AV"] = f"{count},{command.whole(1, 0, 1, 0)}"
        self._settings["AIT0"] = f"2,{-count}" if count < 0 else f"1,{count}"
        self._integrate()
