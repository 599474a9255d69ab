"""The cells of one simulated array: what was asked of them, what was written, and what they are at a given time."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from xbar.devices.card import DeviceCard
from xbar.errors import FormatError
from xbar.random import Purpose, normals, uniforms

Floats = NDArray[np.float64]

STATE = ("target", "programmed", "exponent", "written_at")
"""What cells carry from one bench to the next; stuck cells are drawn again from the seed."""


class CellArray:
    """State of `(rows, cols)` cells, structure of arrays; conductances in S, times in s on the bench clock.

    A cell that was never written stands at the card's smallest conductance, without error, drift or 1/f noise.
    Everything random is a function of (seed, array, cell, number of the write or read epoch).
    """

    def __init__(self, rows: int, cols: int, card: DeviceCard, seed: int, array: int) -> None:
        self.card, self.seed, self.array, self.shape = card, seed, array, (rows, cols)
        self.target: Floats = np.full(self.shape, np.nan)
        self.programmed: Floats = np.full(self.shape, card.g_min)
        self.exponent: Floats = np.zeros(self.shape)
        self.written_at: Floats = np.zeros(self.shape)
        self.writes = 0
        self.stuck: NDArray[np.int8] = np.zeros(self.shape, np.int8)
        if card.stuck_cells is not None:
            draw = uniforms(np.zeros(1, np.uint64), array, rows * cols, seed, Purpose.STUCK_CELLS)
            self.stuck = card.stuck_cells.draw(draw[0].reshape(self.shape))

    def state(self) -> dict[str, Floats]:
        """Return what makes these cells again with their card, seed and array; each `(rows, cols)`."""
        return {"writes": np.full(self.shape, float(self.writes))} | {name: getattr(self, name) for name in STATE}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Bring the cells to a state of `state`; raises `FormatError` where something is missing or of another size."""
        for name in (*STATE, "writes"):
            values = state.get(name)
            if values is None or values.shape != self.shape:
                raise FormatError(f"state of array {self.array} lacks {name!r} of {self.shape} cells; it is damaged")
        for name in STATE:
            setattr(self, name, np.array(state[name], np.float64))
        self.writes = int(state["writes"].max(initial=0.0))

    def _normals(self, event: int, purpose: Purpose) -> NDArray[np.float32]:
        size = self.shape[0] * self.shape[1]
        return np.asarray(
            normals(np.array([event], np.uint64), self.array, size, self.seed, purpose).reshape(self.shape)
        )

    def program(self, targets: Floats, time: float) -> None:
        """Write `targets` (rows, cols) [S], ended at `time` [s]; NaN leaves a cell as it is."""
        written = ~np.isnan(targets)
        wanted = np.where(written, targets, self.card.g_min)
        error, drift = self.card.programming_error, self.card.drift
        got = wanted if error is None else error.program(wanted, self._normals(self.writes, Purpose.PROGRAMMING_ERROR))
        self.target = np.where(written, targets, self.target)
        self.programmed = np.where(written, got, self.programmed)
        self.written_at = np.where(written, time, self.written_at)
        if drift is not None:
            # Drawn once per device, not once per write: event 0 always.
            exponent = drift.exponents(wanted, self._normals(0, Purpose.DRIFT))
            self.exponent = np.where(written, exponent, self.exponent)
        self.writes += 1

    def drifted(self, time: float) -> Floats:
        """Return the conductances at `time` [s] before read noise and stuck cells (rows, cols) [S]."""
        if self.card.drift is None:
            return self.programmed
        return np.asarray(self.card.drift.conductance(self.programmed, self.exponent, self.age(time)))

    def age(self, time: float) -> Floats:
        """Return the time since each cell was written (rows, cols) [s]."""
        return np.maximum(time - self.written_at, 0.0)

    def conductances(self, time: float, epoch: int) -> Floats:
        """Return what products of read epoch `epoch`, opened at `time` [s], see (rows, cols) [S].

        Drift, one draw of the accumulated 1/f noise for the epoch, and stuck cells; the white read noise of each
        product comes on top.
        """
        return self.with_flicker(self.drifted(time), time, epoch, Purpose.FLICKER_NOISE)

    def with_flicker(self, drifted: Floats, time: float, event: int, purpose: Purpose) -> Floats:
        """Return drifted conductances (rows, cols) [S] with one draw of 1/f noise, and with stuck cells in place."""
        g = drifted
        if self.card.flicker_noise is not None:
            noisy = self.card.flicker_noise.read(self.programmed, g, self.age(time), self._normals(event, purpose))
            g = np.where(np.isnan(self.target), g, noisy)
        if self.card.stuck_cells is not None:
            g = self.card.stuck_cells.apply(g, self.stuck)
        return np.asarray(g)

    def sigma(self, conductances: Floats) -> Floats | None:
        """Return the standard deviation of the white read noise of each cell [S], or None where the card has none."""
        return None if self.card.read_noise is None else np.asarray(self.card.read_noise.sigma(conductances))
