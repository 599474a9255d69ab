"""The table of accuracies by card: a figure where a card holds, n/a where the bench refuses, a reason for no row."""

import re
import sys
from dataclasses import replace

import pytest

import cards_table
import xbar
from xbar.errors import InputError


@pytest.fixture(scope="module")
def drifting() -> dict[str, str]:
    """Return the tables of a card that drifts."""
    task = cards_table.load_task("fashion-mnist", images=20, chips=2)
    few = replace(task, calibration=task.calibration[:40])  # ranges a little too narrow, in a fifth of the time
    return cards_table.tables(few, ("pcm",))


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """Return the tables of a card that ends after an hour, and of one that only pulses move."""
    return cards_table.tables(cards_table.load_task("digits", images=20, chips=2), ("reram_cmo", "vteam"))


def cells(made: dict[str, str], card: str, way: str) -> list[str]:
    """Return the figures of one row, the digital accuracy last."""
    (line,) = [line for line in made["accuracies"].splitlines() if line.startswith(f"| `{card}` | {way} |")]
    return [cell.strip() for cell in line.split("|")[3:-1]]


def mean(cell: str) -> float:
    """Return the mean of a figure, in percent."""
    found = re.fullmatch(r"(\d+\.\d)% ± \d+\.\d\*?", cell)
    assert found is not None, cell
    return float(found[1])


def test_what_drifts_is_lost_without_compensation_and_comes_back_with_it(drifting: dict[str, str]) -> None:
    plain, helped = cells(drifting, "pcm", "none"), cells(drifting, "pcm", "column")
    assert mean(plain[0]) > 80
    assert mean(plain[3]) < 40
    assert mean(helped[3]) > 80
    assert plain[-1] == helped[-1] == "95.0%"


def test_a_time_that_the_card_does_not_hold_is_not_available(made: dict[str, str]) -> None:
    """The end of the valid time has its figure, with a mark: the cells written first are a little older."""
    for way in cards_table.WAYS:
        second, hour, day, month, digital = cells(made, "reram_cmo", way)
        assert mean(second) > 80
        assert not second.endswith("*")
        assert mean(hour) > 80
        assert hour.endswith("*")
        assert (day, month) == ("n/a", "n/a")
        assert digital == "100.0%"


def test_a_card_without_a_law_of_writing_is_listed_with_the_reason(made: dict[str, str]) -> None:
    assert "vteam" not in made["accuracies"]
    assert "| `vteam` | a dynamic model alone" in made["left out"]


def test_what_was_run_is_said(made: dict[str, str]) -> None:
    assert made["run"] == "2 chips (seeds 0 to 1) for each figure, the first 20 test images."


def test_a_card_without_laws_of_time_is_run_once() -> None:
    """The other columns say that nothing changes, and one chip has no spread."""
    task = cards_table.load_task("digits", images=5, chips=1)
    made = cards_table.tables(task, ("ideal",))
    first, *later, _ = cells(made, "ideal", "none")
    assert re.fullmatch(r"\d+\.\d%", first)
    assert later == [cards_table.SAME] * 3


def test_the_end_of_the_valid_time_belongs_to_it() -> None:
    card = xbar.load_card("reram_cmo")
    assert cards_table.holds(card, 3600.0)
    assert not cards_table.holds(card, 3601.0)
    assert cards_table.holds(xbar.load_card("ideal"), 1e9)


@pytest.mark.parametrize("images", [0, 1001])
def test_more_images_than_there_are_is_refused(images: int) -> None:
    with pytest.raises(InputError, match=f"images {images} must be 1 to 1000"):
        cards_table.load_task("fashion-mnist", images, 1)


def test_some_cards_do_not_make_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page lists every card: a part of them would drop the others' rows."""
    monkeypatch.setattr(sys, "argv", ["cards_table.py", "--cards", "pcm", "--write"])
    before = cards_table.PAGE.read_bytes()
    with pytest.raises(InputError, match="leave --cards"):
        cards_table.main()
    assert cards_table.PAGE.read_bytes() == before
