"""The figure of a card: a panel for each thing that its laws say."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from xbar.devices.card_file import card_names, load_card
from xbar.errors import InputError
from xbar.figures.card_figure import card_figure


def titles(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


def test_panels_follow_the_laws() -> None:
    """Each card has the panels of its laws and no other."""
    assert titles(card_figure(load_card("pcm"))) == [
        "error of a write",
        "mean ± standard deviation of cells",
        "noise of a reading",
    ]
    found = titles(card_figure(load_card("generic_all")))
    assert len(found) == 6
    assert "I-V curves (dotted: linear)" in found
    assert "step of one pulse, average device" in found
    assert titles(card_figure(load_card("vteam")))[0].startswith("hysteresis, ")


def test_every_card_that_has_laws_can_be_drawn() -> None:
    """Every shipped card but the ideal one gives a figure with curves in each panel."""
    for name in card_names():
        if name == "ideal":
            continue
        figure = card_figure(load_card(name))
        assert all(axes.lines for axes in figure.axes), name


def test_times_beyond_the_card_are_not_drawn() -> None:
    """The curves of a card end where its laws end; the rest of the month says n/a."""
    axes = card_figure(load_card("reram_wan")).axes[1]
    ends = [float(np.asarray(line.get_xdata(), np.float64)[-1]) for line in axes.lines]
    assert max(ends) == pytest.approx(2 * 86400)
    assert [text.get_text() for text in axes.texts] == ["n/a"]


def test_ideal_card_has_nothing_to_draw() -> None:
    """A card without laws says so instead of an empty figure."""
    with pytest.raises(InputError, match="card 'ideal' has no law that could be drawn"):
        card_figure(load_card("ideal"))
