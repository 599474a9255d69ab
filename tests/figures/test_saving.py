"""Files of figures: formats by suffix, nothing lost, nothing half-written."""

import subprocess
import sys
from pathlib import Path

import pytest

from xbar.errors import FileError, InputError
from xbar.figures import style
from xbar.figures.saving import save


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("b.PNG", b"\x89PNG")])
def test_suffix_chooses_the_format(tmp_path: Path, name: str, begins: bytes) -> None:
    path = save(style.new_figure(1, 1), tmp_path / name)
    assert path == tmp_path / name
    assert path.read_bytes().startswith(begins)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_an_unknown_suffix_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png or \.svg"):
        save(style.new_figure(1, 1), tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    """Without force the old file stays as it is; with force it is renamed."""
    path = tmp_path / "a.png"
    path.write_text("old")
    with pytest.raises(FileError, match="exists"):
        save(style.new_figure(1, 1), path)
    assert path.read_text() == "old"
    save(style.new_figure(1, 1), path, force=True)
    assert (tmp_path / "a.1.png").read_text() == "old"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        save(style.new_figure(1, 1), tmp_path / "no" / "a.png")


def test_no_pyplot_and_no_change_of_global_settings(tmp_path: Path) -> None:
    """Drawing loads no pyplot, which would choose a window system, and leaves matplotlib's settings alone."""
    code = (
        "import sys, matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "import numpy as np\n"
        "from xbar.figures.array_figure import array_figure\n"
        "import xbar.figures.draw, xbar.figures.map_figure, xbar.figures.run_figure, xbar.figures.trace_figure\n"
        "from xbar.figures.saving import save\n"
        "save(array_figure(np.eye(3)), sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'xbar.execution' not in sys.modules\n"
        "assert matplotlib.rcParams.copy() == before\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], check=True)
