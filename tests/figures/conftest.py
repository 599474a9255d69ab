"""A small mapped network, a trace of its run and a trace of cell readings, made once."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.bench.readings import CellReadings
from xbar.bench.settings import ReadConfig, VectorConfig
from xbar.execution.results import RunResult
from xbar.mapping.mapped_network import MappedNetwork

CellTrace = tuple[Path, NDArray[np.float64], CellReadings]
"""A trace, the targets (rows, cols) [S], and the first readings of the cells that have one."""


@pytest.fixture(scope="session")
def mapped() -> MappedNetwork:
    """Return a network of two layers on five arrays of 32 x 32 cells."""
    return xbar.map_network(xbar.load_network(xbar.sample("digits").model), xbar.load_card("pcm"), tile=(32, 64))


@pytest.fixture(scope="session")
def run(mapped: MappedNetwork, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Path]:
    """Return the result of a run an hour after programming, and its trace."""
    path = tmp_path_factory.mktemp("run") / "run.h5"
    with np.load(xbar.sample("digits").data) as data:
        x, y = data["x"][:40], data["y"][:40]
    return xbar.run_network(mapped, x, y, at=3600.0, batch=10, trace=path), path


@pytest.fixture(scope="session")
def cell_trace(tmp_path_factory: pytest.TempPathFactory) -> CellTrace:
    """Return a trace of array 1: programmed but for one row, read at three times, one cell swept, one product."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5"
    rng = np.random.default_rng(5)
    target = rng.uniform(1e-6, 25e-6, (6, 4))
    target[2] = np.nan
    cells = np.argwhere(np.isfinite(target))
    with xbar.open_bench("sim", card="pcm", arrays=2, rows=6, cols=4, record=path) as bench:
        bench[1].program(target)
        first = bench[1].read(cells, ReadConfig(repeat=3))
        bench.wait(100.0)
        bench[1].read(cells)
        bench.wait(86400.0)
        bench[1].read(cells)
        bench[1].sweep((3, 2), np.linspace(-0.2, 0.2, 5))
        bench[1].mvm(rng.uniform(0, 0.2, (8, 6)), VectorConfig(output_range=2e-6))
    return path, target, first
