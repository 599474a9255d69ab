"""MARCH, nested dissection and LADDER-PCG on the same arrays, over eleven decades of resistance."""

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from xbar.circuit import Boundary, Status, Wires, biased, driven, effective_operator, sensed, solve

BOUNDARIES = [None, Boundary(right=driven(30.0)), Boundary(top=sensed(0.0, 40.0)), Boundary(right=biased(0.1, 9.0))]


@given(
    shape=st.tuples(st.integers(1, 48), st.integers(1, 48)),
    decade=st.floats(-5, 6),
    spread=st.sampled_from([0.0, 1.5]),
    boundary=st.sampled_from(BOUNDARIES),
    seed=st.integers(0, 2**32 - 1),
)
@hypothesis_settings(max_examples=25)
def test_they_agree(shape: tuple[int, int], decade: float, spread: float, boundary: Boundary | None, seed: int) -> None:
    """To 1e-11 up to r G n^2 = 1e4; to 1e-7 beyond, or a vector says that it did not converge."""
    rng = np.random.default_rng(seed)
    rows, cols = shape
    word = 10.0 ** (decade + rng.uniform(-spread, spread, (rows, cols + 1)))
    bit = 10.0 ** (decade + rng.uniform(-spread, spread, (rows + 1, cols)))
    g = 10.0 ** rng.uniform(-6, -3, shape)
    chance = rng.random(shape)
    g[chance < 0.08], g[chance > 0.95] = 0.0, 1e-3
    wires = Wires(word, bit, 10.0 ** rng.uniform(-2, 3), 10.0 ** rng.uniform(-2, 3))
    v = rng.uniform(-0.2, 0.2, (2, rows))
    march = effective_operator(g, wires, boundary, method="march").currents(v)
    exact = effective_operator(g, wires, boundary, method="dissection").currents(v)
    ladder = solve(g, wires, v, boundary=boundary, tolerance=1e-12)
    kappa = max((word[:, :-1] * g).max() * cols**2, (bit[1:] * g).max() * rows**2)
    limit = 1e-11 if kappa <= 1e4 else 1e-7
    scale = np.abs(exact).max(1, keepdims=True) + 1e-15 * g.sum()
    assert (np.abs(march - exact) <= limit * scale).all()
    converged = ladder.status == Status.CONVERGED
    assert kappa > 1e4 or converged.all()
    assert (np.abs(ladder.currents - exact)[converged] <= limit * scale[converged]).all()


def test_the_package_is_light() -> None:
    """Asking for a name loads what it needs, the package itself nothing."""
    code = "import sys, xbar.circuit as c; assert not {'numba', 'scipy', 'numpy'} & set(sys.modules); c.Wires(1.0, 2.0)"
    subprocess.run([sys.executable, "-c", code], check=True)
