"""Recalibration: gains and offsets fitted on samples undo what shifts whole outputs, and travel with the trace."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.errors import ReplayError
from xbar.execution.recalibration import Correction, Recalibration
from xbar.execution.replay_trace import replay_trace
from xbar.mapping.mapped_network import MappedNetwork

MONTH = 30 * 86400.0


def test_gain_and_offset_of_each_output_are_found() -> None:
    """Outputs that were scaled and shifted come back; one that never moved keeps its gain and gets the mean."""
    rng = np.random.default_rng(1)
    want = rng.standard_normal((500, 3)) * [1.0, 5.0, 0.2] + [0.0, 2.0, -1.0]
    gain, offset = np.array([2.0, 0.5, 1.0]), np.array([0.3, -4.0, 0.0])
    got = (want - offset) / gain
    got[:, 2] = 7.0
    collected = Recalibration()
    collected.see((0, 0), "layer", got[:200], want[:200])
    collected.see((0, 0), "layer", got[200:], want[200:])
    found = collected.corrections()[0, 0]
    assert found.gain == pytest.approx([2.0, 0.5, 1.0], rel=1e-5)
    assert found.offset == pytest.approx([0.3, -4.0, want[:, 2].mean() - 7.0], rel=1e-4)
    (report,) = collected.report()
    assert report.name == "layer"
    assert report.after_db > report.before_db + 10


def test_the_error_before_and_after_is_that_of_the_samples() -> None:
    """Both ratios come from sums alone, and agree with the errors themselves."""
    rng = np.random.default_rng(2)
    want = rng.standard_normal((400, 4))
    got = want * 0.7 + 0.1 + 0.05 * rng.standard_normal((400, 4))
    collected = Recalibration()
    collected.see((1, 0), "x", got, want)
    (report,) = collected.report()
    corrected = collected.corrections()[1, 0](got.astype(np.float32))

    def ratio(found: Any) -> float:
        return float(10 * np.log10(np.square(want).sum() / np.square(found - want).sum()))

    assert report.before_db == pytest.approx(ratio(got), abs=1e-6)
    assert report.after_db == pytest.approx(ratio(corrected), abs=1e-4)


def test_a_correction_keeps_the_type() -> None:
    found = Correction(np.ones(2, np.float32), np.zeros(2, np.float32))(np.ones((3, 2), np.float32))
    assert found.dtype == np.float32


def test_a_month_of_drift_is_undone(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """Every layer is better on samples that the fit never saw."""
    how: dict[str, Any] = {"at": MONTH, "only": ("drift", "dac", "adc")}
    plain = xbar.run_network(digits_map, digits["x"][:60], **how)
    fitted = xbar.run_network(digits_map, digits["x"][:60], recalibration={"x": digits["x"][60:]}, **how)
    assert plain.recalibrated == ()
    for before, after, said in zip(plain.layers, fitted.layers, fitted.recalibrated, strict=True):
        assert after.snr_db > before.snr_db + 3
        assert said.after_db > said.before_db + 3
        assert after.snr_db == pytest.approx(said.after_db, abs=2.0)
    assert json.loads(json.dumps(fitted.to_dict()))["recalibrated"][0]["name"] == fitted.layers[0].name


def test_it_replays_alone_and_asks_for_the_same_samples(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    """The samples travel with the trace; with others, or without any, a replay says what is missing."""
    path, other = tmp_path / "t.h5", {"x": digits["x"][40:60]}
    run = xbar.run_network(digits_map, digits["x"][:40], recalibration=other, trace=path, at=MONTH)
    report = replay_trace(path)
    assert report.reproduced
    name = digits_map.network.outputs[0]
    assert np.array_equal(report.run.outputs[name], run.outputs[name])
    for wrong in (None, {"x": digits["x"][60:80]}):
        with pytest.raises(ReplayError, match="give the recorded ones with --recalibrate"):
            xbar.run_network(digits_map, digits["x"][:40], bench=f"replay:{path}", recalibration=wrong)
