"""scripts/fuzz_served.py: a short run over a server of its own, and that it can fail."""

import random
import re
import sys
from pathlib import Path

import pytest

import fuzz_served


@pytest.mark.skipif(sys.platform == "win32", reason="a server is ended by a signal that Windows does not have")
def test_short_run_finds_nothing_but_what_it_must(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All instruments answer, nothing is made, no message is lost; 1 MB of memory is less than any Python takes."""
    assert fuzz_served.fuzz(tmp_path, 420, 1, 1.0) == 1
    first, *wrong = capsys.readouterr().out.splitlines()
    assert first.startswith("420 messages in ")
    assert len(wrong) == 1
    assert re.fullmatch(r"the server took \d+ MB, more than 1 MB", wrong[0]) or not Path("/proc").is_dir()


def test_lines_are_one_line_each() -> None:
    rng = random.Random(3)
    for words in fuzz_served.WORDS.values():
        assert all(b"\n" not in fuzz_served.line(rng, words) for _ in range(300))
