"""Cells that pulses move: a pulse law or a dynamic model, with what differs between the devices of one array."""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xbar.array.cell_draws import CellDraws, Floats
from xbar.devices.card import DeviceCard
from xbar.devices.dynamics import DynamicModel, conductance, respond, state_of
from xbar.devices.iv_law import IvLaw, at_read
from xbar.devices.pulse_law import PulseLaw
from xbar.devices.pulse_shapes import PulsedDevices
from xbar.devices.write_conditions import WriteConditions
from xbar.random import Purpose

Ints = NDArray[np.int64]

EDGE_STEPS = 8
"""Steps of constant voltage that stand for a rising or falling edge in a dynamic model."""

STATES = 65
"""States of a dynamic model at which a voltage is tried: one that moves none of them moves no cell."""

BY_WRITE = np.uint64(2**63)
"""Marks the events of the write noise of one-shot writes, which are counted apart from pulses."""

HALVINGS = 50
"""Halvings of the voltage of a source that has reached its compliance."""


@dataclass(frozen=True)
class Train:
    """Equal pulses on one cell, one after the other. A pulse law knows no edges; they take their time alone."""

    voltage: float
    """Across the selected cell, row minus column [V]."""
    width: float
    """At half amplitude [s]."""
    rise: float = 0.0
    """[s]."""
    fall: float = 0.0
    """[s]."""
    current_limit: float = np.inf
    """Compliance [A]."""
    count: int = 1

    @property
    def seconds(self) -> float:
        """Get the time that the train takes [s]."""
        return (self.rise + self.width + self.fall) * self.count


@dataclass(frozen=True, eq=False)
class CellPulses:
    """What the cells of one step are and had before it; each `(n,)`."""

    cells: Ints
    """Numbers along the rows."""
    position: Floats
    """State of the law or model."""
    wear: Floats
    """Nominal pulses so far."""
    pulses: NDArray[np.uint64]
    """Pulses so far, weak ones too: which random numbers are next."""
    lifetime: Floats
    """Nominal pulses after which a cell fails."""


class MovableCells(Protocol):
    """What a pulse law and a dynamic model have in common."""

    def position(self, g: Floats) -> Floats:
        """Return the states of conductances [S]; within the device's own bounds, for cells `(rows, cols)`."""

    def aged(self, position: Floats, change: Floats) -> Floats:
        """Return the states of some cells whose conductance has changed by so much [S] in time."""

    def conductance(self, position: Floats) -> Floats:
        """Return the conductances [S] of states."""

    def seen(self, position: Floats, cells: Ints, pulses: NDArray[np.uint64]) -> Floats:
        """Return the conductances [S] that readings see of some cells until their next pulse."""

    def written(self, position: Floats, write: int) -> Floats:
        """Return the conductances [S] that readings see after one-shot write number `write`, of cells (rows, cols)."""

    def moves(self, volts: Floats, width: float) -> NDArray[np.bool_]:
        """Return which of these voltages across a cell [V] move any cell in this time [s]."""

    def move(self, before: CellPulses, volts: Floats, train: Train, limited: bool) -> tuple[Floats, Floats]:
        """Return states and wear of cells after a train at these voltages across them [V].

        `limited` tells whether the compliance acts: it does on the selected cell, which carries the source's current.
        """


def movable_cells(card: DeviceCard, draws: CellDraws) -> MovableCells | None:
    """Return what moves the cells of an array of a card, None where pulses cannot."""
    if card.dynamics is not None:
        return DynamicCells(card.dynamics, card.read_voltage)
    if card.pulse_response is not None and card.write is not None:
        return PulsedCells(card, card.pulse_response, card.write, draws)
    return None


class PulsedCells:
    """Cells of a pulse law; the voltage tells how many nominal pulses a pulse is worth."""

    def __init__(self, card: DeviceCard, law: PulseLaw, write: WriteConditions, draws: CellDraws) -> None:
        self._card, self._law, self._write, self._draws = card, law, write, draws
        empty = np.zeros((0, *draws.shape))
        z = [draws.normals(k, Purpose.PULSED_DEVICES) for k in range(law.device_normals)]
        u = [draws.uniforms(law.device_normals + k, Purpose.PULSED_DEVICES) for k in range(law.device_uniforms)]
        self._devices = law.devices(np.stack(z) if z else empty, np.stack(u) if u else empty)
        ones = np.ones(1)
        self._noisy = bool((law.apparent(law.state(card.g_max * ones), ones) != law.state(card.g_max * ones)).any())
        # A law of the write error was measured on written cells: what they can reach is in it.
        self.bounded = "programming_error" not in dict(card.valid)

    def position(self, g: Floats) -> Floats:
        """Return the states of conductances [S], within the bounds of each device where no write law tells."""
        wanted = np.asarray(self._law.state(self._positive(g)))
        if not self.bounded:
            return wanted
        return np.asarray(np.minimum(np.maximum(wanted, self._devices.w_min), self._devices.w_max))

    def aged(self, position: Floats, change: Floats) -> Floats:
        """Return the states of conductances that time has changed."""
        return np.asarray(self._law.state(self._positive(self.conductance(position) + change)))

    def _positive(self, g: Floats) -> Floats:
        # A logarithmic law has no state of 0 S.
        return np.maximum(g, 1e-3 * self._card.g_min)

    def conductance(self, position: Floats) -> Floats:
        """Return the conductances [S] of states."""
        return np.asarray(self._law.conductance(position))

    def seen(self, position: Floats, cells: Ints, pulses: NDArray[np.uint64]) -> Floats:
        """Return the conductances [S] with the write noise of the last pulse."""
        if not self._noisy:
            return self.conductance(position)
        z = self._draws.cell_normals(pulses, cells, Purpose.WRITE_NOISE)
        return np.asarray(self._law.conductance(self._law.apparent(position, z)))

    def written(self, position: Floats, write: int) -> Floats:
        """Return the conductances [S] with the write noise of a last pulse, where no law of the write error tells."""
        if not self.bounded:
            return self.conductance(position)
        numbers = np.full(position.size, np.uint64(write) | BY_WRITE)
        return self.seen(position.ravel(), np.arange(position.size), numbers).reshape(position.shape)

    def moves(self, volts: Floats, width: float) -> NDArray[np.bool_]:
        """Return which voltages are beyond the thresholds."""
        return np.asarray(self._write.nominal_pulses(volts, width) != 0)

    def move(self, before: CellPulses, volts: Floats, train: Train, limited: bool) -> tuple[Floats, Floats]:
        """Return states and wear after pulses, each with the noise of its own number."""
        w, wear, endurance = before.position, before.wear, self._card.endurance
        devices = _some(self._devices, before.cells)
        draw = self._draws.cell_normals if self._law.draws == "normals" else self._draws.cell_uniforms
        drive = self._write.nominal_pulses(volts, train.width)
        for k in range(train.count):
            if limited and np.isfinite(train.current_limit):
                across = _limited(self.conductance(w), volts, train.current_limit, self._card)
                drive = self._write.nominal_pulses(across, train.width)
            strength = np.where(wear >= before.lifetime, 0.0, drive)
            if endurance is not None:
                strength = strength * endurance.step_scale(wear)
            numbers = draw(before.pulses + np.uint64(k), before.cells, Purpose.PULSE)
            w = np.asarray(self._law.pulse(w, devices, strength, numbers))
            wear = wear + np.abs(drive)
        return w, wear


