"""The page of accuracies by card has every shipped card, in its table or with the reason why not."""

import re

from cards_table import COMMAND, TIMES, WAYS, shipped_cards
from markdown_pages import DOCS, blocks, read_page

PAGE = DOCS / "reference" / "cards-accuracy.md"
FIGURE = r"(\d+\.\d% ± \d+\.\d\*?|n/a|=)"


def test_every_card_has_its_rows_or_a_reason() -> None:
    """A card stands in the table with and without compensation, or else among those without a row."""
    text = read_page(PAGE)
    table, _, left_out = text.partition("<!-- left out -->")
    names = shipped_cards()
    assert len(names) > 20
    for name in names:
        rows = [f"| `{name}` | {way} | " in table for way in WAYS]
        assert all(rows) or not any(rows)
        assert all(rows) != (f"| `{name}` | " in left_out), name


def test_rows_have_a_figure_for_each_time_and_the_digital_accuracy() -> None:
    assert "| card | compensation | " + " | ".join(TIMES) + " | digital |" in read_page(PAGE)
    rows = [line for line in read_page(PAGE).splitlines() if re.match(r"\| `\w+` \| (none|column) \|", line)]
    assert rows
    for row in rows:
        assert re.fullmatch(r"\| `\w+` \| \w+ \| " + rf"{FIGURE} \| " * len(TIMES) + r"\d+\.\d% \|", row), row


def test_the_page_says_how_it_was_made() -> None:
    assert any(block.text.startswith(COMMAND + " --images ") for block in blocks(PAGE))
