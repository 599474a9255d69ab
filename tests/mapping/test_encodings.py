"""Every encoding: weights come back from its conductances, which keep to the range and the states of the device."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import xbar
from xbar.circuit import Wires, effective_operator
from xbar.devices.card import DeviceCard
from xbar.devices.levels import Levels
from xbar.errors import InputError
from xbar.mapping.encoding import Encoding
from xbar.mapping.encodings import ENCODINGS, PLAIN, SLICED, choose_encoding, encoding_of
from xbar.mapping.map_file import load_map, map_hash, save_map
from xbar.mapping.wire_compensation import compensate

PCM, MRAM = xbar.load_card("pcm"), xbar.load_card("mram")
FOUR = replace(PCM, name="four", levels=Levels((0.0, 8e-6, 17e-6, 25e-6)))
"""Four states, evenly spaced but for a part of a step."""

weights_of_tiles = arrays(np.float64, (2, 5, 3), elements=st.floats(-1e3, 1e3, allow_subnormal=False))
bits_of = st.tuples(st.integers(1, 8), st.integers(2, 16))


def chosen(name: str, bits: tuple[int, int], card: DeviceCard = PCM) -> Encoding:
    return choose_encoding(name, card, *(bits if name in SLICED else (None, None)))


def step_of(encoding: Encoding) -> float:
    """Return the largest error of a weight, relative to the largest of its column: half a step of whole numbers."""
    if encoding.slices is None:
        return 1e-12
    most = encoding.slices.largest
    return 0.5 / (most if encoding.group == 2 else (most + 1) // 2 - 1) + 1e-12


@given(weights_of_tiles, st.sampled_from(ENCODINGS), bits_of)
def test_weights_come_back_to_the_step(weights: NDArray[np.float64], name: str, bits: tuple[int, int]) -> None:
    """Conductances lie in the range of the card and stand for the weights, to half a step of their slices."""
    encoding = chosen(name, bits)
    coded = encoding.encode(weights)
    assert coded.targets.shape == (2, 5, encoding.columns(3))
    assert coded.clipped == 0
    assert (coded.targets >= PCM.g_min).all()
    assert (coded.targets <= PCM.g_max).all()
    largest = np.abs(weights).max(axis=1, keepdims=True)
    largest = np.where(largest > 0, largest, 1.0)
    back = encoding.layout(3).decode(coded.targets, coded.scale)
    assert (np.abs(back - weights) / largest).max() <= step_of(encoding)


@given(weights_of_tiles, st.sampled_from(ENCODINGS), bits_of)
def test_weights_of_zero_are_exact(weights: NDArray[np.float64], name: str, bits: tuple[int, int]) -> None:
    """Zero is a state of every encoding: padding adds nothing."""
    encoding = chosen(name, bits)
    weights[:, 2:] = 0.0
    coded = encoding.encode(weights)
    assert not encoding.layout(3).decode(coded.targets, coded.scale)[:, 2:].any()


@pytest.mark.parametrize("name", SLICED)
@pytest.mark.parametrize("card", [MRAM, FOUR], ids=lambda card: card.name)
def test_slices_stand_at_states_of_the_card(name: str, card: DeviceCard) -> None:
    """Every target, reference lines included, is a state: a write leaves it where it is."""
    weights = np.random.default_rng(1).standard_normal((2, 40, 6))
    encoding = choose_encoding(name, card)
    coded = encoding.encode(weights)
    assert card.levels is not None
    assert set(np.unique(coded.targets)) <= set(card.levels.conductances)
    assert encoding.slices is not None
    assert encoding.slices.bits == (1 if card is MRAM else 2)


@pytest.mark.parametrize(
    ("name", "bits", "count", "lines", "references"),
    [
        ("differential", (None, None), 1, 2, 0),
        ("offset", (None, None), 1, 1, 1),
        ("digital-offset", (None, None), 1, 1, 0),
        ("slices", (2, 8), 4, 8, 0),
        ("slices", (1, 8), 7, 14, 0),
        ("slices", (None, None), 4, 8, 0),
        ("offset-slices", (2, 8), 4, 4, 2),
        ("offset-slices", (8, 8), 1, 1, 1),
        ("digital-offset-slices", (3, 8), 3, 3, 0),
    ],
)
def test_bit_lines_of_a_weight(name: str, bits: tuple[Any, Any], count: int, lines: int, references: int) -> None:
    """A pair needs no bit for the sign; reference lines are shared, two of them where slices are several."""
    encoding = choose_encoding(name, PCM, *bits)
    assert (encoding.count, encoding.lines, encoding.references) == (count, lines, references)
    assert encoding.name == name
    for weights in (1, 7):
        assert encoding.weights(encoding.columns(weights)) == weights
        assert encoding.weights(encoding.columns(weights) - 1) == weights - 1
    layout = encoding.layout(3)
    used = np.union1d(layout.plus, layout.minus[layout.minus >= 0])
    assert used.tolist() == list(range(encoding.columns(3)))


@given(st.sampled_from(ENCODINGS), bits_of)
def test_a_map_file_names_its_encoding(name: str, bits: tuple[int, int]) -> None:
    encoding = chosen(name, bits)
    assert encoding_of(encoding.settings(), PCM) == encoding


@pytest.mark.parametrize(
    ("card", "name", "bits", "words"),
    [
        (PCM, "pair", (None, None), "'pair' is not known; known are differential, offset"),
        (PCM, "slices", (0, None), "slice of 0 bits"),
        (PCM, "slices", (9, None), "slice of 9 bits"),
        (PCM, "slices", (2, 1), "weight bits 1 must be 2 to 16"),
        (PCM, "offset", (2, None), "slice bits 2 say nothing to encoding 'offset'"),
        (PCM, "differential", (None, 4), "weight bits 4 say nothing"),
        (MRAM, "slices", (2, None), "'mram' holds 2 states.*needs 4.*at most 1 bit$"),
        (FOUR, "slices", (3, None), "'four' holds 4 states.*needs 8.*at most 2 bits"),
        (MRAM, "offset", (None, None), "no state at 152.9 uS.*use offset-slices"),
        (FOUR, "digital-offset", (None, None), "no state at 12.5 uS.*use digital-offset-slices"),
    ],
)
def test_encodings_that_cannot_be(card: DeviceCard, name: str, bits: tuple[Any, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        choose_encoding(name, card, *bits)


def test_states_that_hold_no_slice() -> None:
    """Three states, of which two would be the ends of the range, hold one bit; unevenly spaced ones hold no two."""
    card = replace(PCM, name="uneven", levels=Levels((0.0, 1e-6, 2e-6, 25e-6)))
    assert choose_encoding("slices", card).count == 7
    with pytest.raises(InputError, match="evenly spaced to a quarter of a step; use slices of at most 1 bit"):
        choose_encoding("slices", card, 2)
    low = replace(PCM, name="low", levels=Levels((0.0, 1e-6)))
    with pytest.raises(InputError, match="use an encoding without slices"):
        choose_encoding("slices", low)


def test_a_state_in_the_middle_takes_the_offset() -> None:
    """Three even states have a zero."""
    card = replace(PCM, levels=Levels((0.0, 12.5e-6, 25e-6)))
    assert choose_encoding("offset", card).references == 1


@pytest.mark.parametrize("name", ENCODINGS)
def test_wires_are_compensated_by_group(name: str) -> None:
    """Through its wires the array gives the wanted weights, once what is left of each group is divided out."""
    encoding = choose_encoding(name, PCM)
    weights = np.random.default_rng(5).standard_normal((1, 32, 3))
    wanted = encoding.encode(weights)
    size = (32, encoding.columns(3))
    wires = Wires(10.0, 20.0, 3.0, 4.0)
    made = compensate(wanted.targets, encoding, wires, size)
    seen = np.asarray(effective_operator(made.targets, wires).matrix)
    plain = np.asarray(effective_operator(wanted.targets, wires).matrix)
    assert made.gain.shape == (1, encoding.groups(3))
    layout, left = encoding.layout(3), np.repeat(made.gain, encoding.group, axis=1)[:, None]
    errors = [np.abs(layout.decode(g, wanted.scale) - weights).max() for g in (seen / left, plain)]
    assert errors[0] < 0.06 * np.abs(weights).max()
    assert errors[0] < errors[1] / 3


def test_states_cannot_be_moved_for_wires() -> None:
    network = xbar.network_of(np.eye(3))
    with pytest.raises(InputError, match=r"card 'mram' have 2 states.*make up for wires"):
        xbar.map_network(network, MRAM, encoding="slices", compensate_wires="1 ohm")


@pytest.mark.parametrize("wires", [None, "5 ohm"])
@pytest.mark.parametrize("name", ENCODINGS)
def test_a_map_file_gives_the_map_back(name: str, wires: str | None, tmp_path: Path) -> None:
    network = xbar.network_of(np.random.default_rng(3).standard_normal((9, 4)))
    mapped = xbar.map_network(network, PCM, tile=(5, 18), encoding=name, compensate_wires=wires)
    save_map(mapped, tmp_path / "m.h5")
    back = load_map(tmp_path / "m.h5")
    assert back.encoding == mapped.encoding
    assert map_hash(back) == map_hash(mapped)
    assert back.to_dict() == mapped.to_dict()
    for one, two in zip(mapped.matrices, back.matrices, strict=True):
        assert (one.left is None) == (two.left is None) == (wires is None or name == "differential")
        if one.left is not None and two.left is not None:
            np.testing.assert_array_equal(one.left, two.left)


@pytest.mark.parametrize("name", ENCODINGS)
def test_ranges_without_data_fit_every_line(name: str) -> None:
    """Reference lines have ranges of their own: the currents of even inputs fill them without passing them."""
    rng = np.random.default_rng(7)
    mapped = xbar.map_network(xbar.network_of(rng.standard_normal((60, 4))), PCM, encoding=name)
    currents = rng.uniform(0, PCM.read_voltage, (2000, 60)) @ mapped.matrices[0].targets[0]
    share = currents.max(axis=0) / mapped.layers[0].output_range[0]
    carries = mapped.matrices[0].targets[0].sum(axis=0) > 5e-6
    assert (share <= 1.02).all()
    assert (share[carries] > 0.5).all()


@pytest.mark.parametrize("name", ENCODINGS)
def test_calibrated_ranges_fit_every_line(name: str) -> None:
    """With data each bit line, the reference too, takes its own largest current and 5 %."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((200, 30)).astype(np.float32)
    weights = rng.standard_normal((30, 4))
    mapped = xbar.map_network(xbar.network_of(weights), PCM, encoding=name, calibration=x)
    layer = mapped.layers[0]
    assert layer.input_scale is not None
    volts = x.astype(np.float64) * (PCM.read_voltage / layer.input_scale)
    currents = np.abs(volts @ mapped.matrices[0].targets[0]).max(axis=0)
    carries = currents > 1e-2 * currents.max()
    np.testing.assert_allclose(layer.output_range[0][carries], 1.05 * currents[carries], rtol=1e-4)


def test_the_report_counts_reference_cells() -> None:
    """Each row of a reference line counts once a tile, padding does not."""
    network = xbar.network_of(np.ones((10, 5)))
    use = {}
    for name in PLAIN:
        report = xbar.map_network(network, PCM, tile=(8, 6), encoding=name).to_dict()
        use[name] = (report["arrays"], report["cells_used"], report["layers"][0]["tile_size"])
    assert use == {
        "differential": (4, 100, [5, 6]),
        "offset": (2, 60, [5, 6]),
        "digital-offset": (2, 50, [5, 5]),
    }
    assert math.isclose(report["use"], 50 / (2 * 48))
