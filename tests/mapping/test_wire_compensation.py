"""Line-resistance compensation: the wired array gives the wanted product, within the range of the device."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.circuit import Wires, effective_operator
from xbar.errors import InputError
from xbar.mapping.differential_pair import DifferentialPair
from xbar.mapping.encoded_tiles import EncodedTiles
from xbar.mapping.map_file import load_map, map_hash, save_map
from xbar.mapping.wire_compensation import compensate
from xbar.network.network import Network

LOW, HIGH = 0.1e-6, 25e-6
PAIR = DifferentialPair(LOW, HIGH)


def tiles(rows: int = 48, weights: int = 20, seed: int = 5) -> EncodedTiles:
    rng = np.random.default_rng(seed)
    return PAIR.encode(rng.standard_normal((2, rows, weights)))


def worst(seen: Any, wanted: Any, gain: Any) -> float:
    """Return the largest error of a weight, relative to the largest weight."""
    got, asked = (part[..., 0::2] - part[..., 1::2] for part in (seen, wanted))
    return float(np.abs(got / gain[:, None, :] - asked).max() / np.abs(asked).max())


@pytest.mark.parametrize("ohm", [1.0, 5.0, 20.0])
def test_the_wired_array_gives_the_wanted_weights(ohm: float) -> None:
    """Where the range suffices, what is left of 3 to 40 % of error is below 3 % of the largest weight."""
    wanted = tiles().targets
    wires = Wires(ohm, 2 * ohm, 3.0, 4.0)
    plain = np.asarray(effective_operator(wanted, wires).matrix)
    made = compensate(wanted, PAIR, wires, (48, 40))
    assert (made.targets >= LOW).all()
    assert (made.targets <= HIGH).all()
    seen = np.asarray(effective_operator(made.targets, wires).matrix)
    assert np.array_equal(seen, made.seen)
    before, after = worst(plain, wanted, np.ones_like(made.gain)), worst(seen, wanted, made.gain)
    assert before > 0.01 * ohm
    assert after < 0.03
    assert after < before / 3


def test_a_tile_smaller_than_its_array_takes_the_whole_array_into_account() -> None:
    """The current of a tile in the corner runs through the rest of the bit lines; the other cells stand at g_min."""
    wanted, wires = tiles(16, 8).targets, Wires(10.0, 10.0)
    made = compensate(wanted, PAIR, wires, (64, 32))
    whole = np.full((2, 64, 32), LOW)
    whole[:, :16, :16] = made.targets
    seen = np.asarray(effective_operator(whole, wires).matrix)[:, :16, :16]
    assert np.array_equal(seen, made.seen)
    assert worst(seen, wanted, made.gain) < 0.01


def test_ideal_wires_change_nothing() -> None:
    """Without resistance the targets stay what they were, and the gain is 1."""
    wanted = tiles().targets
    made = compensate(wanted, PAIR, Wires(0.0, 0.0), (48, 40))
    assert np.array_equal(made.targets, wanted)
    assert made.gain == pytest.approx(1.0, abs=1e-12)


def test_outputs_of_zeros_have_a_gain_of_one() -> None:
    """A column of zero weights is two bit lines at g_min; nothing can be fitted to it."""
    made = compensate(np.full((1, 6, 4), LOW), PAIR, Wires(1.0, 1.0), (6, 4))
    assert np.array_equal(made.gain, np.ones((1, 2)))
    assert np.isfinite(made.targets).all()


@pytest.fixture(scope="module")
def digits_network() -> Network:
    """Return the shipped digits network."""
    return xbar.load_network(xbar.sample("digits").model)


@pytest.fixture(scope="module")
def digits() -> dict[str, NDArray[Any]]:
    """Return inputs x and labels y of 200 digits."""
    with np.load(xbar.sample("digits").data) as data:
        return {"x": data["x"][:200], "y": data["y"][:200]}


def test_a_compensated_network_survives_its_wires(
    digits: dict[str, NDArray[Any]], digits_network: Network, tmp_path: Path
) -> None:
    """At 400 ohm the digits network falls below 60 %; compensated it stays within 3 points of the digital one."""
    card = xbar.load_card("pcm")
    x, y = digits["x"], digits["y"]
    how = xbar.RunSettings(wires="400 ohm", only=("ir_drop", "dac", "adc"), error_samples=0)
    plain = xbar.map_network(digits_network, card, tile=(64, 64), calibration=x)
    made = xbar.map_network(digits_network, card, tile=(64, 64), calibration=x, compensate_wires="400 ohm")
    accuracies = [xbar.run_network(mapped, x, y, settings=how).accuracy for mapped in (plain, made)]
    assert accuracies[0] is not None
    assert accuracies[1] is not None
    assert accuracies[0].analog < 0.6
    assert accuracies[1].difference > -0.03
    save_map(made, tmp_path / "m.h5")
    again = load_map(tmp_path / "m.h5")
    assert again.compensated_wires == "400 ohm"
    assert map_hash(again) == map_hash(made) != map_hash(plain)


def test_wires_that_cannot_be_meant_are_refused(digits_network: Network) -> None:
    with pytest.raises(InputError, match="unit"):
        xbar.map_network(digits_network, xbar.load_card("pcm"), compensate_wires="5")
