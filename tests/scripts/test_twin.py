"""The loop closes: a card that was hidden comes back from the trace, and its twin runs a network as it does itself."""

from pathlib import Path

import numpy as np
import pytest

from calibration_coverage import T_READ, outcomes, record
from hidden_cards import Hidden, hidden_cards, perturbed_pcm
from twin_table import Runs, fitted, rows, run
from xbar_calibration.calibrate import Calibration, calibrate
from xbar_calibration.settings import Settings
from xbar_calibration.trace_observations import trace_observations

FEW = """schema = "xbar-characterise/1"
retention.visits = 6
noise.skip = true
sweeps = { cells = 12, points = 11 }
pulses = { cells = 20, trains = 2, readings = 30 }
"""


def found(name: str, folder: Path, seed: int = 1) -> Calibration:
    """Characterise and calibrate a small array of a hidden card, half of its cells held out."""
    record(hidden_cards()[name], 16, seed, folder / "t.h5", FEW)
    return calibrate(trace_observations(folder / "t.h5"), Settings(hold_out=0.5, t_read=T_READ))


@pytest.mark.parametrize(("name", "parameters"), [("pcm", 6), ("reram", 12), ("wired", 8)])
def test_hidden_parameters_lie_within_their_intervals(name: str, parameters: int, tmp_path: Path) -> None:
    """Of a small array of each kind of card at most two parameters lie outside (seed chosen once)."""
    calibration = found(name, tmp_path)
    held = [inside for inside in outcomes(calibration, hidden_cards()[name]).values() if inside is not None]
    assert len(held) >= parameters
    assert held.count(False) <= 2
    for fit in calibration.fits:
        if fit.held_out is not None:
            # Limits twice as wide as those of 95 % are passed by one in ten thousand.
            assert abs(fit.held_out.spread - 1) < 2 * (fit.held_out.high - 1), fit.law


def test_the_twin_runs_a_network_as_its_origin_does(tmp_path: Path) -> None:
    """Accuracies agree within five standard errors, layers within 1 dB."""
    hidden = Hidden(perturbed_pcm(), {})
    twin = fitted(hidden, 16, 2, FEW)
    assert twin.name != hidden.card.name
    both = [run(card, "digits", 40, 3, 86400.0) for card in (hidden.card, twin)]
    gap = abs(both[0].accuracy.mean() - both[1].accuracy.mean())
    assert gap <= 5 * np.hypot(*(r.accuracy.std(ddof=1) for r in both)) / np.sqrt(3) + 0.01
    assert all(abs(both[1].layers[layer] - snr) < 1.0 for layer, snr in both[0].layers.items())


def test_a_row_names_the_layer_that_differs_most() -> None:
    """Means, the difference with its standard error, and the worst layer stand in the row."""
    origin = Runs(np.array([0.9, 0.92]), {"a": 20.0, "b": 18.0}, 0.95)
    twin = Runs(np.array([0.91, 0.93]), {"a": 20.1, "b": 17.5}, 0.95)
    made = rows("card", "digits", origin, twin)
    assert made[3] == "91.00% ± 1.41"
    assert made[5] == "+1.00 ± 1.41"
    assert made[6] == "-0.50 dB (`b`)"
