"""Random numbers of single cells at events of their own."""

import numpy as np

from xbar.array.cell_draws import CellDraws
from xbar.random import Purpose


def test_a_cell_draws_what_the_array_draws_for_it() -> None:
    """For any choice and order of cells, groups of four and array numbers; normals and uniforms."""
    draws = CellDraws(seed=2**40 + 9, array=513, shape=(41, 37))
    events = np.array([0, 7, 2**33 + 5, 2**63], np.uint64)
    cells = np.random.default_rng(1).integers(0, 41 * 37, 200)
    mine = events[np.arange(200) % 4]
    for single, whole in ((draws.cell_normals, draws.normals), (draws.cell_uniforms, draws.uniforms)):
        expected = np.stack([whole(int(event), Purpose.PULSE).ravel() for event in events])
        np.testing.assert_array_equal(single(mine, cells, Purpose.PULSE), expected[np.arange(200) % 4, cells])


def test_lines_and_cells_have_their_own_numbers() -> None:
    word, bit = CellDraws(1, 0, (50, 60)).lines(Purpose.STUCK_LINES)
    assert (word.shape, bit.shape) == ((50,), (60,))
    assert not np.isin(word, bit).any()
