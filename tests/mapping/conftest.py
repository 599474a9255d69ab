"""The shipped digits network on PCM tiles, as a map and as a file to damage."""

from pathlib import Path

import numpy as np
import pytest

import xbar
from xbar.mapping.mapped_network import MappedNetwork


@pytest.fixture(scope="session")
def digits_map() -> MappedNetwork:
    """Return the digits network on 64 x 64 tiles: the first layer is cut into two."""
    sample = xbar.sample("digits")
    with np.load(sample.calibration) as calibration:
        x = calibration["x"][:40]
    return xbar.map_network(xbar.load_network(sample.model), xbar.load_card("pcm"), tile=(64, 64), calibration=x)


@pytest.fixture
def map_file(digits_map: MappedNetwork, tmp_path: Path) -> Path:
    """Return a map file of one's own to change."""
    path = tmp_path / "m.h5"
    xbar.save_map(digits_map, path)
    return path
