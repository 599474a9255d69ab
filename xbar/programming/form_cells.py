"""Forming: fresh cells get pulses or sweeps of growing amplitude under a compliance, until a reading finds them formed.

The plan is that of every laboratory: lowest voltage first, a reading after each pulse, each cell left alone as soon as
it conducts. It knows nothing but the verbs of one array; what was formed is flagged in the chip file at once, where one
is kept, so that the guard knows it (`Limits.forming_voltage`).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.bench.cell_life import CellFlag
from xbar.bench.crossbar import Crossbar
from xbar.bench.settings import Pulse
from xbar.bench.status import Status
from xbar.errors import InputError, LimitError, Unsupported
from xbar.programming.form_report import FormReport
from xbar.programming.form_settings import FormCells
from xbar.units import show

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def form_cells(crossbar: Crossbar, settings: FormCells, cells: ArrayLike | None = None) -> FormReport:
    """Form cells of one array; a cell that conducts already takes no pulse.

    In each round the cells that are left get one pulse of the next amplitude and are read. One that conducts is read
    once more, and done if it still does: a reading that has strayed is no proof. By sweeps, each cell that is left is
    swept over all amplitudes, and then read.

    Args:
        crossbar: the array.
        settings: amplitudes, compliance, check reading, rules for giving up.
        cells: `(rows, cols)` of bool, which cells to form; None for all.

    Raises:
        InputError: cells of another shape, or settings that cannot be.
        LimitError: amplitudes beyond what the bench gives or its limits allow.
        Unsupported: pulses on a bench that does not take them.

    """
    has = crossbar.capabilities
    asked = np.ones((has.rows, has.cols), bool) if cells is None else np.array(cells)
    if asked.shape != (has.rows, has.cols) or asked.dtype != np.bool_:
        raise InputError(f"forming: cells are {asked.dtype} of shape {asked.shape}; give bool {(has.rows, has.cols)}")
    volts = _checked(crossbar, settings)
    run = _Run(crossbar, settings, np.argwhere(asked))
    left = run.check(np.arange(len(run.places)), 0.0)
    if settings.way == "sweep":
        run.sweeps(left, volts)
    else:
        run.ramp(left, volts)
    return run.report(asked)


def _checked(crossbar: Crossbar, settings: FormCells) -> Floats:
    """Return the amplitudes [V], with their sign."""
    has = crossbar.capabilities
    if settings.way not in ("pulses", "sweep"):
        raise InputError(f"forming: way {settings.way!r} is not known; choose 'pulses' or 'sweep'")
    if settings.way == "pulses" and "pulse" not in has.native:
        raise Unsupported(
            "forming: this bench does not take pulses; form by sweeps (way='sweep'), or use one that does"
        )
    if not 0 < settings.formed < np.inf:
        raise InputError(f"forming: {show(settings.formed, 'S')} as a formed cell must be above 0 S and finite")
    for name in ("repeats", "max_pulses"):
        if getattr(settings, name) < 1:
            raise InputError(f"forming: {name} is {getattr(settings, name)}; give at least 1")
    if settings.read.voltage == 0:
        raise InputError("forming: cells are checked at 0 V, where nothing flows; give a read voltage")
    volts = settings.ramp.voltages()
    most = float(abs(volts[-1]))
    if abs(settings.read.voltage) >= abs(volts[0]):
        raise InputError(
            f"forming: cells are checked at {show(settings.read.voltage, 'V')}, not below the first amplitude of "
            f"{show(float(abs(volts[0])), 'V')}: readings would form them"
        )
    if most > has.voltage_max * (1 + 1e-6):
        raise LimitError(
            f"forming: amplitudes up to {show(most, 'V')} are beyond the sources' {show(has.voltage_max, 'V')}; lower "
            "the last one"
        )
    return volts


class _Run:
    """The cells of one forming, `(n,)` each, and what happened to them."""

    def __init__(self, crossbar: Crossbar, settings: FormCells, places: Ints) -> None:
        self._crossbar, self._how, self.places = crossbar, settings, places
        n = len(places)
        self._found, self._formed_at, self._pulses = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.int64)
        self._readings = 0
        self._first = self._last = np.nan

    def ramp(self, left: Ints, volts: Floats) -> None:
        """Pulse the cells that are left with each amplitude in turn."""
        how = self._how
        for amplitude in volts.tolist():
            pulse = Pulse(amplitude, how.width, current_limit=how.current_limit, unselected=how.unselected)
            for _ in range(how.repeats):
                left = left[self._pulses[left] < how.max_pulses]
                if not len(left):
                    return
                self._crossbar.pulse(self.places[left], pulse)
                self._pulses[left] += 1
                left = self.check(left, abs(amplitude))

    def sweeps(self, left: Ints, volts: Floats) -> None:
        """Sweep each of the cells that are left over the amplitudes."""
        config = replace(self._how.read, current_limit=self._how.current_limit, repeat=1)
        for _ in range(self._how.repeats):
            at = np.full(len(self.places), np.nan)
            for k in left[self._pulses[left] < self._how.max_pulses]:
                readings = self._crossbar.sweep((int(self.places[k, 0]), int(self.places[k, 1])), volts, config)
                conducts = np.flatnonzero(readings.conductance[:, 0] >= self._how.formed)
                # A compliance that acts hides how far the cell has come; the check reading tells whether it is formed.
                limited = np.flatnonzero(readings.status[:, 0] & np.uint32(Status.COMPLIANCE))
                first = min((int(part[0]) for part in (conducts, limited) if len(part)), default=len(volts) - 1)
                at[k] = abs(volts[first])
                self._pulses[k] += 1
            left = self.check(left, at[left])

    def check(self, some: Ints, volts: float | Floats) -> Ints:
        """Read cells; note at which voltage those were formed that conduct twice, and return the others."""
        if not len(some):
            return some
        volts = np.broadcast_to(volts, some.shape)
        conducts = self._conducts(some)
        sure = np.zeros(len(some), bool)
        if conducts.any():
            sure[conducts] = self._conducts(some[conducts])
        done = some[sure]
        self._formed_at[done] = volts[sure]
        if len(done):
            self._crossbar.flag(self.places[done], CellFlag.FORMED)
        return some[~sure]

    def _conducts(self, some: Ints) -> NDArray[np.bool_]:
        readings = self._crossbar.read(self.places[some], self._how.read)
        self._found[some] = readings.conductance.mean(axis=1)
        self._readings += readings.current.size
        self._first = float(np.fmin(self._first, readings.time.min()))
        self._last = float(np.fmax(self._last, readings.time.max()))
        return np.asarray(self._found[some] >= self._how.formed)

    def report(self, asked: NDArray[np.bool_]) -> FormReport:
        """Return what came of it."""
        formed_at, conductance = np.full(asked.shape, np.nan), np.full(asked.shape, np.nan)
        pulses, where = np.zeros(asked.shape, np.int64), tuple(self.places.T)
        formed_at[where], conductance[where], pulses[where] = self._formed_at, self._found, self._pulses
        seconds = 0.0 if np.isnan(self._first) else self._last - self._first
        return FormReport(asked, formed_at, conductance, pulses, self._readings, seconds)
