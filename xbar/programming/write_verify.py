"""Write-verify: pulses of growing amplitude and readings in turn, until each cell lies in a band around its target.

Incremental step pulse programming (ISPP) with band, confirming read, step, change of polarity and rules for giving up,
as the NeuRRAM chip was written: W. Wan et al., Nature 608, 504 (2022), and its `wupdate_control.py`.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.bench.crossbar import Crossbar
from xbar.errors import InputError, LimitError, Unsupported
from xbar.programming.pulse_steps import PulseSteps
from xbar.programming.write_report import WriteReport
from xbar.programming.write_settings import WriteVerify
from xbar.units import show

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOISE_CELLS = 64
"""Cells whose readings are repeated to learn their noise."""

NOISE_REPEATS = 8

PASSES = 4
"""How often the pulses of others may move a cell out of the band before it counts as not reached."""

NOISE_IN_BAND = 1.5
"""Standard deviations of a verifying reading that the band must have: with fewer, most confirming reads miss it."""


def write_verify(crossbar: Crossbar, targets: ArrayLike, settings: WriteVerify) -> WriteReport:
    """Write cells until they lie in the band, or are given up; a cell that lies in it takes no pulse.

    In each round the cells that are left are read. One in the band is read once more, and done if it still is. Another
    gets one pulse towards its target: the next amplitude of its staircase where the last pulse had the same polarity,
    else the first. Cells of one amplitude are pulsed in one call. When no cell is left, all are read again: those that
    the pulses of others have moved out of the band go on.

    Args:
        crossbar: the array.
        targets: `(rows, cols)` [S]; NaN leaves a cell as it is.
        settings: band, pulses, readings, rules for giving up.

    Raises:
        InputError: targets of another shape, not above 0 S or out of the range of the array, or settings that cannot
            be; a band narrower than the noise of the verifying reading, before any pulse is spent.
        LimitError: amplitudes beyond what the bench gives.
        Unsupported: the bench does not take pulses.

    """
    wanted = checked_targets(crossbar, targets, "write-verify")
    stairs = checked_stairs(crossbar, settings)
    places = np.argwhere(~np.isnan(wanted))
    if len(places):
        _check_noise(crossbar, places, settings)
    run = _Run(crossbar, settings, places, wanted[tuple(places.T)], stairs)
    run.all_rounds()
    return run.report(wanted)


def checked_targets(crossbar: Crossbar, targets: ArrayLike, what: str) -> Floats:
    """Return targets `(rows, cols)` [S] as float64; raises `InputError` for another shape or range of the array."""
    has = crossbar.capabilities
    wanted = np.array(targets, np.float64)
    if wanted.shape != (has.rows, has.cols):
        raise InputError(f"{what}: targets are {wanted.shape}, the array is {(has.rows, has.cols)}; pad them with NaN")
    low, high = has.conductance_range or (0.0, np.inf)
    outside = (wanted < low * (1 - 1e-7)) | (wanted > high * (1 + 1e-7)) | np.isinf(wanted)
    if outside.any():
        raise InputError(
            f"{what}: {int(outside.sum())} targets lie outside {show(low, 'S')} to {show(high, 'S')} (worst: "
            f"{show(float(wanted[outside][np.argmax(np.abs(wanted[outside] - low))]), 'S')}); clip them"
        )
    return wanted


def checked_stairs(crossbar: Crossbar, settings: WriteVerify) -> tuple[Floats, Floats]:
    """Return the amplitudes of SET and RESET [V]; raises what `write_verify` does for settings that cannot be."""
    has = crossbar.capabilities
    if "pulse" not in has.native:
        raise Unsupported("write-verify: this bench does not take pulses; use a card or a bench that does")
    if not 0 < settings.band < np.inf:
        raise InputError(f"write-verify: band {show(settings.band, 'S')} must be above 0 S and finite")
    for name in ("max_pulses", "max_turns", "max_at_stop"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise InputError(f"write-verify: {name} is {value}; give at least 1")
    if settings.read.voltage == 0:
        raise InputError("write-verify: cells are read at 0 V, where nothing flows; give a read voltage")
    up, down = settings.set.voltages(), settings.reset.voltages()
    if up[0] * down[0] >= 0:
        raise InputError(
            f"write-verify: SET at {show(up[0], 'V')} and RESET at {show(down[0], 'V')} must have opposite signs"
        )
    most = max(abs(up[-1]), abs(down[-1]))
    if most > has.voltage_max * (1 + 1e-6):
        raise LimitError(
            f"write-verify: pulses up to {show(most, 'V')} are beyond the sources' {show(has.voltage_max, 'V')}; "
            "lower the last amplitude"
        )
    return up, down


def _check_noise(crossbar: Crossbar, places: Ints, settings: WriteVerify) -> None:
    some = places[:: max(1, len(places) // NOISE_CELLS)][:NOISE_CELLS]
    readings = crossbar.read(some, replace(settings.read, repeat=NOISE_REPEATS))
    noise = float(np.sqrt(np.mean(readings.conductance.var(axis=1, ddof=1)) / settings.read.repeat))
    if settings.band < NOISE_IN_BAND * noise:
        raise InputError(
            f"write-verify: the band of {show(settings.band, 'S')} is narrower than {NOISE_IN_BAND:g} times the noise "
            f"of a verifying reading, {show(noise, 'S')}: cells would come into it and leave it by chance. Average "
            "more readings (`read.repeat`), or widen the band"
        )


class _Run:
    """The cells of one write, `(n,)` each, and what happened to them."""

    def __init__(
        self, crossbar: Crossbar, settings: WriteVerify, places: Ints, target: Floats, stairs: tuple[Floats, Floats]
    ) -> None:
        self._crossbar, self._how, self._places, self._target = crossbar, settings, places, target
        self._steps = PulseSteps(crossbar, settings, places, stairs)
        n = len(places)
        self._found = np.full(n, np.nan)
        self._reached = np.zeros(n, bool)
        self._first = self._last = np.nan
        self._readings = 0

    def all_rounds(self) -> None:
        """Read and pulse until no cell is left, and again for those that are lost by then."""
        left = np.arange(len(self._places))
        for _ in range(PASSES):
            self._rounds(left)
            done = np.flatnonzero(self._reached)
            if not len(done):
                return
            left = done[~self._read(done)]
            self._reached[left] = False
            left = left[~self._steps.given_up(left)]
            if not len(left):
                return

    def _rounds(self, left: Ints) -> None:
        while len(left):
            inside = self._read(left)
            # A reading that has strayed into the band is no proof.
            sure = left[inside]
            if len(sure):
                confirmed = self._read(sure)
                self._reached[sure] = confirmed
            left = left[~self._reached[left]]
            left = left[~self._steps.given_up(left)]
            if len(left):
                self._steps.step(left, self._found[left] < self._target[left])

    def _read(self, some: Ints) -> NDArray[np.bool_]:
        """Read cells, and return which of them lie in the band."""
        readings = self._crossbar.read(self._places[some], self._how.read)
        self._found[some] = readings.conductance.mean(axis=1)
        self._readings += readings.current.size
        self._first = float(np.fmin(self._first, readings.time.min()))
        self._last = float(np.fmax(self._last, readings.time.max()))
        return np.asarray(np.abs(self._found[some] - self._target[some]) <= self._how.band)

    def report(self, wanted: Floats) -> WriteReport:
        """Return what came of it."""
        index = tuple(self._places.T)

        def spread(values: NDArray[np.generic], empty: NDArray[np.generic]) -> NDArray[np.generic]:
            empty[index] = values
            return empty

        shape = wanted.shape
        return WriteReport(
            wanted,
            np.asarray(spread(self._found, np.full(shape, np.nan)), np.float64),
            np.asarray(spread(self._reached, np.zeros(shape, bool)), bool),
            np.asarray(spread(self._steps.pulses, np.zeros(shape, np.int64)), np.int64),
            np.asarray(spread(self._steps.turns, np.zeros(shape, np.int64)), np.int64),
            self._readings,
            0.0 if np.isnan(self._first) else self._last - self._first,
        )
