"""Benches of simulated arrays, and comparisons of samples with closed forms at a stated chance of a false alarm."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.settings import ReadConfig
from xbar.devices.card import DeviceCard
from xbar.devices.card_file import load_card
from xbar_drivers.simulated import SimulatedDriver


class Benches:
    """Makes benches of one array, and reads them."""

    def __call__(self, card: str | DeviceCard, rows: int = 16, cols: int = 12, **options: Any) -> Bench:
        """Return a bench."""
        return Bench(SimulatedDriver(card, **{"rows": rows, "cols": cols, "seed": 4} | options))

    @staticmethod
    def card(**laws: Any) -> DeviceCard:
        """Return a device of 1 to 100 uS that does nothing wrong but what these laws tell."""
        return replace(load_card("generic").only([]), valid=(), **laws)

    @staticmethod
    def cells(bench: Bench) -> NDArray[np.int64]:
        """Return (row, column) of every cell."""
        return np.argwhere(np.ones((bench.capabilities.rows, bench.capabilities.cols), bool))

    def read(self, bench: Bench, voltage: float = 0.2) -> NDArray[np.float64]:
        """Return the conductances (rows, cols) [S], each cell read once."""
        readings = bench.read(0, self.cells(bench), ReadConfig(voltage=voltage))
        return readings.conductance.reshape(bench.capabilities.rows, bench.capabilities.cols)

    @staticmethod
    def write(bench: Bench, siemens: float) -> None:
        """Program every cell to one conductance."""
        bench.program(0, np.full((bench.capabilities.rows, bench.capabilities.cols), siemens))

    @staticmethod
    def check_normal(sample: Any) -> None:
        """Check that numbers are standard normals, at five standard errors: a false alarm in 1.7 million."""
        z = np.asarray(sample).ravel()
        assert abs(z.mean()) < 5 / math.sqrt(z.size), z.mean()
        assert abs(z.std() - 1) < 5 / math.sqrt(2 * z.size), z.std()


@pytest.fixture(scope="session")
def benches() -> Benches:
    return Benches()
