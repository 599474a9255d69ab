"""The methods of `xbar program`: forming, write-verify, the closed loop on products; what each asks, does and shows."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xbar.bench.cell_life import CellFlag
from xbar.bench.settings import ReadConfig, Unselected
from xbar.errors import InputError
from xbar.programming.form_cells import form_cells
from xbar.programming.form_report import FormReport
from xbar.programming.form_settings import FormCells, Way
from xbar.programming.product_descent import descend
from xbar.programming.product_report import ProductReport
from xbar.programming.product_settings import ProductDescent
from xbar.programming.write_report import WriteReport
from xbar.programming.write_settings import WriteVerify
from xbar.programming.write_verify import write_verify
from xbar.units import show

if TYPE_CHECKING:
    from xbar.bench.bench import Bench
    from xbar.bench.crossbar import Crossbar
    from xbar.devices.card import DeviceCard

Report = FormReport | WriteReport | ProductReport
Floats = NDArray[np.float64]

METHODS = ("form", "ispp", "gdp")


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; None for what it does not say."""

    band: float | None = None
    """[S]."""
    max_pulses: int = 100
    readings: int = 1
    first: float | None = None
    """First amplitude of forming [V]."""
    step: float | None = None
    last: float | None = None
    compliance: float | None = None
    """[A]."""
    sweep: bool = False
    tolerance: float | None = None
    """[S]."""
    positive: bool = False
    width: float | None = None
    """Of every pulse [s]."""
    unselected: Unselected | None = None
    """What the other lines are tied to during a pulse."""


class Method(Protocol):
    """One way to bring the cells of an array to where a map wants them."""

    @property
    def heads(self) -> tuple[str, ...]:
        """Get the heads of the columns of the table."""

    @property
    def writes(self) -> bool:
        """Whether the cells hold the map afterwards."""

    @property
    def verbs(self) -> tuple[str, ...]:
        """Get what the bench must be able to do."""

    def effort(self) -> str:
        """Return what real cells will see at most, to be asked about."""

    def run(self, crossbar: "Crossbar", targets: Floats) -> Report:
        """Bring the cells of one array to their targets (rows, cols) [S], NaN where there is none."""

    def row(self, report: Any) -> list[str]:
        """Return the columns of one array."""


def choose(name: str, asked: Asked, card: "DeviceCard", bench: "Bench", standing: bool) -> Method:
    """Return the method of a name; `standing` tells that the map is on the cells already.

    Raises `InputError` for one that is not known, or a card that it cannot use.
    """
    if name not in METHODS:
        raise InputError(f"method {name!r} is not known; known are {', '.join(METHODS)}")
    if name == "form":
        return _Form(_forming(asked, card, bench))
    if name == "ispp" and asked.band is None:
        raise InputError("--method ispp needs the band around a target, such as --band '2 uS'")
    pulses = "pulse" in bench.capabilities.native and card.write is not None
    if not pulses and (name == "ispp" or asked.band is not None):
        lack = "names no write pulses" if card.write is None else "has no law of what a pulse does"
        raise InputError(
            f"card {card.name!r} {lack}; "
            "map with one that has both (see xbar cards: write), run without xbar program (xbar run writes in one "
            "shot), or use --method gdp without --band"
        )
    write = _writing(asked, card, bench) if pulses else None
    if name == "ispp":
        assert write is not None
        return _WriteVerify(write)
    return _Products(write, asked, card.read_voltage, "program" in bench.capabilities.native and not standing)


def unselected_of(text: str | None) -> Unselected | None:
    """Return what other lines are tied to, by its word. Raises `InputError` for another word."""
    try:
        return None if text is None else Unselected(text)
    except ValueError:
        known = ", ".join(mode.value for mode in Unselected)
        raise InputError(f"--unselected {text!r} is not known; choose one of {known}") from None


def _writing(asked: Asked, card: "DeviceCard", bench: "Bench") -> WriteVerify:
    assert card.write is not None
    band = asked.band if asked.band is not None else (card.g_max - card.g_min) / 20
    read = ReadConfig(voltage=card.read_voltage, repeat=asked.readings)
    mode = _others(asked, bench, Unselected.HALF)
    found = WriteVerify.for_device(card.write, band, max_pulses=asked.max_pulses, read=read, unselected=mode)
    found = found if asked.compliance is None else replace(found, current_limit=asked.compliance)
    found = found if asked.width is None else replace(found, width=asked.width)
    _check_pulses(found.width, _largest(found), card, bench)
    return found


def _others(asked: Asked, bench: "Bench", best: Unselected) -> Unselected:
    """Return what other lines are tied to: as asked, or the best that the bench can.

    Floating lines divide a voltage roughly by two; grounded ones give all of it to every cell of the driven line.
    """
    can = bench.capabilities.unselected
    if asked.unselected is None:
        order = (best, Unselected.HALF, Unselected.THIRD, Unselected.FLOAT, Unselected.GROUND)
        return next(mode for mode in order if mode in can)
    if asked.unselected not in can:
        known = ", ".join(mode.value for mode in Unselected if mode in can)
        raise InputError(
            f"this bench cannot tie other lines to {asked.unselected.value!r}; --unselected can be {known}"
        )
    return asked.unselected


def _check_pulses(width: float, largest: float, card: "DeviceCard", bench: "Bench") -> None:
    """Raise `InputError` or `LimitError` before anything is sent where the bench or the card has no such pulses."""
    least = bench.capabilities.pulse_min
    if width < least * (1 - 1e-9):
        raise InputError(
            f"pulses of {show(width, 's')} are shorter than the {show(least, 's')} that this bench times; write with "
            f"longer ones, --width '{show(least, 's')}' (shortest_pulse of the rack file says what its sources can)"
        )
    if card.write is not None:
        card.write.check(largest, width)


