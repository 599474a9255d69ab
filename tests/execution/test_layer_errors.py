"""Layer errors: a known error gives a known ratio, whatever the blocks and the batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.execution.layer_error import LayerErrors
from xbar.mapping.mapped_network import MappedNetwork
from xbar.network.analog_node import AnalogNode, ideal
from xbar.network.blocks import Block


def errors_of(
    mapped: MappedNetwork, x: NDArray[Any], gain: float, batch: int, samples: int = 40
) -> list[tuple[float, float]]:
    """Return the errors of layers that give `gain` times their exact outputs."""
    network = mapped.network
    name = network.inputs[0].name
    errors = LayerErrors(network, {name: x}, samples)

    def analog(node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]) -> list[NDArray[Any]]:
        outputs = [np.asarray(output * np.float32(gain)) for output in ideal(node, xs, blocks)]
        errors.compare(node, xs, outputs, blocks)
        return outputs

    for first in range(0, len(x), batch):
        network.run(network.blocks({name: x[first : first + batch]}, first), analog)
    return [(layer.snr_db, layer.cumulative_snr_db) for layer in errors.results()]


def test_a_known_error_gives_a_known_ratio(conv_map: MappedNetwork, images: NDArray[np.float32]) -> None:
    """Outputs that are 1 % too large have a signal-to-error ratio of 40 dB, in every layer."""
    found = errors_of(conv_map, images, 1.01, batch=45)
    assert [alone for alone, _ in found] == pytest.approx([40.0] * 3, abs=1e-3)
    assert found[0][1] == pytest.approx(40.0, abs=1e-3)
    assert found[-1][1] < 39.0


@pytest.mark.parametrize("batch", [1, 7, 16, 100])
def test_batches_do_not_matter(conv_map: MappedNetwork, images: NDArray[np.float32], batch: int) -> None:
    assert errors_of(conv_map, images, 1.01, batch) == errors_of(conv_map, images, 1.01, 45)


def test_layers_without_error_are_infinitely_good(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    assert errors_of(digits_map, digits["x"], 1.0, 100) == [(np.inf, np.inf)] * 2


def test_only_the_first_samples_count(conv_map: MappedNetwork, images: NDArray[np.float32]) -> None:
    """What comes after them changes nothing."""
    other = images.copy()
    other[20:] *= 3
    assert errors_of(conv_map, other, 0.97, 45, samples=20) == errors_of(conv_map, images, 0.97, 45, samples=20)
    assert errors_of(conv_map, other, 0.97, 45, samples=21) != errors_of(conv_map, images, 0.97, 45, samples=21)
