"""The command line, run in this process, and in a process of its own where signals matter."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import xbar
from xbar.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs `xbar` with arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    # Set and not deleted: --debug sets it, and only what was set here is put back after the test.
    monkeypatch.setenv("XBAR_DEBUG", "")

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["xbar", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, out, err)

    return call


@pytest.fixture(scope="session")
def digits_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a map file of the digits network."""
    sample = xbar.sample("digits")
    with np.load(sample.calibration) as calibration:
        mapped = xbar.map_network(xbar.load_network(sample.model), xbar.load_card("pcm"), calibration=calibration["x"])
    path = tmp_path_factory.mktemp("map") / "digits.h5"
    xbar.save_map(mapped, path)
    return path
