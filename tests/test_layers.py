"""The rules about imports in pyproject.toml catch what they are there for."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    "xbar": ["errors", "version", "units", "circuit", "devices", "bench", "trace", "mapping", "execution", "cli"],
    "xbar_drivers": ["simulated"],
    "xbar_calibration": ["drift"],
}


def lint(folder: Path, module: str, line: str) -> subprocess.CompletedProcess[str]:
    """Check a small tree of empty modules, of which one holds the given line."""
    for package, names in MODULES.items():
        for name in ["__init__", *names]:
            path = folder / package / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{line}\n" if f"{package}.{name}" == module else "", encoding="utf-8")
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    call = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c(['--no-cache'])"
    )
    return subprocess.run([sys.executable, "-c", call], cwd=folder, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("xbar.errors", "import xbar_drivers.simulated"),
        ("xbar.units", "import xbar_calibration"),
        ("xbar.units", "import xbar.bench"),
        ("xbar.circuit", "import xbar.devices"),
        ("xbar.bench", "import xbar.trace"),
        ("xbar.mapping", "def f():\n    import xbar.execution"),
        ("xbar_drivers.simulated", "import xbar.cli"),
        ("xbar_drivers.simulated", "from xbar import execution"),
        ("xbar_calibration.drift", "import xbar_drivers.simulated"),
    ],
)
def test_upward_import_is_refused(tmp_path: Path, module: str, line: str) -> None:
    result = lint(tmp_path, module, line)
    assert result.returncode == 1
    assert "BROKEN" in result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("xbar", "def open_bench():\n    import xbar.trace"),
        ("xbar.trace", "import xbar.bench"),
        ("xbar_drivers.simulated", "import xbar.bench, xbar.devices, xbar.trace"),
        ("xbar_calibration.drift", "import xbar.trace"),
    ],
)
def test_downward_import_is_kept(tmp_path: Path, module: str, line: str) -> None:
    module = f"{module}.__init__" if module == "xbar" else module
    result = lint(tmp_path, module, line)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("line", "rule"),
    [("import drivers.simulated", "TID251"), ("import calibration", "TID251"), ("import cupy", "TID253")],
)
def test_banned_import_is_refused(line: str, rule: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--stdin-filename", "xbar/some_module.py", "-"]
    result = subprocess.run(command, cwd=ROOT, input=f'"""Do a thing."""\n\n{line}\n', capture_output=True, text=True)
    assert result.returncode == 1
    assert rule in result.stdout
