"""Simulated arrays of known cards, written and read through the bench, and measured data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xbar
from xbar.bench.settings import ReadConfig

DATA = Path(__file__).parent.parent / "data"

HIDDEN = """schema = "xbar-card/1"
name = "hidden"
title = "A card that the fit does not see"
source = "Round numbers"
g_min = "5 uS"
g_max = "100 uS"
read_voltage = "0.2 V"
[programming_error]
kind = "constant"
sigma = "0.8 uS"
valid = ["0 uS", "100 uS"]
source = "Round number"
[read_noise]
kind = "proportional"
relative = 0.004
valid = ["0 uS", "100 uS"]
source = "Round number"
"""

RELAXATION = """[relaxation]
kind = "log_time"
mean_slope = "-0.09 uS"
spread_slope = "0.15 uS"
spread = "0.6 uS"
valid = ["0 uS", "100 uS"]
valid_time = ["1 s", "10 days"]
source = "Round numbers"
"""
VARIATION = """[device_variation]
kind = "lognormal"
on = 0.03
off = 0.12
valid = ["0 uS", "100 uS"]
source = "Round numbers"
"""
SINH = """[iv_nonlinearity]
kind = "sinh"
v0 = "0.35 V"
valid = ["0 uS", "100 uS"]
source = "Round number"
"""
STUCK = """[stuck_cells]
kind = "independent"
off = 0.04
on = 0.02
source = "Round numbers"
"""

BLOCKS = {"relaxation": RELAXATION, "variation": VARIATION, "sinh": SINH, "stuck": STUCK}
Measure = Callable[..., Path]


@pytest.fixture(scope="session")
def hidden() -> Callable[..., str]:
    """Give a function that returns the text of a card with some more laws."""
    return lambda *names: HIDDEN + "".join(BLOCKS[name] for name in names)


@pytest.fixture(scope="session")
def data() -> Path:
    """Give the folder of measured data."""
    return DATA


@pytest.fixture(scope="session")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """Give a function that records a trace of an array of a card: written, read after each wait, perhaps swept."""

    def record(
        card: str,
        size: int = 16,
        seed: int = 1,
        waits: int = 8,
        writes: int = 1,
        sweeps: int = 0,
        products: int = 0,
        wires: str | None = None,
    ) -> Path:
        folder = tmp_path_factory.mktemp("trace")
        name = card
        if card.startswith("schema"):
            (folder / "hidden.toml").write_text(card, encoding="utf-8")
            name = str(folder / "hidden.toml")
        laws = xbar.load_card(name)
        rng = np.random.default_rng(seed)
        levels = np.geomspace(max(laws.g_min, 0.02 * laws.g_max), laws.g_max, 12)
        config = ReadConfig(voltage=laws.read_voltage, repeat=4)
        path = folder / "trace.h5"
        options: dict[str, Any] = {} if wires is None else {"wires": wires}
        with xbar.open_bench(
            "sim", card=name, rows=size, cols=size, seed=seed, record=path, level="full", **options
        ) as bench:
            for _ in range(writes):
                bench.program(0, rng.choice(levels, (size, size)))
                before = 0.0
                for seconds in np.geomspace(1.0, 1e5, waits) if waits > 1 else [1.0]:
                    bench.wait(float(seconds - before))
                    before = float(seconds)
                    bench[0].read_all(config)
            for k in range(sweeps):
                bench.sweep(0, (k // size, k % size), np.linspace(-0.5, 0.5, 21))
            if products:
                volts = rng.uniform(-0.2, 0.2, (products, size))
                bench[0].mvm(volts, xbar.VectorConfig(0.2, 100e-6))
        return path

    return record
