"""Every encoding on the bench: the same products, the same bits however work is cut, all that a run can do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.execution.error_budget import error_budget
from xbar.execution.replay_trace import replay_trace
from xbar.mapping.encodings import ENCODINGS, SLICED
from xbar.mapping.mapped_network import MappedNetwork

MONTH = 30 * 86400.0
OTHERS = [name for name in ENCODINGS if name != "differential"]


def mapped_for(name: str, card: str = "pcm", tile: tuple[int, int] = (24, 48)) -> MappedNetwork:
    sample = xbar.sample("digits")
    with np.load(sample.calibration) as calibration:
        x = calibration["x"]
    network = xbar.load_network(sample.model)
    return xbar.map_network(network, xbar.load_card(card), tile=tile, encoding=name, calibration=x)


@pytest.fixture(scope="module")
def maps() -> dict[str, MappedNetwork]:
    """Return the digits network in every encoding, on tiles small enough that its matrices are cut."""
    return {name: mapped_for(name) for name in ENCODINGS}


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_ideal_bench_multiplies(name: str) -> None:
    """Without effects every encoding gives the product of the weights that it stands for, tiles and signs included."""
    rng = np.random.default_rng(4)
    weights, x = rng.standard_normal((30, 40)), rng.standard_normal((50, 30)).astype(np.float32)
    network, card = xbar.network_of(weights), xbar.load_card("pcm")
    bits = 16 if name in SLICED else None
    mapped = xbar.map_network(network, card, tile=(16, 36), encoding=name, weight_bits=bits)
    assert mapped.arrays >= 4
    result = xbar.run_network(mapped, x, only=())
    # 16-bit codes of inputs and weights are left.
    assert np.abs(result.outputs["y"] - x @ weights).max() < 5e-4 * np.abs(x @ weights).max()


@pytest.mark.parametrize("name", SLICED)
def test_whole_weights_are_exact_in_slices(name: str) -> None:
    """Weights that are whole numbers of steps lose nothing: all encodings agree."""
    rng = np.random.default_rng(6)
    encoding = mapped_for(name).encoding
    assert encoding.slices is not None
    most = encoding.slices.largest if encoding.group == 2 else (encoding.slices.largest + 1) // 2 - 1
    weights = rng.integers(-most, most + 1, (20, 5)).astype(np.float64)
    weights[0] = most
    x = rng.standard_normal((40, 20)).astype(np.float32)
    network, card = xbar.network_of(weights), xbar.load_card("pcm")
    found = [xbar.run_network(xbar.map_network(network, card, encoding=n), x, only=()) for n in (name, "differential")]
    largest = np.abs(found[1].outputs["y"]).max()
    np.testing.assert_allclose(found[0].outputs["y"], found[1].outputs["y"], atol=1e-5 * largest)


@pytest.mark.parametrize(
    "how", [{"batch": 7}, {"batch": 100, "threads": 2}, {"tiles_per_call": 1, "batch": 13, "threads": 2}], ids=str
)
@pytest.mark.parametrize("name", OTHERS)
def test_the_way_of_working_does_not_matter(
    maps: dict[str, MappedNetwork], digits: dict[str, NDArray[Any]], name: str, how: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"seed": 4, "at": 3600.0, "compensate": "column"}
    usual = xbar.run_network(maps[name], digits["x"], digits["y"], threads=1, **asked)
    other = xbar.run_network(maps[name], digits["x"], digits["y"], **asked, **{"threads": 1, **how})
    for output, values in usual.outputs.items():
        np.testing.assert_array_equal(other.outputs[output], values)
    assert other.layers == usual.layers


@pytest.mark.parametrize("name", OTHERS)
def test_a_trace_alone_gives_the_run_again(
    maps: dict[str, MappedNetwork], digits: dict[str, NDArray[Any]], name: str, tmp_path: Path
) -> None:
    """The embedded map knows its encoding, the recorded converters the sums that were subtracted."""
    xbar.run_network(
        maps[name],
        digits["x"][:40],
        digits["y"][:40],
        at=3600.0,
        compensate="column",
        recalibration=digits["x"][40:80],
        trace=tmp_path / "t.h5",
    )
    report = replay_trace(tmp_path / "t.h5")
    assert all(row.reproduced for row in report.rows)


@pytest.mark.parametrize("name", OTHERS)
def test_a_chip_keeps_what_compensation_needs(
    maps: dict[str, MappedNetwork], digits: dict[str, NDArray[Any]], name: str, tmp_path: Path
) -> None:
    """A later run on the same cells knows the currents that its bit lines, reference lines too, had."""
    chip = tmp_path / "chip.h5"
    x, y = digits["x"], digits["y"]
    xbar.run_network(maps[name], x, y, chip=chip, compensate="column")
    late = xbar.run_network(maps[name], x, y, chip=chip, compensate="column", program=False, after=MONTH)
    assert late.accuracy is not None
    assert late.accuracy.analog > 0.85


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_month_of_drift_is_made_up_for(
    maps: dict[str, MappedNetwork], digits: dict[str, NDArray[Any]], name: str
) -> None:
    """Factors by column leave layers better than 11 dB; without them, a computed offset loses the network."""
    after = {
        way: xbar.run_network(maps[name], digits["x"], digits["y"], at=MONTH, only=("drift",), compensate=way)
        for way in ("none", "column")
    }
    snr = {way: [layer.snr_db for layer in run.layers] for way, run in after.items()}
    assert min(snr["column"]) > 11
    assert snr["column"][0] > snr["none"][0]
    if name.startswith("digital"):
        accuracy = after["none"].accuracy
        assert accuracy is not None
        assert accuracy.analog < 0.3


@pytest.mark.parametrize("name", ["digital-offset", "digital-offset-slices"])
def test_what_is_computed_are_the_codes_of_the_inputs(name: str) -> None:
    """With converters of inputs alone, the product is that of the rounded inputs: rounding does not meet the offset."""
    rng = np.random.default_rng(9)
    weights, x = rng.standard_normal((40, 6)), rng.uniform(0, 1, (30, 40)).astype(np.float32)
    bits = 16 if name in SLICED else None
    mapped = xbar.map_network(
        xbar.network_of(weights), xbar.load_card("pcm"), encoding=name, weight_bits=bits, calibration=x
    )
    result = xbar.run_network(mapped, x, only=("dac",))
    step = mapped.layers[0].input_scale / 127  # type: ignore[operator]  # calibrated, so there is one
    want = np.rint(x / step) * step @ weights
    assert np.abs(result.outputs["y"] - want).max() < 3e-4 * np.abs(want).max()
    assert np.abs(result.outputs["y"] - x @ weights).max() > 1e-3 * np.abs(want).max()


def test_slices_are_what_two_states_are_for(digits: dict[str, NDArray[Any]]) -> None:
    """Two states hold a network in slices within 5 points of the digital one; as if they were analog, they do not."""
    x, y = digits["x"], digits["y"]
    accuracy = {
        name: xbar.run_network(mapped_for(name, "mram", (128, 128)), x, y).accuracy
        for name in ("differential", "slices")
    }
    assert accuracy["slices"] is not None
    assert accuracy["differential"] is not None
    assert accuracy["slices"].difference > -0.05
    assert accuracy["differential"].difference < -0.2


@pytest.mark.parametrize("name", OTHERS)
def test_the_error_budget_takes_it_apart(
    maps: dict[str, MappedNetwork], digits: dict[str, NDArray[Any]], name: str
) -> None:
    """All effects off, only the steps of the weights are left."""
    budget = error_budget(maps[name], digits["x"][:20], digits["y"][:20])
    assert {row.effect for row in budget.rows} >= {"programming_error", "read_noise", "adc"}
    assert min(layer.snr_db for layer in budget.nothing.layers) > 45
    assert min(layer.snr_db for layer in budget.nothing.layers) > max(
        layer.snr_db for layer in budget.everything.layers
    )


@pytest.mark.parametrize("name", OTHERS)
def test_float32_is_as_accurate(maps: dict[str, MappedNetwork], digits: dict[str, NDArray[Any]], name: str) -> None:
    exact, fast = (
        xbar.run_network(maps[name], digits["x"], digits["y"], dtype=dtype).accuracy for dtype in ("float64", "float32")
    )
    assert exact is not None
    assert fast is not None
    assert abs(exact.analog - fast.analog) <= 4 / 120
