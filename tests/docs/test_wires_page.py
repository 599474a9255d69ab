"""The page on wires holds the technology nodes that the code has, and its table of costs."""

from markdown_pages import DOCS, read_page
from wires_table import TILES, WIRES, technologies

PAGE = DOCS / "reference" / "wires.md"


def test_the_table_of_nodes_is_that_of_the_code() -> None:
    assert technologies() in read_page(PAGE)


def test_every_wire_and_tile_has_its_row() -> None:
    """The table of costs was made by the script of now: a row for each tile size and each kind of wires."""
    text = read_page(PAGE)
    for rows, cols in TILES:
        for wires in ("none", *WIRES):
            assert f"| {rows} x {cols} | {wires} | " in text
