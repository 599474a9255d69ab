"""`xbar cards`: list, show, plot, and what is said about a mistake."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_list_names_every_law(run: Run) -> None:
    """The list has a line for each card with its range and all of its laws."""
    shown = run("cards").out
    for word in ("reram_wan", "relaxation", "pulse_response", "dynamics", "yflash", "800 pS to 1.11 uS"):
        assert word in shown


def test_show_tells_sources_ranges_and_what_is_not_known(run: Run) -> None:
    """A card shows laws, sources and valid ranges; a time beyond it is n/a, in the table as in JSON."""
    shown = run("cards", "show", "reram_wan").out
    assert "time 0 s to 2 days" in shown
    assert "Nature 608" in shown
    assert "n/a" in shown
    assert "20.5 uS ± 3.89 uS" in shown
    values = json.loads(run("cards", "show", "reram_wan", "--json", "--at", "3 days").out)[0]
    assert values["table"][2]["after"] == [{"time_s": 259200.0, "mean_S": None, "sigma_S": None}]
    assert values["valid"]["relaxation"] == "conductance 0 S to 40 uS, time 0 s to 2 days"
    assert "no law of time" in run("cards", "show", "yflash").out


def test_a_card_file_of_ones_own(run: Run) -> None:
    """A file is shown and drawn like a shipped card."""
    import xbar

    Path("mine.toml").write_text(xbar.load_card("pcm").text.replace('"pcm"', '"mine"', 1), encoding="utf-8")
    assert run("cards", "show", "mine.toml").out.startswith("mine: ")
    assert run("cards", "plot", "mine.toml", "-o", "mine.svg").code == 0
    assert Path("mine.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_plot_writes_a_figure_and_keeps_what_is_there(run: Run) -> None:
    """A figure is written; an existing file is refused without --force, and kept with it."""
    assert run("cards", "plot", "generic", "-o", "card.png").code == 0
    assert Path("card.png").read_bytes().startswith(b"\x89PNG")
    assert run("cards", "plot", "generic", "-o", "card.png").code == 3
    assert run("cards", "plot", "generic", "-o", "card.png", "--force").code == 0
    assert len(list(Path().glob("card*.png"))) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show",), 2, ["name one card"]),
        (("plot",), 2, ["name one card"]),
        (("draw", "pcm"), 2, ["xbar cards draw"]),
        (("plot", "pcm"), 2, ["-o pcm.png"]),
        (("plot", "unobtainium", "-o", "x.png"), 2, ["unobtainium", "pcm"]),
        (("plot", "ideal", "-o", "x.png"), 2, ["no law that could be drawn"]),
        (("plot", "pcm", "-o", "x.gif"), 2, [".png"]),
        (("show", "pcm", "--at", "soon"), 2, ["soon"]),
        (("show", "pcm", "-o", "x.png"), 2, ["xbar cards plot"]),
        (("--at", "1 day"), 2, ["xbar cards show"]),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], code: int, words: list[str]) -> None:
    """A mistake ends with its exit code and a message that says what to do; nothing is written."""
    ended = run("cards", *arguments)
    assert ended.code == code
    assert all(word in ended.err for word in words), ended.err
    assert not list(Path().iterdir())


def test_an_option_that_a_figure_has_no_use_for(run: Run) -> None:
    """`--at` with a figure is refused, not overlooked, and nothing is drawn."""
    ended = run("cards", "plot", "pcm", "--at", "1 day", "-o", "p.svg")
    assert ended.code == 2
    assert "cards show" in ended.err
    assert not Path("p.svg").exists()
