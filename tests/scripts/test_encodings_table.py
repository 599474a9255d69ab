"""The table of encodings: a figure where a card holds one, refused where it does not."""

import sys

import pytest

import cards_table
import encodings_table
from xbar.errors import InputError


def test_a_row_for_each_encoding() -> None:
    """Two states hold digits in slices, and have no middle for an offset."""
    task = cards_table.load_task("digits", images=20, chips=2)
    made = encodings_table.table([task], ("ideal", "mram"), ("offset", "slices")).splitlines()
    assert made[0] == "| `--encoding` | digits, `ideal` | digits, `mram` |"
    assert made[1] == "| --- | --- | --- |"
    offset, slices, digital = ([cell.strip() for cell in line.split("|")[2:-1]] for line in made[2:])
    assert offset[1] == "refused"
    assert all(float(cell.partition("%")[0]) > 85 for cell in (offset[0], *slices, *digital))
    assert slices[1].endswith("± 0.0 (10)")


def test_the_page_is_of_one_number_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings_table, "load_task", lambda *_: None)
    monkeypatch.setattr(encodings_table, "table", lambda _: "")
    monkeypatch.setattr(sys, "argv", ["encodings_table.py", "--images", "5", "--write"])
    before = encodings_table.PAGE.read_bytes()
    with pytest.raises(InputError, match="--images"):
        encodings_table.main()
    assert encodings_table.PAGE.read_bytes() == before
