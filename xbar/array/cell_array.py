"""The cells of one simulated array: what was asked of them, what was written, and what they are at a given time."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from xbar.array.ageing import Ageing, Conditions, Written
from xbar.array.cell_draws import CellDraws
from xbar.array.movable_cells import movable_cells
from xbar.devices.card import DeviceCard
from xbar.devices.noise_spectrum import SpectralNoise
from xbar.errors import FormatError
from xbar.random import Purpose

Floats = NDArray[np.float64]

STATE = ("target", "programmed", "exponent", "written_at")
"""What cells of every card carry from one bench to the next."""


class CellArray:
    """State of `(rows, cols)` cells, structure of arrays; conductances in S, times in s on the bench clock.

    A cell that was never written stands at the card's smallest conductance, or as near as its device comes, without
    error, ageing or noise but the white one; where the card has a law of forming, at what it has before forming.
    Everything random is a function of (seed, array, cell, number of the write, pulse or read epoch); what is drawn once
    per device is drawn again from the seed on every bench.
    """

    def __init__(
        self,
        rows: int,
        cols: int,
        card: DeviceCard,
        seed: int,
        array: int,
        conditions: Conditions | None = None,
    ) -> None:
        self.card, self.seed, self.array, self.shape = card, seed, array, (rows, cols)
        self.draws = CellDraws(seed, array, self.shape)
        self.ageing = Ageing(card, conditions or Conditions())
        self.target: Floats = np.full(self.shape, np.nan)
        self.programmed: Floats = np.full(self.shape, card.g_min)
        self.exponent: Floats = np.zeros(self.shape)
        self.written_at: Floats = np.zeros(self.shape)
        self.writes = 0
        # What a card has no law for takes no memory: one number stands for all cells.
        self.relaxation = self.position = self.wear = self.pulses = self.trap = self.trap_at = self._all(0.0)
        self.trap_draws, self.lifetime, self.formed = self._all(1.0), self._all(np.inf), self._all(1.0)
        self._make_devices()
        if self.movable is not None:
            self.position = self.movable.position(self.programmed)
            self.programmed = self.movable.conductance(self.position)
        if card.forming is not None:
            self.formed, self.programmed = self._all(0.0), self._all(card.forming.pristine)
        self.detach()

    def _all(self, value: float) -> Floats:
        return np.broadcast_to(np.float64(value), self.shape)

    def _make_devices(self) -> None:
        """Draw what is drawn once per device."""
        card, draws = self.card, self.draws
        self.movable = movable_cells(card, draws)
        self.stuck: NDArray[np.int8] = np.zeros(self.shape, np.int8)
        self.open: NDArray[np.int8] = np.broadcast_to(np.int8(0), self.shape)
        self.traps = self.open
        if card.stuck_cells is not None:
            self.stuck = card.stuck_cells.draw(draws.uniforms(0, Purpose.STUCK_CELLS))
        if card.stuck_lines is not None:
            self.open = card.stuck_lines.draw(*draws.lines(Purpose.STUCK_LINES))
        if card.forming is not None:
            self.forming_voltage = np.asarray(card.forming.voltages(draws.normals(0, Purpose.FORMING_VOLTAGE)))
        if card.endurance is not None:
            self.lifetime = np.asarray(card.endurance.lifetimes(draws.normals(0, Purpose.LIFETIME)))
        if card.random_telegraph_noise is not None:
            self.traps = card.random_telegraph_noise.traps(draws.uniforms(0, Purpose.TRAPS))
            self.trap = card.random_telegraph_noise.start(draws.uniforms(0, Purpose.TRAP_STATE)).astype(np.float64)

    # ---- from one bench to the next

    @property
    def names(self) -> tuple[str, ...]:
        """Get the names of what the cells of this card carry from one bench to the next."""
        card, more = self.card, list[str]()
        if card.relaxation is not None:
            more.append("relaxation")
        if self.movable is not None:
            more += ["position", "pulses"]
        if self.movable is not None or card.endurance is not None:
            more.append("wear")
        if card.random_telegraph_noise is not None:
            more += ["trap", "trap_at", "trap_draws"]
        if card.forming is not None:
            more.append("formed")
        return (*STATE, *more)

    def state(self) -> dict[str, Floats]:
        """Return what makes these cells again with their card, seed and array; each `(rows, cols)`."""
        return {"writes": np.full(self.shape, float(self.writes))} | {name: getattr(self, name) for name in self.names}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Bring the cells to a state of `state`; raises `FormatError` where something is missing or of another size."""
        for name in (*self.names, "writes"):
            values = state.get(name)
            if values is None or values.shape != self.shape:
                raise FormatError(f"state of array {self.array} lacks {name!r} of {self.shape} cells; it is damaged")
        for name in self.names:
            setattr(self, name, np.array(state[name], np.float64))
        self.writes = int(state["writes"].max(initial=0.0))

    def detach(self) -> None:
        """Let the cells have arrays of their own, to be written to: products and readings may hold the present ones."""
        for name in self.names:
            setattr(self, name, getattr(self, name).copy())

    # ---- writing

    def program(self, targets: Floats, time: float) -> None:
        """Write `targets` (rows, cols) [S], ended at `time` [s].

        NaN leaves a cell as it is; one that has failed, or is not formed, stays.

        The nearest level where the card has levels, with the error and the variations of the card. Where only a pulse
        law is known: within the bounds of each device, with the write noise of its last pulse.
        """
        written = ~np.isnan(targets)
        card, wanted = self.card, np.where(written, targets, self.card.g_min)
        if card.levels is not None:
            wanted = np.asarray(card.levels.nearest(wanted))
        got = self._written(wanted)
        if card.endurance is not None:
            written &= self.wear < self.lifetime
        if card.forming is not None:
            written &= self.formed != 0
        if self.movable is not None:
            position = self.movable.position(got)
            got = self.movable.written(position, self.writes)
            self.position = np.where(written, position, self.position)
        self.target = np.where(written, wanted, self.target)
        self.programmed = np.where(written, got, self.programmed)
        self.written_at = np.where(written, time, self.written_at)
        if "wear" in self.names:
            self.wear = self.wear + written
        if card.drift is not None:
            # Drawn once per device, not once per write: event 0 always.
            exponent = card.drift.exponents(wanted, self.draws.normals(0, Purpose.DRIFT))
            self.exponent = np.where(written, exponent, self.exponent)
        if card.relaxation is not None:
            z = self.draws.normals(self.writes, Purpose.RELAXATION)
            self.relaxation = np.where(written, z, self.relaxation)
        self.writes += 1

    def _written(self, wanted: Floats) -> Floats:
        """Return the conductances [S] that a one-shot write of `wanted` leaves."""
        card, draws, got = self.card, self.draws, wanted
        if card.programming_error is not None:
            got = card.programming_error.program(wanted, draws.normals(self.writes, Purpose.PROGRAMMING_ERROR))
        if card.device_variation is not None:
            got = card.device_variation.apply(got, draws.normals(0, Purpose.DEVICE_VARIATION))
        if card.cycle_variation is not None:
            got = card.cycle_variation.apply(got, draws.normals(self.writes, Purpose.CYCLE_VARIATION))
        return np.asarray(got)

    # ---- time and noise

    def written(self) -> Written:
        """Return what the laws of time need of all cells."""
        return Written(self.programmed, self.target, self.exponent, self.relaxation)

    def drifted(self, time: float) -> Floats:
        """Return the conductances at `time` [s] before noise and stuck cells (rows, cols) [S].

        Relaxation, drift, retention, temperature.
        """
        return self.ageing.conductances(self.written(), self.age(time))

    def age(self, time: float) -> Floats:
        """Return the time since each cell was written (rows, cols) [s]."""
        return np.maximum(time - self.written_at, 0.0)

    def oldest(self, time: float, some: NDArray[np.int64] | None = None) -> float:
        """Return the largest time since a write [s] of all cells or of some, numbered; 0 s where none was written."""
        ages = np.where(np.isnan(self.target), 0.0, self.age(time)).ravel()
        return float((ages if some is None else ages[some]).max(initial=0.0))

    def conductances(self, time: float, epoch: int) -> Floats:
        """Return what products of read epoch `epoch`, opened at `time` [s], see (rows, cols) [S].

        Drifted, with one draw of the accumulated 1/f noise and of the telegraph noise for the epoch, and with stuck
        cells and open lines; the white read noise of each product comes on top.
        """
        g = self._flicker(self.drifted(time), time, epoch, Purpose.FLICKER_NOISE)
        law = self.card.random_telegraph_noise
        if law is not None:
            full = law.start(self.draws.uniforms(epoch, Purpose.EPOCH_TRAPS))
            g = np.where(np.isnan(self.target), g, law.conductance(g, full, self.traps))
        return self.faulty(g)

    def with_flicker(self, drifted: Floats, time: float, event: int, purpose: Purpose) -> Floats:
        """Return drifted conductances (rows, cols) [S] with one draw of 1/f noise, and with stuck cells in place."""
        return self.faulty(self._flicker(drifted, time, event, purpose))

    def _flicker(self, g: Floats, time: float, event: int, purpose: Purpose) -> Floats:
        law = self.card.flicker_noise
        # Readings of single cells see a spectrum in time, see `cell_reading`.
        if law is None or (isinstance(law, SpectralNoise) and purpose is Purpose.CELL_FLICKER_NOISE):
            return g
        noisy = law.read(self.programmed, g, self.age(time), self.draws.normals(event, purpose))
        return np.where(np.isnan(self.target), g, noisy)

    def faulty(self, g: Floats) -> Floats:
        """Return conductances (rows, cols) [S] with stuck cells and open lines in place."""
        if self.card.stuck_cells is not None:
            g = self.card.stuck_cells.apply(g, self.stuck)
        if self.card.stuck_lines is not None:
            g = self.card.stuck_lines.apply(g, self.open)
        return np.asarray(g)

    def sigma(self, conductances: Floats) -> Floats | None:
        """Return the standard deviation of the white read noise of each cell [S], or None where the card has none."""
        if self.card.read_noise is None:
            return None
        return np.where(self.open != 0, 0.0, self.card.read_noise.sigma(conductances))

    def noise(self, some: NDArray[np.int64], g: Floats, chord: Floats) -> Floats:
        """Return the standard deviation [S] of readings of cells numbered along the rows, `(n, repeat)`.

        `g` are their conductances at the read voltage, `chord` current over voltage at that of the reading [S].
        """
        assert self.card.read_noise is not None
        sigma = np.asarray(self.card.read_noise.sigma(g))
        if self.card.stuck_lines is not None:
            sigma = np.where(self.open.ravel()[some][:, None] != 0, 0.0, sigma)
        return sigma if chord is g else sigma * np.where(g > 0, chord / np.where(g > 0, g, 1.0), 1.0)

    def fixed(self) -> NDArray[np.bool_]:
        """Return which cells no pulse moves: stuck, on an open line, failed, or not formed."""
        fixed = np.asarray((self.stuck != 0) | (self.open != 0) | (self.wear >= self.lifetime))
        return fixed if self.card.forming is None else fixed | (self.formed == 0)