class DynamicCells:
    """Cells of a dynamic model, which follow the voltage across them."""

    def __init__(self, model: DynamicModel, read_voltage: float) -> None:
        self._model, self._read_voltage = model, read_voltage
        self._tried = np.linspace(model.low, model.high, STATES)

    def position(self, g: Floats) -> Floats:
        """Return the states of conductances [S] at the read voltage."""
        return np.asarray(state_of(self._model, g, self._read_voltage))

    def aged(self, position: Floats, change: Floats) -> Floats:
        """Return the states of conductances that time has changed."""
        return self.position(self.conductance(position) + change)

    def conductance(self, position: Floats) -> Floats:
        """Return the conductances [S] at the read voltage."""
        return np.asarray(conductance(self._model, position, self._read_voltage))

    def seen(self, position: Floats, cells: Ints, pulses: NDArray[np.uint64]) -> Floats:
        """Return the conductances: the models have no noise of writing."""
        return self.conductance(position)

    def written(self, position: Floats, write: int) -> Floats:
        """Return the conductances: the models have no noise of writing."""
        return self.conductance(position)

    def moves(self, volts: Floats, width: float) -> NDArray[np.bool_]:
        """Return at which voltages any state moves."""
        v = np.asarray(volts, np.float64)[..., None]
        shape = (*v.shape[:-1], STATES)
        rate = self._model.rate(np.broadcast_to(self._tried, shape), np.broadcast_to(v, shape))
        return np.asarray((rate != 0).any(axis=-1))

    def move(self, before: CellPulses, volts: Floats, train: Train, limited: bool) -> tuple[Floats, Floats]:
        """Return states and wear after pulses; pulses without edges are one long one: at 0 V nothing moves."""
        limit = train.current_limit if limited and np.isfinite(train.current_limit) else None
        shares, seconds = _waveform(train)
        x = before.position
        for _ in range(1 if len(shares) == 1 else train.count):
            x = np.asarray(respond(self._model, x, shares[:, None] * volts, seconds, limit).state[-1])
        alive = before.wear < before.lifetime
        return np.where(alive, x, before.position), before.wear + (train.count if limited else 0)


def _waveform(train: Train) -> tuple[Floats, Floats]:
    """Return the shares of the amplitude and the durations [s] of the steps of a pulse, of all pulses without edges."""
    if train.rise == train.fall == 0:
        return np.ones(1), np.array([train.width * train.count])
    edge = (np.arange(EDGE_STEPS) + 0.5) / EDGE_STEPS
    # The width is that at half amplitude: half of each edge lies inside.
    flat = max(train.width - (train.rise + train.fall) / 2, 0.0)
    times = [
        np.full(EDGE_STEPS, train.rise / EDGE_STEPS),
        np.array([flat]),
        np.full(EDGE_STEPS, train.fall / EDGE_STEPS),
    ]
    return np.concatenate([edge, [1.0], edge[::-1]]), np.concatenate(times)


def _some(devices: PulsedDevices, cells: Ints) -> PulsedDevices:
    return PulsedDevices(*(np.ravel(getattr(devices, field.name))[cells] for field in fields(PulsedDevices)))


def _limited(g: Floats, volts: Floats, limit: float, card: DeviceCard) -> Floats:
    """Return the voltages that a source of these volts has where it gives no more than `limit` [A]."""
    law = card.iv_nonlinearity
    if law is None:
        return np.sign(volts) * np.minimum(np.abs(volts), limit / np.maximum(g, 1e-300))
    own = np.asarray(at_read(law, g, card.read_voltage))
    if not (np.abs(law.current(volts, own)) > limit).any():
        return volts
    return _inverse(law, own, volts, limit)


def _inverse(law: IvLaw, own: Floats, volts: Floats, limit: float) -> Floats:
    low, high = np.zeros_like(volts), np.ones_like(volts)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        over = np.abs(law.current(middle * volts, own)) > limit
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.where(np.abs(law.current(volts, own)) > limit, low * volts, volts)
