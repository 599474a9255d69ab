"""Map files of schema xbar-map/1, made before there were other encodings: they are read, run and written as ever.

The files in `tests/data/map_v1` hold a bare matrix of 11 x 5 weights on 8 x 6 tiles of the card `pcm`, for ideal wires
and for wires of 5 ohm. They are never made again.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest

import xbar
from xbar.mapping.differential_pair import DifferentialPair
from xbar.mapping.map_file import load_map, map_hash, save_map

DATA = Path(__file__).resolve().parents[1] / "data" / "map_v1"
HASHES = {
    "pairs.h5": "632768ae76cd3ee9804a7a68a54ce909004cbb8a7376e1364d986a2600e7ef5f",
    "pairs_wires.h5": "9e25e122fb81c60e702f8564020cc9caed39f8c80c42532ef5b552f23bc359ed",
}


@pytest.mark.parametrize("name", HASHES)
def test_an_old_map_is_read_and_written_as_it_was(name: str, tmp_path: Path) -> None:
    """Schema, settings, conductances and hash stay what they were, bit for bit."""
    mapped = load_map(DATA / name)
    assert isinstance(mapped.encoding, DifferentialPair)
    assert map_hash(mapped) == HASHES[name]
    save_map(mapped, tmp_path / "again.h5")
    with h5py.File(DATA / name) as old, h5py.File(tmp_path / "again.h5") as new:
        assert dict(old.attrs) == dict(new.attrs)
        assert old.attrs["xbar_schema"] == "xbar-map/1"
        for place in ("settings", "card", "network", "matrices/0/targets", "matrices/0/scale", "layers/0/output_range"):
            assert old[place][()].tobytes() == new[place][()].tobytes()
        assert list(old["matrices/0"]) == list(new["matrices/0"])


@pytest.mark.parametrize(("name", "wires"), [("pairs.h5", None), ("pairs_wires.h5", "5 ohm")])
def test_an_old_map_runs(name: str, wires: str | None) -> None:
    """Without effects but the wires it was made for, it multiplies."""
    mapped = load_map(DATA / name)
    x = np.random.default_rng(2).uniform(-1, 1, (20, 11)).astype(np.float32)
    result = xbar.run_network(mapped, x, wires=wires, only=() if wires is None else ("ir_drop",))
    want = result.digital_outputs["y"]
    assert np.abs(result.outputs["y"] - want).max() < (2e-4 if wires is None else 0.01) * np.abs(want).max()
