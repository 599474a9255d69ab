"""The command lines of the pages: options exist, and those of the tutorial print what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from markdown_pages import DOCS, ROOT, blocks, command_lines
from xbar.cli.app import app

TUTORIAL = DOCS / "tutorial" / "first-steps.md"
LINES = sorted({line for page in [ROOT / "README.md", *DOCS.rglob("*.md")] for line in command_lines(page, "", "sh")})


def test_command_lines_are_found() -> None:
    assert len(LINES) > 15


@pytest.mark.parametrize("line", LINES)
def test_command_line_parses(line: str) -> None:
    """Command and options exist and have values of the right kind; nothing is run."""
    root: Any = typer.main.get_command(app)
    name, *arguments = shlex.split(line)[1:]
    command = root.commands[name]
    command.make_context(name, [*arguments], parent=root.make_context("xbar", [name]))


def test_tutorial_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of the tutorial's output stands in what its commands print (spaces apart)."""
    monkeypatch.chdir(tmp_path)
    printed = ""
    for block in blocks(TUTORIAL):
        if block.language == "sh":
            for line in block.text.splitlines():
                if line == "xbar demo":
                    continue
                result = CliRunner().invoke(app, shlex.split(line)[1:])
                assert result.exit_code == 0, result.output
                printed += result.stdout
        elif block.language == "text":
            known = [_squeezed(line) for line in printed.splitlines()]
            for line in block.text.splitlines():
                assert any(_squeezed(line) in other for other in known), line
    assert {path.name for path in tmp_path.iterdir()} >= {"digits.h5", "trace.h5", "trace.png", "map.png", "read.png"}


def _squeezed(line: str) -> str:
    return re.sub(r"\s+", " ", line.strip())


@pytest.mark.parametrize("width", ["50", "200"])
def test_command_reference_is_up_to_date(width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is what the command line says, however wide the terminal is."""
    monkeypatch.setenv("COLUMNS", width)
    script = [sys.executable, str(ROOT / "scripts" / "write_command_reference.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
