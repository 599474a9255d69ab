"""The cells behind the lines of a served bench: what a reading sees of them at a moment of the bench's time."""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from xbar.array.cell_reading import conductances_at
from xbar.array.simulated_arrays import SimulatedArrays
from xbar.circuit.law import CellLaw
from xbar.devices.iv_law import at_read
from xbar.devices.noise_spectrum import SpectralNoise
from xbar.random import Purpose, normals
from xbar_drivers.emulated.cell_laws import IvCells, ModelCells, rising_limit

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SeenCells:
    """Cells at one moment."""

    scale: Floats
    """(rows, cols): conductances of linear cells [S], else factors of the law's currents; never below zero."""
    law: CellLaw | None = None
    """Law of the cells; None: Ohm's."""

    def currents(self, volts: Floats) -> tuple[Floats, Floats]:
        """Return currents [A] and differential conductances [S] at voltages across the cells (rows, cols) [V]."""
        if self.law is None:
            return self.scale * volts, self.scale
        current, slope = self.law.evaluate(self.scale, volts)
        return np.asarray(current), np.asarray(slope)

    def with_state(self, state: Floats) -> Self:
        """Return cells of a dynamic model in other states (rows, cols)."""
        assert isinstance(self.law, ModelCells)
        return replace(self, law=replace(self.law, state=state))


class Cells(Protocol):
    """What the lines need to know of an array."""

    shape: tuple[int, int]
    """Word lines and bit lines."""

    def moment(self, time: float) -> float:
        """Return a moment of the bench [s] on the clock of the cells [s], which follows."""
        ...

    def seen(self, time: float, *, noisy: bool) -> SeenCells:
        """Return the cells at `time` [s]; where `noisy`, as one reading sees them: a new draw at every call."""
        ...


class ArrayCells:
    """One array of `SimulatedArrays`: time goes on with the bench's, every reading draws its noise.

    Args:
        arrays: the simulated arrays; their clock follows the bench's.
        array: number of the array.

    """

    def __init__(self, arrays: SimulatedArrays, array: int = 0) -> None:
        self.arrays, self.array = arrays, array
        self.shape = (arrays.shape[1], arrays.shape[2])
        self._start = arrays.clock
        self._own: tuple[Floats, IvCells] | None = None

    def moment(self, time: float) -> float:
        """Return a moment of the bench on the clock of the arrays [s], which follows."""
        self.arrays.clock = max(self.arrays.clock, self._start + time)
        return self._start + time

    def noiseless(self, time: float) -> Floats:
        """Return the conductances at the read voltage without noise (rows, cols) [S]: aged, faults in place."""
        cells = self.arrays.cells(self.array)
        return cells.faulty(cells.drifted(self.moment(time)))

    def seen(self, time: float, *, noisy: bool) -> SeenCells:
        """Return the cells at a moment [s]: the card's laws of time, noise and faults, its I-V law or dynamic model."""
        cells, card = self.arrays.cells(self.array), self.arrays.card
        g, noise = self._reading(time) if noisy else (self.noiseless(time), np.zeros(1))
        if card.dynamics is None and card.iv_nonlinearity is None:
            # A conductance below 0 would feed the network: the tail of the noise is cut at an open cell.
            return SeenCells(np.maximum(g + noise, 0.0))
        factor = np.maximum(1.0 + noise / np.where(g > 0, g, 1.0), 0.0)
        if card.dynamics is not None:
            resistors = cells.fixed()
            before = np.where(cells.programmed > 0, cells.programmed, 1.0)
            aged = np.where(resistors, g, np.where(cells.programmed > 0, g / before, 1.0))
            # Cells move while the lines are solved: what was seen must not move with them.
            law = ModelCells(card.dynamics, cells.position.copy(), resistors)
            return SeenCells(aged * factor, law)
        return SeenCells(np.broadcast_to(factor, self.shape), self._iv(g))

    def _reading(self, time: float) -> tuple[Floats, Floats]:
        """Return conductances with the noise that lasts (1/f, telegraph), and what white noise adds [S]."""
        cells, card = self.arrays.cells(self.array), self.arrays.card
        spectral = isinstance(card.flicker_noise, SpectralNoise)
        if card.read_noise is None and card.flicker_noise is None and card.random_telegraph_noise is None:
            return self.noiseless(time), np.zeros(1)
        moment, event = self.moment(time), self.arrays.count_reading()
        g = cells.with_flicker(cells.drifted(moment), moment, event, Purpose.CELL_FLICKER_NOISE)
        if spectral or card.random_telegraph_noise is not None:
            some = np.arange(g.size)
            g = conductances_at(cells, some, np.full((g.size, 1), moment), g, moment, event).reshape(self.shape)
        sigma = cells.sigma(g)
        if sigma is None:
            return g, np.zeros(1)
        number = np.array([event], np.uint64)
        z = normals(number, self.array, g.size, self.arrays.periphery.seed, Purpose.CELL_READ_NOISE).reshape(g.shape)
        return g, sigma * z

    def _iv(self, g: Floats) -> IvCells:
        """Return the I-V law of cells of these conductances at the read voltage [S]; kept while they stay."""
        card = self.arrays.card
        assert card.iv_nonlinearity is not None
        if self._own is None or not np.array_equal(self._own[0], g):
            own = np.asarray(at_read(card.iv_nonlinearity, g, card.read_voltage))
            limit = rising_limit(card.iv_nonlinearity, own) if self._own is None else self._own[1].limit
            self._own = g.copy(), IvCells(card.iv_nonlinearity, own, limit)
        return self._own[1]
