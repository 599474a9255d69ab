"""Convolutions as matrix products: against ONNX Runtime, and against the definition in a plain loop."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import NodeProto, helper
from onnx.reference import ReferenceEvaluator

from xbar.errors import InputError
from xbar.network import ideal
from xbar.network.network import Network

Normal = Callable[..., NDArray[np.float32]]


def conv(**options: Any) -> NodeProto:
    return helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv", **options)


CASES = [
    pytest.param((5, 6), (8, 5, 3), {"pads": [1, 1]}, id="1-D"),
    pytest.param((6, 11), (8, 3, 4), {"group": 2, "strides": [3], "dilations": [2], "pads": [2, 3]}, id="1-D groups"),
    pytest.param((3, 9, 8), (7, 3, 3, 3), {"pads": [1, 1, 1, 1]}, id="2-D"),
    pytest.param((3, 9, 8), (7, 3, 1, 1), {}, id="pointwise"),
    pytest.param((3, 9, 8), (7, 3, 1, 1), {"strides": [2, 3]}, id="pointwise strided"),
    pytest.param((4, 9, 8), (6, 2, 3, 2), {"group": 2, "pads": [0, 1, 2, 3]}, id="groups, uneven pads"),
    pytest.param((4, 9, 8), (8, 1, 3, 3), {"group": 4}, id="depthwise"),
    pytest.param((2, 12, 13), (3, 2, 3, 3), {"dilations": [2, 3], "strides": [1, 2]}, id="dilated"),
    pytest.param((2, 7, 10), (3, 2, 3, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}, id="SAME_UPPER"),
    pytest.param((2, 7, 10), (3, 2, 2, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 3]}, id="SAME_LOWER"),
    pytest.param((2, 7, 10), (3, 2, 3, 4), {"auto_pad": "VALID"}, id="VALID"),
    pytest.param((4, 5, 6, 7), (6, 2, 2, 3, 2), {"group": 2, "pads": [1, 0, 2, 0, 1, 1]}, id="3-D groups"),
    pytest.param((2, 5, 7, 6), (3, 2, 2, 2, 2), {"strides": [1, 2, 2], "dilations": [2, 1, 3]}, id="3-D dilated"),
]


@pytest.mark.parametrize(("sample", "weights", "options"), CASES)
def test_agrees_with_two_oracles(
    sample: tuple[int, ...],
    weights: tuple[int, ...],
    options: dict[str, Any],
    make_model: Any,
    agree: Any,
    normal: Normal,
) -> None:
    """Every trait of Conv gives what ONNX Runtime gives, and what ONNX's own reference gives."""
    model = make_model([conv(**options)], {"w": normal(*weights), "b": normal(weights[0])}, ("batch", *sample))
    x = normal(20, *sample)
    network = agree(model, {"x": x})
    assert len(network.nodes[0].matrices) == options.get("group", 1)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x[:3]})
    given = ideal(network.nodes[0], [x[:3]], [])[0]
    assert np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_geometry_agrees_with_onnxruntime(data: st.DataObject, make_model: Any, agree: Any) -> None:
    """Any size, kernel, stride, dilation, padding and grouping gives what ONNX Runtime gives."""
    axes = data.draw(st.integers(1, 3), "axes")

    def each(least: int, most: int, count: int = axes) -> list[int]:
        return data.draw(st.lists(st.integers(least, most), min_size=count, max_size=count))

    kernel, strides, dilations, pads = each(1, 4), each(1, 3), each(1, 3), each(0, 3, 2 * axes)
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    sizes = [span + extra for span, extra in zip(spans, each(0, 5), strict=True)]
    group, channels, outputs = each(1, 3, 3)
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    options: dict[str, Any] = {"group": group, "strides": strides, "dilations": dilations}
    auto_pad = data.draw(st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    if auto_pad.startswith("SAME"):
        options |= {"auto_pad": auto_pad, "dilations": [1] * axes}
    else:
        options |= {"pads": pads} if auto_pad == "NOTSET" else {"auto_pad": auto_pad}
    constants = {
        "w": rng.standard_normal((group * outputs, channels, *kernel), dtype=np.float32),
        "b": rng.standard_normal(group * outputs, dtype=np.float32),
    }
    shape = (2, group * channels, *sizes)
    agree(make_model([conv(**options)], constants, shape), {"x": rng.standard_normal(shape, dtype=np.float32)})


def test_rows_are_fields_in_sample_order(make_model: Any, normal: Normal) -> None:
    """Row r is a field of sample r // positions, its values in the order of the matrix, zeros up to the width."""
    weights = normal(4, 3, 2, 2)
    model = make_model([conv()], {"w": weights, "b": normal(4)}, ("batch", 3, 5, 4))
    node = Network.from_bytes(model.SerializeToString()).nodes[0]
    x = normal(2, 3, 5, 4)
    (rows,) = node.gather(x, [17])
    assert rows.shape == (2 * 4 * 3, 17)
    assert rows.flags.c_contiguous
    assert rows.dtype == np.float32
    for sample, down, right in np.ndindex(2, 4, 3):
        row = rows[(sample * 4 + down) * 3 + right]
        field = x[sample, :, down : down + 2, right : right + 2]
        assert np.array_equal(row[:12], field.transpose(1, 2, 0).reshape(-1))
        assert not row[12:].any()
        expected = np.einsum("ochw,chw->o", weights.astype(float), field)
        assert np.allclose(row[:12].astype(float) @ node.matrices[0].weights, expected, rtol=1e-5, atol=1e-5)


def test_wide_rows_of_every_path_end_in_zeros(make_model: Any, normal: Normal) -> None:
    """Groups and three axes pad their rows too, and the product with padded weights is unchanged."""
    for sample, weights in (((4, 6, 5), (4, 2, 2, 3)), ((4, 4, 3, 5), (4, 2, 2, 1, 3))):
        model = make_model([conv(group=2)], {"w": normal(*weights), "b": normal(4)}, ("batch", *sample))
        node = Network.from_bytes(model.SerializeToString()).nodes[0]
        x = normal(3, *sample)
        for wide, exact in zip(node.gather(x, [31, 40]), node.gather(x), strict=True):
            assert np.array_equal(wide[:, : exact.shape[1]], exact)
            assert not wide[:, exact.shape[1] :].any()


def test_input_that_does_not_fit_is_refused(make_model: Any, normal: Normal) -> None:
    """Wrong channels, axes, width, products and a kernel beyond the input name the node."""
    model = make_model([conv()], {"w": normal(4, 3, 3, 3), "b": normal(4)}, ("batch", 3, None, None))
    node = Network.from_bytes(model.SerializeToString()).nodes[0]
    for wrong in (normal(1, 2, 5, 5), normal(1, 3, 5), normal(1, 3, 2, 5)):
        with pytest.raises(InputError, match="node 'conv'"):
            node.gather(wrong)
    with pytest.raises(InputError, match="widths of at least"):
        node.gather(normal(1, 3, 5, 5), [26])
    with pytest.raises(InputError, match=r"products of shapes \[\(9, 4\)\]"):
        node.scatter([normal(8, 4)], normal(1, 3, 5, 5))


def test_keeps_the_type_of_its_input(make_model: Any, normal: Normal) -> None:
    """A double input comes back as double, a read-only one is accepted."""
    model = make_model([conv()], {"w": normal(4, 3, 3, 3), "b": normal(4)}, ("batch", 3, 5, 5))
    node = Network.from_bytes(model.SerializeToString()).nodes[0]
    x = normal(2, 3, 5, 5).astype(np.float64)
    x.setflags(write=False)
    assert ideal(node, [x], [])[0].dtype == np.float64
    single = x.astype(np.float32)
    single.setflags(write=False)
    assert np.array_equal(ideal(node, [single], [])[0], ideal(node, [x], [])[0].astype(np.float32))
