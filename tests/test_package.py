"""What is built and installed: whole, documented, and quick to start."""

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "xbar": ROOT / "xbar",
    "xbar_drivers": ROOT / "drivers" / "xbar_drivers",
    "xbar_calibration": ROOT / "calibration" / "xbar_calibration",
}
HEAVY = (
    "cupy",
    "dask",
    "h5py",
    "hdf5plugin",
    "matplotlib",
    "numba",
    "numpy",
    "onnx",
    "onnxruntime",
    "pydantic",
    "pyvisa",
    "scipy",
)


def test_every_module_has_a_docstring() -> None:
    modules = [path for package in PACKAGES.values() for path in package.rglob("*.py")]
    assert len(modules) > len(PACKAGES)
    bare = [
        str(path.relative_to(ROOT))
        for path in modules
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert bare == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, without a network, as `pip install .` does."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_the_three_packages(wheel: Path) -> None:
    """Every file of the packages is in the wheel: modules, cards, samples and the mark that they are typed."""
    expected = {
        (Path(name) / path.relative_to(folder)).as_posix()
        for name, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected
    assert {f"{name}/py.typed" for name in PACKAGES} <= held
    assert any(name.startswith("xbar/samples/") and name.endswith(".onnx") for name in held)
    assert any(name.startswith("xbar/devices/cards/") and name.endswith(".toml") for name in held)


def test_wheel_declares_its_version_licence_drivers_and_command(wheel: Path) -> None:
    from xbar.version import __version__

    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(f"{folder}/METADATA").decode()
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
        assert f"{folder}/licenses/LICENSE" in archive.namelist()
    assert f"\nName: xbar-emulator\nVersion: {__version__}\n" in metadata
    assert "sim = xbar_drivers.simulated:SimulatedDriver" in entry_points
    assert "replay = xbar_drivers.replay:ReplayDriver" in entry_points
    assert "xbar = xbar.cli:main" in entry_points


def test_help_imports_nothing_heavy() -> None:
    """`xbar --help` answers at once: no package of the numerical kind is loaded for it."""
    code = f"""
import json, sys
from xbar.cli import main
sys.argv = ["xbar", "--help"]
try:
    code = main()
except SystemExit as exit:
    code = exit.code
print(json.dumps([code or 0, [name for name in {HEAVY!r} if name in sys.modules]]), file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stderr.splitlines()[-1]) == [0, []]
    assert "xbar" in result.stdout
