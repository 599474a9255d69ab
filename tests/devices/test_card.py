"""Device cards: targets in range, effects switched on and off."""

from typing import Any

import numpy as np
import pytest

from xbar.devices.card import EFFECTS
from xbar.devices.card_file import card_names, load_card
from xbar.errors import InputError, UnknownNameError


def test_targets_in_range_pass(arrays: Any) -> None:
    """The ends of the range, rounding to float32 and empty arrays are in range."""
    card = load_card("generic")
    card.check_targets(arrays.make(np.array([[1e-6, 5e-5], [1e-4, 2e-5]])))
    card.check_targets(arrays.make(np.array([1e-6 * (1 - 1e-8)])))
    card.check_targets(arrays.make(np.zeros((0, 3))))


def test_targets_out_of_range(arrays: Any) -> None:
    """The message tells how many, the worst with its unit, the range, the card and the remedy."""
    targets = arrays.make(np.array([[1e-6, 5e-7, 5e-5], [1.5e-4, 2e-4, 1e-4]]))
    with pytest.raises(InputError) as caught:
        load_card("generic").check_targets(targets)
    assert str(caught.value) == (
        "3 of 6 target conductances lie outside the range of card 'generic', 1 uS to 100 uS; the worst is 200 uS. "
        "Map the network with this card, or clip the targets to its range"
    )
    with pytest.raises(InputError, match="the worst is -1 S"):
        load_card("generic").check_targets(arrays.make(np.array([-1.0, 2e-4])))
    with pytest.raises(InputError, match="the worst is inf S"):
        load_card("generic").check_targets(arrays.make(np.array([np.inf, 2e-4])))


def test_targets_that_are_missing(arrays: Any) -> None:
    """NaN leaves a cell alone where the caller says so, and is an error elsewhere; the others are checked anyway."""
    card = load_card("pcm")
    targets = arrays.make(np.array([np.nan, 1e-6, np.nan]))
    card.check_targets(targets, nan=True)
    card.check_targets(arrays.make(np.array([np.nan])), nan=True)
    with pytest.raises(InputError, match="2 of 3 target conductances are NaN"):
        card.check_targets(targets)
    with pytest.raises(InputError, match=r"1 of 2 .* the worst is 30 uS"):
        card.check_targets(arrays.make(np.array([np.nan, 3e-5])), nan=True)


def test_effects_of_the_shipped_cards() -> None:
    """Each card names its laws with their source, in the order of the effects."""
    names = {name: [effect for effect, _ in load_card(name).effects()] for name in ("pcm", "generic", "ideal")}
    assert names == {
        "pcm": ["programming_error", "drift", "flicker_noise", "read_noise"],
        "generic": ["programming_error", "read_noise", "stuck_cells"],
        "ideal": [],
    }
    for name in card_names():
        for _, note in load_card(name).laws():
            assert note.endswith("]")
            assert len(note.partition("[")[2]) > 10


def test_without_and_only() -> None:
    """Effects are switched one at a time; the card's text stays that of the file."""
    card = load_card("pcm")
    without = card.without(["drift", "stuck_cells"])
    assert [name for name, _ in without.effects()] == ["programming_error", "flicker_noise", "read_noise"]
    assert (without.text, without.sha256, card.drift is None) == (card.text, card.sha256, False)
    for effect in EFFECTS:
        left = {name for name, _ in card.only([effect]).effects()}
        assert left == ({effect} if effect != "stuck_cells" else set())
    assert card.only(EFFECTS) == card
    assert card.without([]) == card
    assert card.without("drift").drift is None


@pytest.mark.parametrize("names", [["drfit"], "drfit", ["drift", "drfit"]])
def test_unknown_effect(names: Any) -> None:
    """A misspelt effect is an error that lists all effects, never skipped."""
    for switch in (load_card("pcm").without, load_card("pcm").only):
        with pytest.raises(UnknownNameError, match=r"unknown effect 'drfit'; .*programming_error.*stuck_cells"):
            switch(names)
