"""scripts/test.py: every check runs, whatever failed before, and the summary and the exit code tell."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def script() -> ModuleType:
    """Load the script by its path: its name `test` is also the standard library's."""
    specification = importlib.util.spec_from_file_location("test_script", SCRIPTS / "test.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def command(code: int) -> list[str]:
    return [sys.executable, "-S", "-c", f"raise SystemExit({code})"]


def test_one_failure_fails_all(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.run({"lint": command(0), "types": command(3), "tests": command(0)}) == 1
    said = capsys.readouterr().err
    assert "types: FAILED (exit code 3)" in said
    assert "tests: passed" in said
    assert said.rstrip().endswith("FAILED: types")


def test_all_passed(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.run({"lint": command(0), "tests": command(0)}) == 0
    assert "All passed: lint, tests" in capsys.readouterr().err


def test_arguments_go_to_pytest_alone(script: ModuleType) -> None:
    checks = script.commands(Path("python"), Path("lint-imports"), ["-k", "drift"])
    assert checks["tests"][-2:] == ["-k", "drift"]
    assert [name for name, words in checks.items() if "-k" in words] == ["tests"]
    assert list(checks) == ["lint", "format", "types", "layers", "tests"]


def test_cache_of_kernels_is_cleared(script: ModuleType, tmp_path: Path) -> None:
    """Compiled kernels go; compiled Python and everything outside the source roots stays."""
    cache = tmp_path / "xbar" / "circuit" / "__pycache__"
    other = tmp_path / ".venv" / "__pycache__"
    for folder in (cache, other):
        folder.mkdir(parents=True)
        for name in ("kernel.1.nbi", "kernel.1.nbc", "kernel.pyc"):
            (folder / name).touch()
    assert script.clear_numba_cache(tmp_path) == 2
    assert [path.name for path in cache.iterdir()] == ["kernel.pyc"]
    assert len(list(other.iterdir())) == 3


@pytest.mark.parametrize("name", ["demo.py", "test.py"])
def test_environment_that_cannot_be_made_is_one_message(name: str, tmp_path: Path) -> None:
    """A folder that holds other things is refused in one message, with exit code 1 and without a traceback."""
    (tmp_path / "thesis.tex").touch()
    result = subprocess.run(
        [sys.executable, str(SCRIPTS / name)],
        env=os.environ | {"XBAR_VENV": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "let XBAR_VENV name another folder" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
