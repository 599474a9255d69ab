"""Recalibration: gains and offsets fitted on samples undo what shifts whole outputs, and travel with the trace."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.errors import InputError, ReplayError
from xbar.execution.recalibration import Correction, Moments, Recalibration
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


def test_statistics_are_those_of_the_digital_network() -> None:
    """Each output gets the wanted mean and standard deviation, whatever order the vectors have."""
    rng = np.random.default_rng(3)
    want, got = rng.standard_normal((300, 2)) * [2.0, 0.5] + [1.0, -3.0], rng.standard_normal((300, 2)) * 0.1 + 7.0
    moments = Moments()
    moments.see((0, 0), want[:100])
    moments.see((0, 0), want[100:])
    collected = Recalibration(moments)
    collected.see((0, 0), "layer", got, want)
    corrected = collected.correction((0, 0))(got.astype(np.float32))
    assert corrected.mean(axis=0) == pytest.approx(want.mean(axis=0), abs=1e-4)
    assert corrected.std(axis=0) == pytest.approx(want.std(axis=0), rel=1e-4)
    (report,) = collected.report()
    after = 10 * np.log10(np.square(want).sum() / np.square(corrected - want).sum())
    assert report.after_db == pytest.approx(after, abs=1e-2)


def test_batch_normalisation_estimated_again_undoes_a_month(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    """Mean and spread of outputs alone win back most; the bits do not depend on the batch, and replay."""
    how: dict[str, Any] = {"at": MONTH, "recalibration": {"x": digits["x"][60:]}, "recalibrate_by": "statistics"}
    path = tmp_path / "t.h5"
    fitted = xbar.run_network(digits_map, digits["x"][:60], trace=path, **how)
    for layer in fitted.layers:
        assert layer.bare_snr_db is not None
        assert layer.snr_db > layer.bare_snr_db + 8
    other = xbar.run_network(digits_map, digits["x"][:60], batch=7, **how)
    assert all(np.array_equal(other.outputs[name], fitted.outputs[name]) for name in fitted.outputs)
    assert replay_trace(path).reproduced


def test_a_layer_is_fitted_behind_corrected_ones(digits: dict[str, NDArray[Any]]) -> None:
    """Where the first layer is far off, fitting all in one pass shows the second nothing that it will see later."""
    mapped = xbar.map_network(
        xbar.load_network(xbar.sample("digits").model),
        xbar.load_card("pcm"),
        calibration=digits["x"],
        encoding="digital-offset",
    )
    how: dict[str, Any] = {
        "wires": "1 ohm",
        "recalibration": {"x": digits["x"][60:]},
        "only": ("ir_drop", "dac", "adc"),
    }
    one = xbar.run_network(mapped, digits["x"][:60], recalibrate_by="together", **how)
    each = xbar.run_network(mapped, digits["x"][:60], **how)
    assert each.layers[-1].snr_db > one.layers[-1].snr_db + 6


def test_an_unknown_fit_is_refused() -> None:
    with pytest.raises(InputError, match="choose products or statistics"):
        xbar.RunSettings(recalibrate_by="moments")
