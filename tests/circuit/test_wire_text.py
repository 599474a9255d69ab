"""Wires in words: what is understood, and what is refused with the way out."""

import numpy as np
import pytest

from xbar.circuit.technology import NODES, technology, technology_names
from xbar.circuit.wire_text import parse_wires, wire_values, wires_of
from xbar.errors import InputError, UnknownNameError, XbarError


@pytest.mark.parametrize(
    ("text", "ohm"),
    [
        ("1 ohm", (1, 1, 0, 0)),
        ("0", (0, 0, 0, 0)),
        ("350 mohm", (0.35, 0.35, 0, 0)),
        ("2 Ω", (2, 2, 0, 0)),
        ("word=1 ohm, bit=2 ohm", (1, 2, 0, 0)),
        ("source=50 ohm,sense = 10 ohm", (0, 0, 50, 10)),
        ("22nm-1t1r", (1.856, 5.569, 0, 0)),
        ("22nm-crosspoint, source=1 kohm", (0.928, 0.928, 1000, 0)),
        ("bit=3 ohm, 22nm-1t1r", (1.856, 3, 0, 0)),
        ("22 nm-1T1R", (1.856, 5.569, 0, 0)),
    ],
)
def test_what_is_understood(text: str, ohm: tuple[float, ...]) -> None:
    assert tuple(wire_values(parse_wires(text)).values()) == pytest.approx(ohm)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("1", "unit"),
        ("1 V", "'V'"),
        ("", "not understood"),
        ("1 ohm,", "not understood"),
        ("1 ohm, 2 ohm", "'2 ohm' is not understood"),
        ("word=1 ohm, word=2 ohm", "'word=2 ohm' is not understood"),
        ("row=1 ohm", "'row=1 ohm' is not understood"),
        ("-1 ohm", "-1 ohm"),
        ("1e13 ohm", "1e13 ohm"),
        ("23nm-1t1r", "23nm-1t1r.*130nm-1t1r"),
        ("22nm-finfet", "technology '22nm-finfet' is not known; known are 130nm-1t1r"),
        ("22 nm", "technology '22nm' is not known"),
    ],
)
def test_what_is_refused(text: str, word: str) -> None:
    with pytest.raises(XbarError, match=word):
        parse_wires(text)


def test_a_mapping_names_parts_in_ohm() -> None:
    assert wire_values(wires_of({"bit": 2.0})) == {"word": 0.0, "bit": 2.0, "source": 0.0, "sense": 0.0}
    for wrong in ({"word": -1.0}, {"word": float("nan")}, {"word": float("inf")}, {"row": 1.0}):
        with pytest.raises(InputError):
            wires_of(wrong)


def test_every_technology_has_its_two_cells() -> None:
    """A 1T1R cell is twice as long along the word line, and six times along the bit line, as a cross-point cell."""
    assert len(technology_names()) == 2 * len(NODES)
    for node in NODES:
        word, bit = technology(f"{node}nm-1t1r")
        square = technology(f"{node}nm-crosspoint")
        assert square[0] == square[1]
        assert np.array([word, bit]) == pytest.approx(np.array([2, 6]) * square[0], rel=0.01)
    with pytest.raises(UnknownNameError, match="22nm-1t1r"):
        technology("22nm")
