"""The driver that the how-to page writes can be installed as the page says."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

import xbar
from markdown_pages import DOCS, blocks
from xbar.bench import registry
from xbar.cli.app import app
from xbar.errors import InputError

PAGE = DOCS / "how-to" / "write-a-driver.md"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the entry points have the line of the page, and the module it names the page's code."""
    module: Any = ModuleType("our_lab.resistors")
    exec(next(block.text for block in blocks(PAGE) if block.language == "python"), vars(module))
    monkeypatch.setitem(sys.modules, "our_lab", ModuleType("our_lab"))
    monkeypatch.setitem(sys.modules, "our_lab.resistors", module)
    line = next(block.text for block in blocks(PAGE) if block.language == "toml").splitlines()[-1]
    name, value = line.split(" = ")
    points = [EntryPoint(name, value.strip('"'), registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)


def test_driver_opens_by_its_name() -> None:
    with xbar.open_bench("resistors", rows=2, cols=3) as bench:
        assert bench[0].read_all().conductance.shape == (6, 1)
        assert bench.identity.model == "sim:resistor board"


def test_driver_opens_through_a_bench_file(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text('schema = "xbar-bench/1"\ndriver = "resistors"\n[options]\nrows = 2\ncols = 2\n', encoding="utf-8")
    with xbar.open_bench(path) as bench:
        assert bench.capabilities.rows == 2


def test_driver_is_read_from_the_command_line() -> None:
    result = CliRunner().invoke(app, ["read", "--bench", "resistors"])
    assert result.exit_code == 0
    assert "all cells: mean 10 uS" in result.stdout


def test_unknown_option_is_refused() -> None:
    with pytest.raises(InputError, match="rows, cols, ohms"):
        xbar.open_bench("resistors", colour="red")
