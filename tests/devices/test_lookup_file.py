"""Look-up tables of CrossSim: read within bounds, and made into card blocks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xbar.devices.card_file import parse_card
from xbar.devices.lookup_file import lookup_block, read_lookup
from xbar.devices.pulse_table import PulseLookup
from xbar.errors import FileError, FormatError, InputError

DATA = Path(__file__).parents[1] / "data" / "devices"
UP, DOWN = DATA / "ENODe_increasing.txt", DATA / "ENODe_decreasing.txt"
HEAD = """
schema = "xbar-card/1"
name = "mine"
title = "t"
source = "s"
g_min = "300 uS"
g_max = "970 uS"
read_voltage = "0.1 V"
"""


def test_block_of_a_measured_table() -> None:
    """The block of two files is a law whose steps are those of the files, to the rounding of their shares."""
    law = parse_card(HEAD + lookup_block(UP, DOWN, 'a "source"'), "mine.toml").pulse_response
    assert isinstance(law, PulseLookup)
    assert law.source == 'a "source"'
    for path, rows in ((UP, law.up), (DOWN, law.down)):
        states, shares, steps = read_lookup(path)
        assert steps.shape == (len(shares), len(states)) == (122, 48)
        # The median step at each conductance.
        median = [np.interp(0.5, shares, column) for column in steps.T]
        np.testing.assert_allclose(rows[law.shares.index(0.5)], np.interp(law.states, states, median), rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least 4 are needed"),
        ("remark\n1 2\n0 1\n1 1\n1 x\n", "could not convert"),
        ("remark\n1 2\n0 1\n1 1\n1 1 1\n", "need 2 rows of 2 steps; there are 2 rows of 2 to 3"),
        ("remark\n1 2\n0 1\n1 1\n", "at least 4"),
        ("remark\n2 1\n0 1\n1 1\n1 1\n", "must ascend"),
        ("remark\n1 2\n0 2\n1 1\n1 1\n", "shares from 0 to 1"),
        ("remark\n1 2\n0 1\n1 nan\n1 1\n", "steps be numbers"),
        ("remark\n1 2\n0 1\n1 1\n1 \N{SUPERSCRIPT TWO}\n", "not a look-up table"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, text: str, message: str) -> None:
    """What is wrong with a file is told with its name."""
    path = tmp_path / "table.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=f"table.txt: .*{message}"):
        read_lookup(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, and tables that share no conductance, say so."""
    with pytest.raises(FileError, match=r"none\.txt cannot be read"):
        read_lookup(tmp_path / "none.txt")
    other = tmp_path / "other.txt"
    other.write_text("remark\n1 2\n0 1\n1 1\n1 1\n", encoding="utf-8")
    with pytest.raises(InputError, match="give tables of one device"):
        lookup_block(UP, other, "s")


def test_one_file_of_arrays_holds_both_directions(tmp_path: Path) -> None:
    """An .npz file with the arrays of both directions gives the block of the two text files."""
    arrays: dict[str, Any] = {}
    for direction, path in (("increasing", UP), ("decreasing", DOWN)):
        named = dict(zip(("G", "cdf", "dG"), read_lookup(path), strict=True))
        arrays |= {f"{direction}_{what}": values for what, values in named.items()}
    both = tmp_path / "both.npz"
    np.savez(both, **arrays)
    assert lookup_block(both, both, "s") == lookup_block(UP, DOWN, "s")
    del arrays["decreasing_dG"]
    np.savez(both, **arrays)
    with pytest.raises(FormatError, match="decreasing_dG"):
        lookup_block(both, both, "s")
    np.savez(both, **(arrays | {"decreasing_dG": np.ones((3, 3))}))
    with pytest.raises(FormatError, match=r"those of decreasing_dG are \(3, 3\)"):
        lookup_block(both, both, "s")
    both.write_bytes(b"PK no archive")
    with pytest.raises(FormatError, match="not a look-up table"):
        read_lookup(both)
    with pytest.raises(FileError, match="cannot be read"):
        read_lookup(tmp_path / "none.npz")
