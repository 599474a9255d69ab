"""The driver that the how-to page writes can be installed as the page says."""

import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

import xbar
from markdown_pages import DOCS, ROOT, blocks, read_page
from xbar.bench import registry
from xbar.cli.app import app
from xbar.errors import InputError

PAGE = DOCS / "how-to" / "write-a-driver.md"
PLUGIN = ROOT / "tests" / "data" / "plugin_board"


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
    with xbar.open_bench("board:COM3", rows=2, cols=3) as bench:
        assert bench[0].read_all().conductance.shape == (6, 1)
        assert bench.identity.model == "sim:resistor board"
        assert bench.identity.serial == "COM3"


def test_driver_opens_through_a_bench_file(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    text = 'schema = "xbar-bench/1"\ndriver = "board"\naddress = "COM3"\n[options]\nrows = 2\ncols = 2\n'
    path.write_text(text, encoding="utf-8")
    with xbar.open_bench(path) as bench:
        assert bench.capabilities.rows == 2
        assert bench.identity.serial == "COM3"


def test_driver_is_read_from_the_command_line() -> None:
    result = CliRunner().invoke(app, ["read", "--bench", "board:COM3"])
    assert result.exit_code == 0
    assert "all cells: mean 10 uS" in result.stdout


def test_unknown_option_is_refused() -> None:
    with pytest.raises(InputError, match="rows, cols, ohms"):
        xbar.open_bench("board", colour="red")


def test_driver_of_the_page_is_the_plug_in_of_the_tests() -> None:
    """The page shows the driver that tests/drivers/test_conformance.py finds by its entry point; 60 lines at most."""
    code = next(block.text for block in blocks(PAGE) if block.language == "python")
    assert code == (PLUGIN / "our_lab" / "resistors.py").read_text(encoding="utf-8")
    assert len(code.splitlines()) <= 60
    line = next(block.text for block in blocks(PAGE) if block.language == "toml").splitlines()[-1]
    (points,) = PLUGIN.glob("*.dist-info/entry_points.txt")
    assert line.replace('"', "") in points.read_text(encoding="utf-8").splitlines()


def test_suite_of_the_page_passes_as_an_author_runs_it(tmp_path: Path) -> None:
    """The two classes of the page, in a file of their own, with the driver's package beside it."""
    suites = [block.text for block in blocks(PAGE) if "DriverTests)" in block.text]
    assert len(suites) == 2
    head = "import numpy as np\nfrom our_lab.resistors import ResistorBoard\n"
    (tmp_path / "test_resistors.py").write_text(head + "\n".join(suites), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    path = os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "made")]
    done = subprocess.run(
        [*command, "test_resistors.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed, (\d+) skipped", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) > 40, done.stdout


def test_settings_of_the_suite_are_those_of_the_class() -> None:
    """Names and defaults in the table of the page."""
    from xbar.testing.suite import Suite

    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \| ", read_page(PAGE).partition("## Test it")[2], re.MULTILINE)
    said = {name: text.replace('"', "'") for name, text in rows}
    assert said == {name: repr(getattr(Suite, name)) for name in Suite.__annotations__ if name != "folder"}
