"""`xbar plot --wires`: what wires do to one array of a map."""

from pathlib import Path
from typing import Any


def test_plot_of_an_array_with_wires(run: Any, digits_file: Path, tmp_path: Path) -> None:
    """`xbar plot --wires` draws an array of a map; a text that names no wires is a mistake, and draws nothing."""
    ended = run("plot", digits_file, "--wires", "22nm-1t1r", "--array", 1, "-o", "w.png")
    assert ended.code == 0, ended.err
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")
    assert run("plot", digits_file, "--wires", "much", "-o", "v.png").code == 2
    assert not (tmp_path / "v.png").exists()
