"""Named approximations of read noise behind wires; their errors stand in `xbar.circuit.read_noise`."""

from functools import cached_property

import numpy as np

from xbar.circuit.ends import combine
from xbar.circuit.fields import ArrayMarch
from xbar.circuit.memory import require_memory
from xbar.circuit.network import Network
from xbar.circuit.operator import one_blas_thread
from xbar.circuit.sources import boundary_sources, sensed_sources
from xbar.circuit.wire_currents import bottom_currents
from xbar.circuit.wires import Floats


class NoiseApproximations:
    """What the noise adds to the currents of one array, without solving the noisy array.

    Args:
        net: the array's wires and ends.
        cells: conductances of its cells `(rows, cols)` [S], 0 where no source reaches.
        matrix: its effective operator `(rows, cols)` [S].
        sigma: standard deviation of each conductance `(rows, cols)` [S].

    """

    def __init__(self, net: Network, cells: Floats, matrix: Floats, sigma: Floats) -> None:
        self.net, self.cells, self.matrix, self.sigma = net, cells, matrix, sigma
        # Sums of products on such binary grids are exact in float64, whatever their order.
        self._bits = (53 - max(1, cells.size - 1).bit_length()) // 2

    # Products run vector by vector: the bits of a product of many would depend on how many they are.

    def change(self, v: Floats, z: Floats, method: str) -> Floats:
        """Return what the noise adds `(batch, cols)` [A], for inputs (batch, rows) [V] and the normals of `method`."""
        if method == "output":
            return np.asarray(np.sqrt(self.output_variance(v)) * z)
        if method == "ratio":
            # W' - W = W (G' - G) / G, element by element.
            return np.stack([one.sum(0) for one in v[:, :, None] * (self._share * self.sigma) * z])
        change = self._cell_voltages(v) * self.sigma * z
        if method == "first_order":
            return np.asarray(_snapped(change.reshape(len(v), -1), self._bits) @ self._snapped_adjoint.T)
        return self._outputs(change)

    def output_variance(self, v: Floats) -> Floats:
        """Return the variance `(batch, cols)` [A^2] that "ratio" and "output" give: sum of (V W sigma / G)^2."""
        variances = np.square(self._share * self.sigma)
        return np.stack([one @ variances for one in np.square(v)])

    def first_order_variance(self, v: Floats) -> Floats:
        """Return the variance `(batch, cols)` [A^2] for small noise: sum of (u lambda sigma)^2."""
        weights = np.square(self._adjoint * self.sigma.reshape(1, -1)).T
        with one_blas_thread():
            # One at a time: the cell voltages of all vectors may not fit.
            return np.concatenate(
                [np.square(self._cell_voltages(v[k : k + 1])).reshape(1, -1) @ weights for k in range(len(v))]
            )

    def _outputs(self, change: Floats) -> Floats:
        """Return what leaves at the sensed ends of currents added to bit lines `(batch, rows, cols)` [A]."""
        none, found = np.zeros(change.shape[2]), np.empty((len(change), change.shape[2]))
        for k in range(len(change)):
            bottom = bottom_currents(self.net, change[k : k + 1], (none, none))
            found[k] = combine(self.net, change[k].sum(0)[:, None], bottom.T)[:, 0]
        return found

    def _cell_voltages(self, v: Floats) -> Floats:
        """Return the voltages across the cells without noise `(batch, rows, cols)` [V]."""
        found = [self._march.fields(boundary_sources(self.net, v[k : k + 1]), keep=True) for k in range(len(v))]
        return np.concatenate([one.word - one.bit for one in found])

    @cached_property
    def _march(self) -> ArrayMarch:
        return ArrayMarch(self.net, self.cells)

    @cached_property
    def _share(self) -> Floats:
        """Get what the wires leave of each cell's conductance `(rows, cols)`; 0 for a cell that does not conduct."""
        conducts = self.cells > 0
        return np.where(conducts, self.matrix / np.where(conducts, self.cells, 1.0), 0.0)

    @cached_property
    def _adjoint(self) -> Floats:
        """Get the derivative of each output by a current through each cell `(cols, rows * cols)`."""
        cols = self.cells.shape[1]
        require_memory(5 * 8.0 * cols * self.cells.size, f"derivatives of {cols} currents by each conductance")
        back = self._march.fields(sensed_sources(self.net, -np.eye(cols)), keep=True)
        return np.ascontiguousarray((back.word - back.bit).reshape(cols, -1))

    @cached_property
    def _snapped_adjoint(self) -> Floats:
        return _snapped(self._adjoint, self._bits)


def _snapped(values: Floats, bits: int) -> Floats:
    """Return each row rounded to whole multiples of a power of two, of which its largest value has up to 2**bits."""
    step = np.ldexp(1.0, np.frexp(np.abs(values).max(1, keepdims=True))[1] - bits)
    return np.asarray(np.rint(values / step) * step)
