"""`xbar program` through a rack: what the rack cannot give is refused before a pulse, with what to do about it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from xbar.cli.app import app

Invoke = Callable[..., Any]

LAB = """schema = "xbar-bench/1"
driver = "rack"
address = "{rack}"
[limits]
cell_voltage = "2 V"
current = "5 mA"
"""


@pytest.fixture
def rack(serve: Any, rack_texts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Serve a rack of two sources with cells that pulses move, beside a map of 4 x 4 cells for its card."""
    monkeypatch.chdir(tmp_path)
    text = rack_texts["linked"].replace('card = "generic"', 'card = "gokmen_vlasov"\ncells = "low"')
    found = serve("linked", text=text.replace('"1 V"', '"2 V"').replace('"1 mA"', '"5 mA"'))
    Path("lab.toml").write_text(LAB.format(rack=found.path.name), encoding="utf-8")
    np.savez("w.npz", w=np.random.default_rng(0).uniform(-1, 1, (4, 2)))
    made = program("map", "--weights", "w.npz", "-o", "m.h5", "--card", "gokmen_vlasov", "--tile", "4x5")
    assert made.exit_code == 0, made.output
    return found


def program(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def on_rack(*words: str) -> Any:
    return program("program", "m.h5", "--bench", "lab.toml", "--chip", "c.h5", "--trace", "p.h5", "--force", *words)


def test_pulses_that_the_rack_cannot_give_are_refused_before_any(rack: Any) -> None:
    """The card's microsecond, lines at a half of two sources, a word that is none: each says what to write instead."""
    short = on_rack("--band", "5 uS")
    assert short.exit_code == 2
    assert "--width '1 ms'" in short.stderr
    halves = on_rack("--band", "5 uS", "--width", "1 ms", "--unselected", "half")
    assert halves.exit_code == 2
    assert "float, ground" in halves.stderr
    assert on_rack("--band", "5 uS", "--unselected", "open").exit_code == 2
    long = on_rack("--band", "5 uS", "--width", "1 s")
    assert long.exit_code == 5
    assert "width" in long.stderr
    assert rack.server.living.pulses.sum() == 0


def test_cells_are_written_by_pulses_of_the_rack(rack: Any) -> None:
    """Two sources cannot hold other lines at a half: they float, which disturbs less than ground does."""
    done = on_rack("--band", "5 uS", "--width", "1 ms", "--max-pulses", "40", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["reached"] >= found["cells"] / 2
    assert rack.server.living.pulses.sum() >= found["pulses"] > 0
    assert rack.server.report() == []
