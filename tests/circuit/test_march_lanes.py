"""The pass over vectors of lanes gives what the two sweeps over a bit line give."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from xbar.circuit.march_kernel import Columns, Results, factor_columns, march
from xbar.circuit.march_lanes import CACHED, STATES, VECTOR, march_lanes

OPEN = 1e30


def both(
    d: NDArray[Any], bit: NDArray[Any], below: NDArray[Any], word: NDArray[Any], lanes: NDArray[Any]
) -> list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Return voltages, currents and sums of the sweeps and of the pass, for the same start."""
    cols = len(d)
    columns = Columns(
        d, word, np.zeros_like(d), np.zeros_like(d), np.empty((3, cols), d.dtype), np.zeros(cols, d.dtype)
    )
    loose = below == OPEN
    factor_columns(columns, bit, (~loose).astype(d.dtype), np.where(loose, 1, below).astype(d.dtype))
    none, found = np.empty((cols, 0), d.dtype), []
    for way in range(2):
        w, c = lanes.copy(), np.zeros_like(lanes)
        sums = np.empty((cols, lanes.shape[1]), d.dtype)
        if way:
            march_lanes(columns, bit, below, 0, cols, w, c, sums)
        else:
            results = Results(np.empty_like(sums), sums, np.empty((2, 1, 1, 1), d.dtype))
            march(columns, none, none, 0, cols, w, c, results, False)
        found.append((w, c, sums))
    return found


@settings(deadline=None, max_examples=120)
@given(
    shape=st.tuples(st.integers(1, 19), st.integers(1, 7), st.integers(1, 37)),
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(-6, 2),
    double=st.booleans(),
)
def test_the_pass_is_the_two_sweeps(shape: tuple[int, int, int], seed: int, scale: float, double: bool) -> None:
    """Random arrays with open and shorted cells, wires of 0 ohm and open bottoms: equal to rounding."""
    rows, cols, lanes = shape
    rng = np.random.default_rng(seed)
    dtype = np.float64 if double else np.float32
    d = rng.uniform(1e-6, 1e-4, (cols, rows)) * rng.choice([0, 1, 1, 1], (cols, rows))
    d[rng.random(d.shape) < 0.03] = 1e4
    bit = 10**scale * rng.uniform(0.5, 2, (cols, rows)) * rng.choice([0, 1, 1], (cols, 1))
    below = np.where(rng.random(cols) < 0.2, OPEN, 10**scale * rng.uniform(0, 2, cols) * rng.choice([0, 1], cols))
    word = 1e-9 * rng.uniform(size=(cols, rows))
    start = rng.uniform(-1, 1, (rows, lanes))
    arrays = (np.ascontiguousarray(v, dtype) for v in (d, bit, below, word, start))
    (w, c, sums), (w_too, c_too, sums_too) = both(*arrays)
    most = np.abs(c).max() + d.max() * 2
    error = 1e-12 if double else 1e-3
    assert np.abs(w_too - w).max() <= error * 2
    assert np.abs(c_too - c).max() <= error * most
    assert np.abs(sums_too - sums).max() <= error * most * rows


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_bits_of_a_lane_do_not_depend_on_its_neighbours(dtype: Any) -> None:
    """Lanes alone, and among more than go through the columns together, have the same bits."""
    rng = np.random.default_rng(3)
    rows, cols = 64, 5
    together = CACHED // (VECTOR * STATES * rows) * VECTOR // np.dtype(dtype).itemsize
    d = rng.uniform(1e-6, 1e-4, (cols, rows)).astype(dtype)
    bit, word = np.full_like(d, 2.0), np.full_like(d, 1.0)
    start = rng.uniform(-1, 1, (rows, 2 * together + 3)).astype(dtype)
    below = np.full(cols, 5.0, dtype)
    whole = both(d, bit, below, word, start)[1]
    for lane in (0, 1, together - 1, together, 2 * together + 2):
        alone = both(d, bit, below, word, np.ascontiguousarray(start[:, lane : lane + 1]))[1]
        for one, all_lanes in zip(alone, whole, strict=True):
            assert one[:, 0].tobytes() == np.ascontiguousarray(all_lanes[:, lane]).tobytes()
