"""Figure of what wires do to an array: the numbers behind it."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from xbar.circuit import Wires, effective_operator
from xbar.errors import InputError, UnknownNameError
from xbar.figures.wires_figure import map_wires_figure, wires_figure
from xbar.mapping.array_targets import array_targets
from xbar.mapping.mapped_network import MappedNetwork


def _images(figure: Figure) -> list[Any]:
    return [np.ma.filled(np.ma.asarray(a.images[0].get_array()), np.nan) for a in figure.axes[:2]]


def test_maps_and_currents_are_those_of_the_circuit() -> None:
    """Cell voltages in mV, the lost share in per cent of each line's own drive, grey where that is 0 V."""
    rng = np.random.default_rng(1)
    g, v = rng.uniform(1e-6, 1e-4, (5, 7)), np.array([0.2, -0.1, 0.0, 0.05, 0.2])
    figure = wires_figure(g, Wires(2.0, 8.0), v, "a title")
    op = effective_operator(g, Wires(2.0, 8.0))
    word, bit = (nodes[0] for nodes in op.node_voltages(v[None]))
    volts, lost = _images(figure)
    np.testing.assert_allclose(volts, (word - bit) * 1e3, rtol=1e-12)
    assert np.isnan(lost[2]).all()
    np.testing.assert_allclose(lost[1], 100 * (1 - (word - bit)[1] / -0.1), rtol=1e-12)
    ideal, wired = (np.asarray(line.get_ydata(), float) for line in figure.axes[2].lines)
    np.testing.assert_allclose(ideal, v @ g * 1e6, rtol=1e-12)
    np.testing.assert_allclose(wired, op.currents(v[None])[0] * 1e6, rtol=1e-12)
    assert figure.get_suptitle() == "a title"
    labels = [a.get_ylabel() for a in figure.axes]
    assert {"word minus bit line [mV]", "drive voltage lost [%]", "current [µA]"} <= set(labels)


def test_the_largest_tile_of_a_map_is_drawn(mapped: MappedNetwork) -> None:
    """The circuit is the whole array with its unwritten cells; drawn are the tile's lines."""
    figure = map_wires_figure(mapped, "word=1 ohm, bit=2 ohm")
    largest = max(range(mapped.arrays), key=lambda a: array_targets(mapped, a).rows * array_targets(mapped, a).cols)
    tile = array_targets(mapped, largest)
    assert f"array {largest}, {tile.layer}" in figure.get_suptitle()
    v = np.where(np.arange(len(tile.conductances)) < tile.rows, mapped.card.read_voltage, 0.0)
    word, bit = effective_operator(tile.conductances, Wires(1.0, 2.0)).node_voltages(v[None])
    np.testing.assert_allclose(_images(figure)[0], 1e3 * (word - bit)[0, : tile.rows, : tile.cols], rtol=1e-12)


def test_without_resistance_nothing_is_lost(mapped: MappedNetwork) -> None:
    figure = map_wires_figure(mapped, "0 ohm", 1)
    assert np.abs(_images(figure)[1]).max() < 1e-10
    assert figure.axes[2].get_title() == "bit-line currents: 0 % lost over all"


def test_mistakes(mapped: MappedNetwork) -> None:
    with pytest.raises(InputError, match="array 99 does not exist"):
        map_wires_figure(mapped, "1 ohm", 99)
    with pytest.raises(UnknownNameError, match="23nm-1t1r"):
        map_wires_figure(mapped, "23nm-1t1r")
    with pytest.raises(InputError, match="nothing to draw"):
        wires_figure(np.full((2, 2), 1e-5), Wires(1.0, 1.0), np.zeros(2))
    with pytest.raises(InputError, match="one vector"):
        wires_figure(np.full((2, 2), 1e-5), Wires(1.0, 1.0), np.zeros((1, 2)))
