"""The rack file of the reference page: the last layer of the shipped network, 32 x 20, on a rack."""

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xbar.bench.settings import VectorConfig

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rack-file.md"


@pytest.fixture
def example() -> str:
    """Return the rack file of the page for a served rack: on loopback, without read noise."""
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = re.sub(r'(name = "(\w+)"\nmodel = "\w+"\naddress = )"[^"]*"', r'\1"{\2}"', found[1])
    text = text.replace("[array]\n", "[array]\nonly = []\n")
    text = text.replace("node = 1\n", "node = 1\nnoise = false\n")
    return text.replace('schema = "xbar-rack/1"\n', 'schema = "xbar-rack/1"\ntime_scale = "fast"\n')


def test_a_vector_takes_140_readings_and_gives_the_product(serve: Any, example: str) -> None:
    """Seven bits times twenty columns; the sum agrees to the resolution of the readings."""
    rack = serve("linked", text=example)
    driver = rack.driver()
    driver.stop = threading.Event()
    assert "at most 140 readings" in driver.plan()["input vector"]
    driver.open()
    codes = np.arange(32) * 4 + 3
    before = rack.server.messages
    found = driver.mvm((0,), 0.2 * codes[None, None] / 127, VectorConfig(input_range=0.2), None)
    assert rack.server.messages - before <= 4
    assert driver.safe_off() == ()
    driver.close()
    expected = 0.2 * (codes / 127) @ rack.conductances
    assert found.current[0, 0] == pytest.approx(expected, abs=2 * 0.51e-9)
    assert np.abs(found.current).min() > 1e-5
    assert rack.server.report() == []
