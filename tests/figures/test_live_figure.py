"""The figure of a running trace shows what came, keeps a bounded number of points, and needs no display."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import xbar
from xbar.errors import Unsupported
from xbar.figures import live_figure, window
from xbar.figures.live_figure import LiveFigure
from xbar.figures.saving import replace, save
from xbar.trace.follow import Follower


def panels(figure: Figure) -> list[Any]:
    """Return the axes of the pace, the readings and the codes."""
    return [axes for part in figure.subfigs for axes in part.axes]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    with xbar.open_bench("sim", card="pcm", rows=4, cols=3, record=tmp_path / "t.h5") as bench:
        for _ in range(3):
            bench[0].read_all(xbar.ReadConfig(repeat=2))
        bench[0].mvm(np.full((2, 4), 0.1), xbar.VectorConfig(0.2, 20e-6))
    return tmp_path / "t.h5"


def test_readings_codes_and_pace_are_drawn(trace: Path) -> None:
    with Follower(trace) as follower:
        look = follower.look()
        live = LiveFigure()
        live.update(follower.trace, look)
    pace, cells, codes = panels(live.figure)
    assert pace.lines[0].get_ydata().tolist() == [1, 2, 3, 4]
    assert pace.lines[0].get_xdata()[-1] == 0
    assert len(cells.lines[0].get_xdata()) == 3 * 12 * 2
    assert sum(bar.get_height() for bar in codes.patches) == 2 * 3
    assert codes.get_title() == "output codes of operation 3"
    suptitle = live.figure.get_suptitle()
    assert suptitle.startswith("4 operations, ")
    assert suptitle.endswith(" per second, ok")


def test_points_are_bounded(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace of any length is drawn in bounded memory: the last points, of the last operations."""
    monkeypatch.setattr(live_figure, "OPERATIONS", 2)
    monkeypatch.setattr(live_figure, "POINTS", 3)
    with Follower(trace) as follower:
        live = LiveFigure()
        for look in (follower.look(), follower.look()):
            live.update(follower.trace, look)
    pace, cells, _ = panels(live.figure)
    assert pace.lines[0].get_ydata().tolist() == [2, 3, 4]
    assert len(cells.lines[0].get_xdata()) == 3


def test_nothing_yet_is_drawn_as_such(tmp_path: Path) -> None:
    (tmp_path / "t.h5").write_bytes(b"")
    with Follower(tmp_path / "t.h5") as follower:
        live = LiveFigure()
        live.update(follower.trace, follower.look())
    assert [axes.get_title() for axes in panels(live.figure)][1:] == ["no readings of cells yet", "no products yet"]
    assert live.figure.get_suptitle() == "0 operations, setting up"


def test_a_file_is_replaced_and_not_kept(trace: Path, tmp_path: Path) -> None:
    live = LiveFigure()
    save(live.figure, tmp_path / "w.png")
    before = (tmp_path / "w.png").read_bytes()
    with Follower(trace) as follower:
        look = follower.look()
        live.update(follower.trace, look)
    replace(live.figure, tmp_path / "w.png")
    assert (tmp_path / "w.png").read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.h5", "w.png"]


def test_a_toolkit_that_shows_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.setattr(window, "_interactive", list)
    with pytest.raises(Unsupported, match="shows no window"):
        window.FigureWindow("t")
