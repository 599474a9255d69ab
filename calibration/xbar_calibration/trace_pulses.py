"""Pulses of a trace: which cell got which pulse when, and the trains that they make with the readings between them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from xbar.bench.operation import OperationKind
from xbar.trace.reader import Trace
from xbar_calibration.fit import Floats, Ints
from xbar_calibration.observations import Ramps, Visits

SHORTEST: Final = 4
"""Readings of the shortest train that is used."""
MOST_TRAINS: Final = 4096
BEFORE: Final = 10.0
"""How long before the first pulse readings still belong to the trains [s]."""


@dataclass(frozen=True, eq=False)
class PulseEvents:
    """One row a cell and pulse operation; `(p,)` each."""

    cell: Ints
    time: Floats
    """End of the pulses [s]."""
    voltage: Floats
    """[V]."""
    width: Floats
    """[s]."""
    count: Ints


def pulse_events(trace: Trace, array: int | None, shape: tuple[int, int]) -> PulseEvents:
    """Return the pulses of a trace, of one array or of all."""
    parts: list[tuple[Ints, float, float, float, int]] = []
    for index in np.flatnonzero(trace.operations["kind"] == OperationKind.PULSE):
        operation = trace[int(index)]
        request = operation.request
        if request.cells is None or request.pulse is None or (array is not None and request.arrays[0] != array):
            continue
        cell = (request.arrays[0] * shape[0] + request.cells[:, 0]) * shape[1] + request.cells[:, 1]
        pulse = request.pulse
        parts.append((cell.astype(np.int64), operation.ended, pulse.voltage, pulse.width, request.count or 1))
    if not parts:
        return PulseEvents(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    lengths = [len(part[0]) for part in parts]
    time, volts, width, count = (np.repeat([float(part[k]) for part in parts], lengths) for k in range(1, 5))
    return PulseEvents(np.concatenate([p[0] for p in parts]), time, volts, width, count.astype(np.int64))


def ramps_of(times: Floats, events: PulseEvents, visits: Visits) -> Ramps | None:
    """Return trains of equal pulses with a reading after each; None where there are none of `SHORTEST` readings.

    Of several amplitudes the commonest of each polarity is used.
    """
    ups, downs = list[Floats](), list[Floats]()
    owners: dict[int, list[int]] = {1: [], -1: []}
    strong = {}
    for sign in (1, -1):
        own = events.voltage * sign > 0
        if own.any():
            kinds = np.column_stack([events.voltage, events.width, events.count])[own]
            values, counts = np.unique(kinds, axis=0, return_counts=True)
            strong[sign] = values[counts.argmax()]
    every = {sign: int(kind[2]) for sign, kind in strong.items()}
    if not strong or len(set(every.values())) != 1:
        return None
    pulsed, pulses = _by_cell(events.cell)
    read, seen = _by_cell(visits.cell)
    noises = list[Floats]()
    for cell, mine in zip(pulsed.tolist(), pulses, strict=True):
        if len(ups) + len(downs) >= MOST_TRAINS:
            break
        at = np.searchsorted(read, cell)
        if at == len(read) or read[at] != cell:
            continue
        here = seen[at][times[seen[at]] >= events.time[mine].min() - BEFORE]
        many = here[visits.count[here] >= 2]
        noises.append(visits.squares[many] / (visits.count[many] - 1) / visits.count[many])
        for values, sign in _trains(events, mine, times[here], visits.mean[here], strong):
            (ups if sign > 0 else downs).append(values)
            owners[sign].append(int(cell))
    if not ups and not downs:
        return None
    first, second = strong.get(1, np.full(3, np.nan)), strong.get(-1, np.full(3, np.nan))
    width = float(first[1] if np.isfinite(first[1]) else second[1])
    every_pulse = next(iter(every.values()))
    devices = (np.array(owners[1], np.int64), np.array(owners[-1], np.int64))
    volts = (float(first[0]), float(second[0]))
    known = np.concatenate(noises)
    reading = float(np.sqrt(known.mean())) if len(known) else np.nan
    return Ramps(_padded(ups), _padded(downs), 1.0, every_pulse, *volts, width, devices, reading)


def _by_cell(cell: Ints) -> tuple[Ints, list[Ints]]:
    """Return the cells, and for each the rows that are its own."""
    order = np.argsort(cell, kind="stable")
    found, start = np.unique(cell[order], return_index=True)
    return found, np.split(order, start[1:])


def _trains(
    events: PulseEvents, mine: Ints, times: Floats, g: Floats, strong: dict[int, Floats]
) -> list[tuple[Floats, int]]:
    """Return (values, polarity) of the trains of one cell."""
    moment = np.r_[events.time[mine], times]
    kind = np.r_[np.zeros(len(mine)), np.ones(len(times))]
    volts, width = np.r_[events.voltage[mine], np.zeros(len(times))], np.r_[events.width[mine], np.zeros(len(times))]
    value = np.r_[np.zeros(len(mine)), g]
    found, train, sign, pending = list[tuple[Floats, int]](), list[float](), 0, 0
    for k in np.argsort(moment, kind="stable"):
        if kind[k]:
            if pending == 1:
                train.append(float(value[k]))
            else:
                found += _kept(train, sign)
                train, sign = [float(value[k])], 0
            pending = 0
            continue
        own = 1 if volts[k] > 0 else -1
        usual = strong.get(own)
        pending += 1
        if usual is None or volts[k] != usual[0] or width[k] != usual[1]:
            pending = 2
        elif sign not in (0, own):
            found += _kept(train, sign)
            train = train[-1:]
        sign = own
    return found + _kept(train, sign)


def _kept(train: list[float], sign: int) -> list[tuple[Floats, int]]:
    return [(np.array(train), sign)] if len(train) >= SHORTEST and sign else []


def _padded(trains: list[Floats]) -> Floats:
    longest = max(map(len, trains), default=0)
    table = np.full((longest, len(trains)), np.nan)
    for k, train in enumerate(trains):
        table[: len(train), k] = train
    return table
