"""One array of a map as it stands on a bench."""

import numpy as np
import pytest

import xbar
from xbar.errors import InputError
from xbar.mapping.array_targets import array_targets


def test_tiles_stand_at_the_first_cell_of_their_array() -> None:
    """Every array of a map: its tile, and cells at the lower end of the range around it."""
    mapped = xbar.map_network(xbar.load_network(xbar.sample("digits").model), xbar.load_card("pcm"), tile=(40, 70))
    seen = 0
    for layer in mapped.layers:
        matrix = mapped.matrices[layer.matrix]
        for number, array in enumerate(matrix.arrays):
            found = array_targets(mapped, array)
            assert found.layer == layer.name
            assert (found.rows, found.cols) == matrix.targets[number].shape
            assert found.conductances.shape == (40, 70)
            np.testing.assert_array_equal(found.conductances[: found.rows, : found.cols], matrix.targets[number])
            assert (found.conductances[found.rows :] == mapped.card.g_min).all()
            assert (found.conductances[:, found.cols :] == mapped.card.g_min).all()
            seen += 1
    assert seen == mapped.arrays
    with pytest.raises(InputError, match=f"0 to {mapped.arrays - 1}"):
        array_targets(mapped, mapped.arrays)
