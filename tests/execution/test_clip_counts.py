"""What clips is counted: inputs beyond the largest code, outputs whose reading is flagged."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.bench.readings import VectorReadings
from xbar.bench.status import Status
from xbar.execution.clip_counts import ClipCount, Clipped

OVER = int(Status.OVERRANGE)


def answer(codes: Any, status: Any) -> VectorReadings:
    values: NDArray[Any] = np.array(codes)
    step = np.ones((values.shape[0], values.shape[2]))
    return VectorReadings(values, step, step * 0, np.array(status, np.uint32))


def test_inputs_clip_half_a_step_beyond_the_largest_code() -> None:
    count = ClipCount("x")
    step = 0.2 / 127
    volts = np.array([[0.2, 0.2 + 0.49 * step, 0.2 + 0.51 * step, -0.2 - 0.51 * step, 0.0]])
    count.see_inputs(volts, 0.2, 8)
    count.see_inputs(volts[:, :2], 0.2, 8)
    count.see_inputs(volts, 0.2, None)
    assert count.result() == Clipped("x", 7, 2, 0, 0)
    assert count.result().input_share == pytest.approx(2 / 7)


@pytest.mark.parametrize(
    ("status", "clipped"),
    [
        ([[[0]]], 0),
        ([[[OVER, 0]]], 2),  # a bit line of the batch: of its readings those at an end
        ([[[OVER, OVER]]], 3),
        ([[[OVER, 0], [0, 0], [OVER, OVER]]], 3),  # each for itself
        ([[OVER, 0], [0, 0], [0, 0]], 1),
        (OVER, 3),
        ([[[int(Status.INPUT_OVERRANGE)]]], 0),
    ],
)
def test_outputs_count_where_they_are_flagged(status: Any, clipped: int) -> None:
    codes = np.array([[[127, 5], [3, 127], [-127, 4]]], np.int8)
    count = ClipCount("x")
    count.see_outputs(answer(codes, status), 8)
    assert count.result() == Clipped("x", 0, 0, 6, clipped)
    count.reset()
    assert count.result().output_share == 0


def test_amperes_count_as_flagged() -> None:
    """A bench without converters has no codes to look at."""
    count = ClipCount("x")
    count.see_outputs(answer([[[1.0, 2.0], [3.0, 4.0]]], [[[OVER, 0]]]), None)
    assert count.result().outputs_clipped == 2
