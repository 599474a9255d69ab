"""Readings of single cells in time: ageing, 1/f and telegraph noise at the moment of each reading, and the I-V law."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.array.cell_array import CellArray, Floats
from xbar.array.pulses import rounds
from xbar.array.rewriting import rewrite
from xbar.devices.dynamics import DynamicModel, Response, respond
from xbar.devices.iv_law import at_read
from xbar.devices.noise_spectrum import SpectralNoise
from xbar.random import Purpose

Ints = NDArray[np.int64]


def numbers(cells: CellArray, places: NDArray[np.int64]) -> Ints:
    """Return the numbers of cells (n, 2) along the rows."""
    return places[:, 0] * cells.shape[1] + places[:, 1]


def conductances_at(cells: CellArray, some: Ints, times: Floats, last: Floats, time: float, event: int) -> Floats:
    """Return the conductances `(n, repeat)` [S] of cells at the times of their readings, without white noise.

    Args:
        cells: the cells of the array.
        some: `(n,)` numbers along the rows; a cell may be named more than once.
        times: `(n, repeat)` of the readings [s], in order.
        last: conductances of the array `(rows, cols)` at `time`, faults and one draw of 1/f noise in them [S].
        time: the end of the reading [s].
        event: number of the reading.

    """
    card = cells.card
    g = np.broadcast_to(last.ravel()[some][:, None], times.shape)
    free = ((cells.stuck == 0) & (cells.open == 0)).ravel()[some][:, None]
    if any(law is not None for law in (card.relaxation, card.drift, card.retention)):
        g = np.where(free, _at_times(cells, some, times, g, time), g)
    noisy = free & ~np.isnan(cells.target.ravel()[some])[:, None]
    if isinstance(card.flicker_noise, SpectralNoise):
        deviation = _spectral(cells, card.flicker_noise, some, times, event)
        g = np.where(noisy, np.maximum(g * (1.0 + deviation), 0.0), g)
    if card.random_telegraph_noise is not None:
        full = _telegraph(cells, some, times)
        traps = np.broadcast_to(cells.traps.ravel()[some][:, None], times.shape)
        g = np.where(noisy, card.random_telegraph_noise.conductance(g, full, traps), g)
    return g


def _at_times(cells: CellArray, some: Ints, times: Floats, last: Floats, time: float) -> Floats:
    """Return what cells that are `last` at `time` are at the times of their readings."""
    card, written_at = cells.card, cells.written_at.ravel()[some][:, None]
    age, end = np.maximum(times - written_at, 0.0), np.broadcast_to(np.maximum(time - written_at, 0.0), times.shape)
    if card.drift is not None and card.relaxation is None and card.retention is None:
        nu = np.broadcast_to(cells.exponent.ravel()[some][:, None], times.shape)
        age, end = cells.ageing.seconds(age), cells.ageing.seconds(end)
        return np.asarray(last * (card.drift.factor(nu, age) / card.drift.factor(nu, end)))
    written = cells.written().at(np.unravel_index(some, cells.shape)).at((slice(None), None))
    change = cells.ageing.conductances(written, age) - cells.ageing.conductances(written, end)
    return np.maximum(last + change, 0.0)


def _spectral(cells: CellArray, law: SpectralNoise, some: Ints, times: Floats, event: int) -> Floats:
    """Return relative deviations (n, repeat) with the spectrum of the law over the repeated readings of each cell.

    The rows of a reading are apart: only the repeats of one row hang together.
    """
    n, repeat = times.shape
    step = float(times[0, 1] - times[0, 0]) if n and repeat > 1 else 0.0
    rows = np.arange(n)
    found = np.empty(times.shape)
    state = np.empty((law.processes, n))
    for k in range(repeat):
        # One event for each process and repeat of this reading, so that the numbers of two readings never meet.
        first = event * 2**32 + k * law.processes
        events = np.broadcast_to(np.arange(first, first + law.processes, dtype=np.uint64)[:, None], state.shape)
        z = cells.draws.cell_normals(events.ravel(), np.tile(rows, law.processes), Purpose.SPECTRAL_NOISE)
        z = z.reshape(state.shape)
        state = np.asarray(law.start(z) if k == 0 else law.advance(state, step, z))
        found[:, k] = law.relative(state)
    return found


def _telegraph(cells: CellArray, some: Ints, times: Floats) -> NDArray[np.int8]:
    """Return which traps are full (n, repeat) at each reading, and keep that: the next reading goes on from there."""
    law = cells.card.random_telegraph_noise
    assert law is not None
    flat, when = np.repeat(some, times.shape[1]), times.ravel()
    found = np.empty(len(flat), np.int8)
    trap, trap_at, drawn = cells.trap.reshape(-1), cells.trap_at.reshape(-1), cells.trap_draws.reshape(-1)
    turns = list(rounds(flat))
    turn = np.empty(len(flat), np.int64)
    for k, pick in enumerate(turns):
        turn[pick] = k
    u = cells.draws.cell_uniforms((drawn[flat] + turn).astype(np.uint64), flat, Purpose.TRAP_STATE)
    np.add.at(drawn, flat, 1)
    for pick in turns:
        own = flat[pick]
        found[pick] = law.advance(trap[own].astype(np.int8), np.maximum(when[pick] - trap_at[own], 0.0), u[pick])
        trap[own], trap_at[own] = found[pick], when[pick]
    return found.reshape(times.shape)


@dataclass(frozen=True, eq=False)
class Measured:
    """Readings of single cells, each part `(n, repeat)`."""

    time: Floats
    """[s]."""
    current: Floats
    """[A]."""
    voltage: Floats
    """Across the cell [V]: below that of the source where the compliance acts."""


@dataclass(frozen=True, eq=False)
class Chord:
    """Cells at the voltages of their readings, each `(n, repeat)`."""

    conductance: Floats
    """Current over the voltage of the source [S]."""
    voltage: Floats
    """Across the cell [V]: below the source's where the compliance acts."""


