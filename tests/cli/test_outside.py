"""Times beyond a law: a refused command leaves a kept chip as it was, and a warning is a line for people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import xbar

Run = Callable[..., Any]


def _map(path: Path) -> Path:
    weights = np.random.default_rng(1).standard_normal((8, 3)).astype(np.float32)
    mapped = xbar.map_network(xbar.network_of(weights), xbar.load_card("reram_wan"), tile=(8, 6))
    xbar.save_map(mapped, path)
    np.savez(path.with_name("x.npz"), x=np.random.default_rng(2).random((5, 8), np.float32))
    return path


def test_time_that_was_refused_has_not_passed(run: Run, tmp_path: Path) -> None:
    """Three days are too many for `reram_wan`: the next command finds the chip as young as before."""
    file = _map(tmp_path / "m.h5")
    given = ("run", file, "--data", "x.npz", "--chip", "chip.h5")
    assert run(*given).code == 0
    before = Path("chip.h5").read_bytes()
    refused = run(*given, "--no-program", "--after", "3 days")
    assert refused.code == 2
    assert "3 days" in refused.err
    assert Path("chip.h5").read_bytes() == before
    assert run(*given, "--no-program", "--after", "1 day").code == 0
    assert Path("chip.h5").read_bytes() != before


def test_a_warning_is_one_line_without_code(run: Run, tmp_path: Path) -> None:
    """`--outside warn` says once what was extrapolated, and not where in the program."""
    import warnings

    file = _map(tmp_path / "m.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        ended = run("run", file, "--data", "x.npz", "--at", "1 week", "--outside", "warn")
    assert ended.code == 0
    lines = [line for line in ended.err.splitlines() if "extrapolated" in line]
    assert len(lines) == 1
    assert lines[0].startswith("xbar: warning: relaxation of card 'reram_wan': time 7 days")
    assert ".py" not in ended.err
