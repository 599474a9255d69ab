"""The page on converters has the table of costs that the script of now makes, and its figure."""

import re

from converters_table import CASES, COMMAND, FIGURE, PAGE, drawn
from markdown_pages import read_page
from xbar.periphery.real_converters import real_converters


def test_every_case_has_its_row() -> None:
    text = read_page(PAGE)
    assert COMMAND in text
    accuracy = r"\d+\.\d%( ± \d+\.\d)?"
    for name in CASES:
        row = re.search(rf"^\| {re.escape(name)} \|(.*)\|$", text, re.MULTILINE)
        assert row is not None, name
        cells = [cell.strip() for cell in row[1].split("|")]
        assert len(cells) == 9
        assert all(re.fullmatch(accuracy, cell) for cell in cells[0:8:2]), row[0]


def test_cases_are_converters_that_can_be() -> None:
    for how in CASES.values():
        real_converters(how.get("converters", {}))
    assert drawn({"converters": {"adc": {"noise": 0.5}}})
    assert not drawn({"converters": {"bit_serial": "sign-magnitude"}, "adc_bits": 6})


def test_the_figure_is_there() -> None:
    picture = PAGE.with_name(FIGURE).read_text(encoding="utf-8")
    for text in ("recalibrated", "as it is", "gain error", "offset error"):
        assert text in picture