def chords(cells: CellArray, some: Ints, g: Floats, volts: Floats, seconds: float, limit: float | None) -> Chord:
    """Return what cells of `g` [S] at the read voltage do at voltages `(n, repeat)` [V] that stand for `seconds` each.

    Ohm's law, the card's I-V law, or its dynamic model, whose cells follow the voltage, the compliance `limit` [A]
    acting on them.
    """
    law, model, read_voltage = cells.card.iv_nonlinearity, cells.card.dynamics, cells.card.read_voltage
    if model is not None:
        return _follow(cells, model, some, g, volts, seconds, limit)
    if law is None:
        return Chord(g, volts)
    own = np.asarray(at_read(law, g, read_voltage))
    return Chord(_over(np.asarray(law.current(volts, own)), volts, g), volts)


def _over(current: Floats, volts: Floats, g: Floats) -> Floats:
    """Return current over voltage; `g` at 0 V, where no current flows anyway."""
    return np.where(volts == 0, g, current / np.where(volts == 0, 1.0, volts))


def _follow(
    cells: CellArray, model: DynamicModel, some: Ints, g: Floats, volts: Floats, seconds: float, limit: float | None
) -> Chord:
    """Let cells follow voltages, one row after the other; they keep what they have become."""
    before = cells.programmed.ravel()[some][:, None]
    answer = _response(cells, model, some, volts, seconds, limit)
    # What time and noise make of the conductance at the read voltage, they make of every current.
    factor = np.where(before > 0, g / np.where(before > 0, before, 1.0), 1.0)
    found = _over(np.asarray(answer.current) * factor, volts, g)
    fixed = cells.fixed().ravel()[some][:, None]
    return Chord(np.where(fixed, g, found), np.where(fixed, volts, answer.voltage))


def _response(
    cells: CellArray, model: DynamicModel, some: Ints, volts: Floats, seconds: float, limit: float | None
) -> Response:
    cells.detach()
    position = cells.position.reshape(-1)
    n, repeat = volts.shape
    parts = [np.empty(volts.shape) for _ in range(3)]
    if n and (some == some[0]).all():
        waves = [(np.arange(n), volts.reshape(-1, 1))]
    elif len(np.unique(some)) == n:
        waves = [(np.arange(n), volts.T)]
    else:
        waves = [(np.array([k]), volts[k][:, None]) for k in range(n)]
    for rows, wave in waves:
        own = some[rows[: wave.shape[1]]]
        start = position[own]
        answer = respond(model, start, wave, np.full(len(wave), seconds), limit)
        if len(wave):
            position[own] = np.where(cells.fixed().ravel()[own], start, answer.state[-1])
        for part, values in zip(parts, (answer.state, answer.voltage, answer.current), strict=True):
            part[rows] = values.T.reshape(len(rows), repeat)
    return Response(*parts)


def settle(cells: CellArray, some: Ints, before: Floats, time: float) -> bool:
    """Note which of some cells were moved from the states `before` (n,) by a reading that ended now; tell whether any.

    A cell that a sweep has moved counts as written.
    """
    assert cells.movable is not None
    own, first = np.unique(some, return_index=True)
    moved = own[cells.position.ravel()[own] != before[first]]
    if len(moved):
        g = cells.movable.conductance(cells.position.ravel()[moved])
        rewrite(cells, moved, g, np.full(len(moved), time))
    return bool(len(moved))
