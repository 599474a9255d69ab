"""The page of mapping has every encoding, in both of its tables, and says how the figures were made."""

import re

from encodings_table import CARDS, CHIPS, IMAGES, SAMPLES
from markdown_pages import DOCS, blocks, read_page
from xbar.mapping.encodings import ENCODINGS

PAGE = DOCS / "explanation" / "mapping.md"
FIGURE = r"(\d+\.\d% ± \d+\.\d \(\d+\)|refused)"


def test_every_encoding_has_its_rows() -> None:
    """One row says what an encoding is, one what it gives for each network and card."""
    text = read_page(PAGE)
    for name in ENCODINGS:
        rows = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert len(rows) == 2, name
        figures = rows[1].removeprefix(f"| `{name}` | ")
        assert re.fullmatch(rf"{FIGURE} \| " * len(CARDS) * len(SAMPLES), f"{figures} "), rows[1]


def test_the_page_says_how_it_was_made() -> None:
    text = " ".join(read_page(PAGE).split())
    assert f"the first {IMAGES} test images" in text
    assert f"over {CHIPS} chips" in text
    assert any(block.text.strip() == "python scripts/encodings_table.py --write" for block in blocks(PAGE))
