"""Figure of a map: the numbers behind it."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from xbar.errors import InputError
from xbar.figures.map_figure import map_figure
from xbar.mapping.map_network import map_network
from xbar.mapping.mapped_network import MappedNetwork


def _heights(panel: Axes) -> list[float]:
    return [float(bar.get_height()) for bar in panel.patches if isinstance(bar, Rectangle)]


def test_maps_show_the_targets_in_microsiemens(mapped: MappedNetwork) -> None:
    """Each tile's image holds its target conductances, and colours span the range of the card."""
    images = {a.get_title(): a.images[0] for a in map_figure(mapped).axes if a.images}
    seen = 0
    for layer in mapped.layers:
        matrix = mapped.matrices[layer.matrix]
        for array, targets in zip(matrix.arrays, matrix.targets, strict=True):
            image = images[f"{layer.name}\narray {array}"]
            np.testing.assert_allclose(np.asarray(image.get_array()), targets * 1e6, rtol=1e-12)
            assert image.get_clim() == (mapped.card.g_min * 1e6, mapped.card.g_max * 1e6)
            seen += 1
    assert seen == mapped.arrays == len(images)


def test_axes_have_units(mapped: MappedNetwork) -> None:
    labels = {text for a in map_figure(mapped).axes for text in (a.get_xlabel(), a.get_ylabel())}
    assert {"target conductance [µS]", "weight of one microsiemens [1/µS]", "cells in use [%]", "bit line"} <= labels


def test_histogram_counts_the_cells_in_use(mapped: MappedNetwork) -> None:
    """Padding of the last tiles is not counted: two cells for each weight are."""
    (panel,) = (a for a in map_figure(mapped).axes if a.get_ylabel() == "cells")
    assert sum(_heights(panel)) == 2 * sum(m.grid.used() for m in mapped.matrices)


@pytest.mark.parametrize("encoding", ["offset", "slices", "digital-offset-slices"])
def test_cells_in_use_are_those_of_the_encoding(mapped: MappedNetwork, encoding: str) -> None:
    """One cell for each slice or pair of slices, and those of reference lines beside weights."""
    other = map_network(mapped.network, mapped.card, tile=mapped.tile, encoding=encoding)
    (panel,) = (a for a in map_figure(other).axes if a.get_ylabel() == "cells")
    assert sum(_heights(panel)) == other.to_dict()["cells_used"]


def test_use_is_the_share_of_the_array(mapped: MappedNetwork) -> None:
    (panel,) = (a for a in map_figure(mapped).axes if a.get_ylabel() == "cells in use [%]")
    assert np.mean(_heights(panel)) == pytest.approx(100 * mapped.to_dict()["use"])


def test_scales_are_those_of_real_columns_per_microsiemens(mapped: MappedNetwork) -> None:
    (panel,) = (a for a in map_figure(mapped, 0).axes if "microsiemens" in a.get_xlabel())
    np.testing.assert_allclose(
        np.asarray(panel.lines[0].get_xdata(), float), mapped.matrices[0].scale[0] / 1e6, rtol=1e-12
    )


def test_only_the_largest_tiles_are_drawn(mapped: MappedNetwork) -> None:
    """With fewer maps than tiles the small tile of the classifier is left out."""
    titles = [a.get_title() for a in map_figure(mapped, maps=2).axes if a.images]
    assert len(titles) == 2
    assert not any(mapped.layers[-1].name in title for title in titles)


def test_many_matrices_are_numbered(mapped: MappedNetwork) -> None:
    """Names beside the axis would overlap: more than sixteen matrices have numbers instead."""
    matrix = mapped.matrices[0]
    many = tuple(replace(matrix, first_array=n * matrix.grid.tiles) for n in range(20))
    (panel,) = (a for a in map_figure(replace(mapped, matrices=many)).axes if "microsiemens" in a.get_xlabel())
    assert panel.get_ylabel() == "matrix"
    assert len(panel.get_yticks()) < 10


def test_one_array_alone(mapped: MappedNetwork) -> None:
    (panel,) = (a for a in map_figure(mapped, 1).axes if a.images)
    assert panel.get_title().endswith("array 1")


@pytest.mark.parametrize("array", [-1, 99])
def test_an_array_that_is_not_there(mapped: MappedNetwork, array: int) -> None:
    with pytest.raises(InputError, match=f"array {array} does not exist; the map has arrays 0 to {mapped.arrays - 1}"):
        map_figure(mapped, array)


def test_a_number_of_maps_below_one(mapped: MappedNetwork) -> None:
    with pytest.raises(InputError, match="at least 1"):
        map_figure(mapped, maps=0)


def test_shared_matrices_name_all_their_layers(mapped: MappedNetwork) -> None:
    """A matrix that two layers use says so."""
    twice = replace(mapped, layers=(*mapped.layers, replace(mapped.layers[0], name="again")))
    assert any(a.get_title().startswith(f"{mapped.layers[0].name} (+1)") for a in map_figure(twice).axes)