def _forming(asked: Asked, card: "DeviceCard", bench: "Bench") -> FormCells:
    if card.forming is None and not bench.capabilities.hardware:
        raise InputError(
            f"card {card.name!r} has no law of forming: its simulated cells are formed when they are made; write them "
            "with --method ispp, or take a card with [forming], such as generic_forming"
        )
    more = {} if asked.compliance is None else {"current_limit": asked.compliance}
    found = FormCells.for_card(card, **more)
    stairs = {"start": asked.first, "step": asked.step, "stop": asked.last}
    ramp = replace(found.ramp, **{name: value for name, value in stairs.items() if value is not None})
    read = replace(found.read, repeat=asked.readings)
    scheme = _others(asked, bench, found.unselected)
    width = found.width if asked.width is None else asked.width
    if not asked.sweep:
        _check_pulses(width, 0.0, card, bench)
    way: Way = "sweep" if asked.sweep else "pulses"
    found = replace(found, ramp=ramp, read=read, unselected=scheme, way=way, max_pulses=asked.max_pulses)
    return replace(found, width=width)


def _largest(write: WriteVerify) -> float:
    return max(abs(write.set.stop), abs(write.reset.stop))


def _db(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f} dB"


class _Form:
    heads = ("array", "formed", "before", "median voltage", "conductance", "pulses", "bench time")
    writes = False

    def __init__(self, how: FormCells) -> None:
        self._how = how
        self.verbs: tuple[str, ...] = ("read",) if how.way == "sweep" else ("read", "pulse")

    def effort(self) -> str:
        how = self._how
        what = "sweeps" if how.way == "sweep" else "pulses"
        most = how.repeats if how.way == "sweep" else min(how.max_pulses, len(how.ramp.voltages()) * how.repeats)
        return f"at most {most} {what} a cell, up to {show(abs(how.ramp.stop), 'V')} and {show(how.current_limit, 'A')}"

    def run(self, crossbar: "Crossbar", targets: Floats) -> FormReport:
        report = form_cells(crossbar, self._how, ~np.isnan(targets))
        _flag(crossbar, report.asked, report.given_up)
        return report

    def row(self, report: FormReport) -> list[str]:
        found = report.to_dict()
        median, mean = found["forming_voltage_median_V"], found["conductance_mean_S"]
        return [
            f"{report.success:.2%}",
            str(found["formed_before"]),
            "n/a" if median is None else show(median, "V"),
            "n/a" if mean is None else show(mean, "S"),
            str(found["pulses"]),
            show(report.seconds, "s"),
        ]


class _WriteVerify:
    heads = ("array", "reached", "pulses", "rms error", "bench time")
    writes = True
    verbs = ("read", "pulse")

    def __init__(self, how: WriteVerify) -> None:
        self._how = how

    def effort(self) -> str:
        how = self._how
        return (
            f"at most {how.max_pulses} pulses a cell, up to {show(_largest(how), 'V')} and "
            f"{show(how.current_limit, 'A')}"
        )

    def run(self, crossbar: "Crossbar", targets: Floats) -> WriteReport:
        report = write_verify(crossbar, targets, self._how)
        _flag(crossbar, report.asked, report.given_up)
        return report

    def row(self, report: WriteReport) -> list[str]:
        pulses = str(int(report.pulses.sum()))
        return [f"{report.success:.2%}", pulses, show(report.rms_error, "S"), show(report.seconds, "s")]


class _Products:
    heads = ("array", "reached", "writes", "error before", "after", "noise", "rounds", "bench time")
    writes = True

    def __init__(self, write: WriteVerify | None, asked: Asked, largest: float, one_shot: bool) -> None:
        self._first = write if asked.band is not None else None
        self._write, self._asked, self._largest, self._one_shot = write, asked, largest, one_shot
        self.verbs = ("read", "mvm", "program" if write is None else "pulse")

    def effort(self) -> str:
        if self._write is None:
            return "one-shot writes"
        times = 2 if self._first is not None else 1
        return (
            f"at most {times * self._write.max_pulses} pulses a cell, up to {show(_largest(self._write), 'V')} and "
            f"{show(self._write.current_limit, 'A')}"
        )

    def run(self, crossbar: "Crossbar", targets: Floats) -> ProductReport:
        if self._first is not None:
            write_verify(crossbar, targets, self._first)
        elif self._one_shot:
            crossbar.program(targets)
        settings = ProductDescent(
            write=self._write, input_range=self._largest, tolerance=self._asked.tolerance, inputs=self._inputs(targets)
        )
        report = descend(crossbar, targets, settings)
        _flag(crossbar, report.asked, report.given_up)
        return report

    def _inputs(self, targets: Floats) -> Floats | None:
        if not self._asked.positive:
            return None
        rows = targets.shape[0]
        return np.random.default_rng(0).uniform(0.0, self._largest, (12 * rows, rows))

    def row(self, report: ProductReport) -> list[str]:
        found = report.to_dict()
        levels = [_db(found[name]) for name in ("error_before_dB", "error_after_dB", "noise_dB")]
        effort = [str(found["rounds"]), show(report.seconds, "s")]
        return [f"{report.success:.2%}", str(found["pulses"]), *levels, *effort]


def _flag(crossbar: "Crossbar", asked: NDArray[np.bool_], given_up: NDArray[np.bool_]) -> None:
    """Note in the chip file which cells were given up."""
    crossbar.flag(np.argwhere(asked), CellFlag.GAVE_UP, on=False)
    crossbar.flag(np.argwhere(given_up), CellFlag.GAVE_UP)
