"""`xbar run --iv`: products of cells with an I-V law, and what the report says of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[..., Any]


def test_the_law_of_the_cells_in_products(run: Run, tmp_path: Path) -> None:
    """Exact products are further from the ideal ones than linear ones, by the law alone; the report says which."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "w.npz", w=rng.uniform(-1, 1, (12, 4)))
    np.savez(tmp_path / "x.npz", x=rng.uniform(0, 1, (40, 12)).astype(np.float32))
    assert run("map", "--weights", "w.npz", "-o", "m.h5", "--card", "generic_all", "--tile", "12x8").code == 0
    found = {}
    for iv in ("linear", "exact"):
        done = run("run", "m.h5", "--data", "x.npz", "--iv", iv, "--only", "iv_nonlinearity", "--json")
        assert done.code == 0
        found[iv] = json.loads(done.out)
    snr = {iv: result["layers"][0]["snr_db"] for iv, result in found.items()}
    assert snr["linear"] > snr["exact"] + 10
    notes = {iv: next(e for e in r["effects"] if e["name"] == "iv_nonlinearity")["note"] for iv, r in found.items()}
    assert "linearised" in notes["linear"]
    assert "follow it" in notes["exact"]
    assert run("run", "m.h5", "--data", "x.npz", "--iv", "cubic").code == 2
    budget = run("budget", "m.h5", "--data", "x.npz", "--iv", "exact", "--samples", 10, "--json")
    assert budget.code == 0
