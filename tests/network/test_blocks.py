"""Samples in aligned blocks, and the checks of inputs and outputs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbar.errors import InputError, Unsupported
from xbar.network import TensorSpec, trim
from xbar.network.blocks import cut_blocks

FLOAT = TensorSpec("x", np.dtype(np.float32), (None, 3))


@given(first=st.integers(0, 70), samples=st.integers(1, 70), block=st.integers(1, 25))
def test_a_sample_always_stands_at_its_place(first: int, samples: int, block: int) -> None:
    """Sample i stands at place i % block of block i // block, every block is full, and trim undoes the cut."""
    x = np.arange(3 * samples, dtype=np.float32).reshape(samples, 3)
    blocks = cut_blocks([FLOAT], {"x": x}, first, block)
    for number, part in enumerate(blocks):
        assert part.first == (first // block + number) * block
        assert part.feeds["x"].shape == (block, 3)
        for place in range(block):
            sample = min(max(part.first + place - first, 0), samples - 1)
            nearest = min(max(place, part.valid.start), part.valid.stop - 1)
            assert np.array_equal(part.feeds["x"][place], part.feeds["x"][nearest])
            if part.valid.start <= place < part.valid.stop:
                assert np.array_equal(part.feeds["x"][place], x[sample])
    assert np.array_equal(trim(blocks, [part.feeds for part in blocks])["x"], x)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, np.float16, np.bool_])
def test_numbers_become_floats(dtype: Any) -> None:
    """Integers, booleans and other floats are cast to the type of a float input."""
    x = np.ones((2, 3), dtype)
    feeds = cut_blocks([FLOAT], {"x": x}, 0, 20)[0].feeds["x"]
    assert feeds.dtype == np.float32
    assert (feeds == 1).all()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": np.ones((2, 4))}, r"'x' needs the shape \[samples, 3\], not \[2, 4\]"),
        ({"x": np.ones(3)}, r"'x' needs the shape \[samples, 3\], not \[3\]"),
        ({"z": np.ones((2, 3))}, r"needs the inputs \['x'\], not \['z'\]"),
        ({"x": np.ones((2, 3)), "z": np.ones(2)}, r"needs the inputs \['x'\], not \['x', 'z'\]"),
        ({"x": np.ones((0, 3))}, "'x' holds no samples"),
        ({"x": np.array([[1, np.nan, np.inf]])}, "'x' holds 2 values that are NaN or infinite"),
        ({"x": np.array([[1, 2, 1e300]])}, "'x' holds 1 values that are NaN or infinite as float32"),
        ({"x": np.array([["a", "b", "c"]])}, "'x' needs the type float32, not <U1"),
        ({"x": np.ones((1, 3), complex)}, "'x' needs the type float32, not complex128"),
    ],
)
def test_inputs_that_do_not_fit(inputs: dict[str, Any], message: str) -> None:
    """The message names the input, what the model needs and what was given."""
    with pytest.raises(InputError, match=message):
        cut_blocks([FLOAT], inputs, 0, 20)


def test_integer_inputs_are_never_rounded() -> None:
    """An integer input takes other integers that fit, and no floats."""
    spec = TensorSpec("i", np.dtype(np.int8), (None,))
    assert cut_blocks([spec], {"i": np.array([3, -4])}, 0, 2)[0].feeds["i"].dtype == np.int8
    with pytest.raises(InputError, match="values from 0 to 200, not int8"):
        cut_blocks([spec], {"i": np.array([0, 200])}, 0, 2)
    with pytest.raises(InputError, match="needs the type int8, not float64"):
        cut_blocks([spec], {"i": np.array([0.5])}, 0, 2)


def test_text_becomes_objects() -> None:
    """An input of text takes NumPy's text arrays."""
    spec = TensorSpec("s", np.dtype(object), (None,))
    assert cut_blocks([spec], {"s": np.array(["a", "b"])}, 0, 2)[0].feeds["s"].dtype == object


def test_several_inputs_have_one_number_of_samples() -> None:
    """Inputs of different length are refused, and so are a negative index and a scalar input."""
    other = TensorSpec("z", np.dtype(np.float32), (None,))
    with pytest.raises(InputError, match="different numbers of samples"):
        cut_blocks([FLOAT, other], {"x": np.ones((2, 3)), "z": np.ones(3)}, 0, 20)
    with pytest.raises(InputError, match="first sample is -1"):
        cut_blocks([FLOAT], {"x": np.ones((2, 3))}, -1, 20)
    with pytest.raises(Unsupported, match="'s' is a scalar"):
        cut_blocks([TensorSpec("s", np.dtype(np.float32), ())], {"s": np.float32(1)}, 0, 20)  # type: ignore[dict-item]  # a scalar on purpose


@pytest.mark.parametrize("output", [np.ones(19), np.float32(1), [np.ones(20)]])
def test_outputs_without_samples_are_refused(output: Any) -> None:
    """An output whose axis 0 is not the samples cannot be trimmed."""
    blocks = cut_blocks([FLOAT], {"x": np.ones((2, 3))}, 0, 20)
    with pytest.raises(Unsupported, match="axis 0 of the output 'y' is not the samples"):
        trim(blocks, [{"y": output}])
    assert trim([], []) == {}
