"""A million cells of phase-change memory, written and read through the bench, against the table of the card's source.

Source of the numbers: Nandakumar et al., ICECS 2019; Joshi et al., Nat. Commun. 11, 2473 (2020); mean of g(t) / g_prog
over cells above zero by the closed form of the law. Fixed seed. A mean over 10^6 cells has a standard error below 5e-5.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.settings import ReadConfig
from xbar_drivers.simulated import SimulatedDriver

SIDE = 1024
HOUR, DAY, MONTH = 3600.0, 86400.0, 30 * 86400.0
TABLE = {0.25: (0.776, 0.667, 0.567), 1.0: (0.776, 0.665, 0.564)}
"""Mean relative drift after an hour, a day and a month, by target conductance over g_max = 25 uS."""
ERROR = {0.25: 0.6814e-6, 1.0: 1.0554e-6}
"""Standard deviation of the programming error [S]."""


def read(bench: Bench) -> NDArray[np.float64]:
    """Read every cell once [S]."""
    return bench[0].read_all(ReadConfig(0.1)).conductance[:, 0]


@pytest.mark.parametrize("x", TABLE)
def test_a_million_cells_drift_as_the_table_says(x: float) -> None:
    """Within 0.001 of relative drift at each time; the programming error within five standard errors.

    The same chip without drift tells what was programmed. A reading of the whole array takes 10 s, which counts.
    """
    targets = np.full((SIDE, SIDE), 25e-6 * x)
    with Bench(SimulatedDriver("pcm", rows=SIDE, cols=SIDE, seed=5, only=["programming_error"])) as bench:
        bench.program(0, targets)
        programmed = read(bench)
    n = programmed.size
    assert n > 10**6
    assert abs(programmed.mean() - 25e-6 * x) < 5 * ERROR[x] / n**0.5
    assert abs(programmed.std() / ERROR[x] - 1) < 5 / (2 * n) ** 0.5 + 1e-4
    above = programmed > 0
    with Bench(SimulatedDriver("pcm", rows=SIDE, cols=SIDE, seed=5, only=["programming_error", "drift"])) as bench:
        bench.program(0, targets)
        written = bench.clock
        for seconds, expected in zip((HOUR, DAY, MONTH), TABLE[x], strict=True):
            # Half of the reading before the time of the table, half after it.
            bench.wait(written + seconds - bench.clock - 0.5e-5 * n)
            factor = read(bench)[above] / programmed[above]
            assert abs(factor.mean() - expected) < 0.001, seconds
            assert factor.max() <= 1
