"""The normal form: the same function, weights in sight, always the same bytes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from xbar.errors import FormatError, Unsupported
from xbar.network.normalise import normalise

Normal = Callable[..., NDArray[np.float32]]
node = helper.make_node


def operators(model: ModelProto) -> list[str]:
    return [item.op_type for item in model.graph.node]


def test_is_idempotent_and_deterministic(make_model: Any, normal: Normal) -> None:
    """Twice the same bytes; the normal form of the normal form is itself, also without its mark."""
    nodes = [
        node("Transpose", ["w"], ["wt"], perm=[1, 0]),
        node("MatMul", ["x", "wt"], ["m"], doc_string="comment"),
        node("Relu", ["m"], ["y"]),
    ]
    model = make_model(nodes, {"w": normal(3, 4), "unused": normal(9)})
    once = normalise(model).SerializeToString(deterministic=True)
    assert normalise(model).SerializeToString(deterministic=True) == once
    again = ModelProto.FromString(once)
    assert normalise(again).SerializeToString(deterministic=True) == once
    del again.metadata_props[:]
    assert normalise(again).SerializeToString(deterministic=True) == once
    assert operators(again) == ["MatMul", "Relu"]
    assert [tensor.name for tensor in again.graph.initializer] == ["wt"]


@pytest.mark.parametrize("kind", ["value", "value_floats", "value_float", "value_ints", "value_int"])
def test_constant_nodes_are_lifted(kind: str, make_model: Any, agree: Any, normal: Normal) -> None:
    """Weights and settings in Constant nodes count as constants, whatever attribute holds them."""
    values: dict[str, Any] = {
        "value": numpy_helper.from_array(normal(4)),
        "value_floats": [1.0, 2.0, 3.0, 4.0],
        "value_float": 2.5,
        "value_ints": [1, 2, 3, 4],
        "value_int": 3,
    }
    nodes = [
        node("Constant", [], ["k"], **{kind: values[kind]}),
        node("Cast", ["k"], ["f"], to=TensorProto.FLOAT),
        node("Mul", ["w", "f"], ["v"]),
        node("MatMul", ["x", "v"], ["y"]),
    ]
    model = make_model(nodes, {"w": normal(4, 4)})
    assert operators(normalise(model)) == ["MatMul"]
    agree(model, {"x": normal(3, 4)})


def test_weights_behind_cast_transpose_and_identity(make_model: Any, agree: Any, normal: Normal) -> None:
    """A chain of Identity, Cast and Transpose before the weights is folded away."""
    nodes = [
        node("Identity", ["w"], ["a"]),
        node("Identity", ["a"], ["b"]),
        node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
        node("Transpose", ["c"], ["d"], perm=[1, 0]),
        node("Gemm", ["x", "d"], ["y"]),
    ]
    model = make_model(nodes, {"w": normal(3, 4).astype(np.float16)})
    assert operators(normalise(model)) == ["Gemm"]
    agree(model, {"x": normal(3, 4)})


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_quantised_weights_become_their_exact_floats(axis: int | None, make_model: Any, agree: Any) -> None:
    """Weights behind DequantizeLinear, per tensor or per channel, become (q - zero) * scale."""
    rng = np.random.default_rng(1)
    q = rng.integers(-128, 128, (4, 3)).astype(np.int8)
    count = () if axis is None else (q.shape[axis],)
    scale, zero = rng.random(count).astype(np.float32) + np.float32(0.1), rng.integers(-5, 5, count).astype(np.int8)
    options: dict[str, Any] = {} if axis is None else {"axis": axis}
    nodes = [node("DequantizeLinear", ["q", "s", "z"], ["w"], **options), node("MatMul", ["x", "w"], ["y"])]
    model = make_model(nodes, {"q": q, "s": scale, "z": zero})
    network = agree(model, {"x": rng.standard_normal((5, 4)).astype(np.float32)})
    shape = [1, 1]
    if axis is not None:
        shape[axis] = -1
    expected = (q.astype(np.float32) - zero.astype(np.float32).reshape(shape)) * scale.reshape(shape)
    assert np.array_equal(network.nodes[0].matrices[0].weights, expected)


def test_quantised_activations_stay_and_agree(make_model: Any, agree: Any, normal: Normal) -> None:
    """A QDQ network runs its (de)quantisation of activations digitally and maps the weights."""
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        node("QuantizeLinear", ["w", "s", "zw"], ["wq"]),
        node("DequantizeLinear", ["wq", "s", "zw"], ["wd"]),
        node("MatMul", ["xd", "wd"], ["y"]),
    ]
    constants = {"s": np.float32(0.05), "z": np.uint8(128), "zw": np.int8(0), "w": normal(4, 3)}
    network = agree(make_model(nodes, constants), {"x": normal(9, 4)})
    assert [report.op for report in network.report] == ["QuantizeLinear", "DequantizeLinear", "MatMul"]


@pytest.mark.parametrize("options", [{}, {"transB": 1}, {"transB": 1, "alpha": 0.5, "beta": 3.0}])
@pytest.mark.parametrize("bias", [None, (3,), (1, 3), ()])
def test_batch_normalization_into_gemm(
    options: dict[str, Any], bias: tuple[int, ...] | None, make_model: Any, agree: Any, normal: Normal
) -> None:
    """A normalization behind Gemm disappears into weights and bias."""
    constants = {"w": normal(3, 4) if options else normal(4, 3)} | ({} if bias is None else {"c": normal(*bias)})
    names = ["gamma", "beta", "mean", "variance"]
    nodes = [
        node("Gemm", ["x", *constants], ["g"], **options),
        node("BatchNormalization", ["g", *names], ["y"], epsilon=1e-3),
    ]
    constants |= {name: np.abs(normal(3)) + np.float32(0.5) for name in names}
    model = make_model(nodes, constants)
    assert operators(normalise(model)) == ["Gemm"]
    agree(model, {"x": normal(5, 4)})


def test_batch_normalization_into_conv(make_model: Any, agree: Any, normal: Normal) -> None:
    """A normalization behind Conv disappears; one whose input has a second consumer stays."""
    names = ["gamma", "beta", "mean", "variance"]
    constants = {name: np.abs(normal(6)) + np.float32(0.5) for name in names} | {"w": normal(6, 1, 3, 3)}
    nodes = [node("Conv", ["x", "w"], ["c"], group=2), node("BatchNormalization", ["c", *names], ["y"])]
    model = make_model(nodes, constants, ("batch", 2, 5, 5))
    assert operators(normalise(model)) == ["Conv"]
    agree(model, {"x": normal(3, 2, 5, 5)})
    nodes += [node("Relu", ["c"], ["z"])]
    model = make_model(nodes, constants, ("batch", 2, 5, 5), ("y", "z"))
    assert sorted(operators(normalise(model))) == ["BatchNormalization", "Conv", "Relu"]
    agree(model, {"x": normal(3, 2, 5, 5)})


def test_bad_normalization_is_refused(make_model: Any, normal: Normal) -> None:
    """A NaN or a negative variance names the initialiser."""
    names = ["gamma", "beta", "mean", "variance"]
    nodes = [node("Gemm", ["x", "w"], ["g"]), node("BatchNormalization", ["g", *names], ["y"])]
    good = {name: np.ones(3, np.float32) for name in names} | {"w": normal(4, 3)}
    with pytest.raises(FormatError, match="'mean' holds 1 values"):
        normalise(make_model(nodes, good | {"mean": np.array([1, np.nan, 1], np.float32)}))
    with pytest.raises(FormatError, match="'variance' holds the variance -2"):
        normalise(make_model(nodes, good | {"variance": np.array([1, 1, -2], np.float32)}))


def constant_if(value: bool, make_model: Any, normal: Normal) -> ModelProto:
    """Return two Ifs whose branches use the same inner names, one nested, with weights inside."""

    def branch(name: str, factor: float) -> Any:
        inner = numpy_helper.from_array(np.float32(factor) * np.eye(4, dtype=np.float32), "v")
        return helper.make_graph(
            [node("MatMul", ["h", "v"], ["m"]), node("Relu", ["m"], ["r"])],
            name,
            [],
            [ValueInfoProto(name="r")],
            [inner],
        )

    def choose(output: str) -> Any:
        return node("If", ["k"], [output], then_branch=branch("then", 2), else_branch=branch("else", 3))

    outer = helper.make_graph([choose("o")], "outer", [], [ValueInfoProto(name="o")])
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        choose("p"),
        node("If", ["k"], ["q"], then_branch=outer, else_branch=outer),
        node("Add", ["p", "q"], ["y"]),
    ]
    model: ModelProto = make_model(nodes, {"w": normal(4, 4), "k": np.array([value])})
    return model


@pytest.mark.parametrize("value", [True, False])
def test_constant_if_is_inlined(value: bool, make_model: Any, agree: Any, normal: Normal) -> None:
    """The branch taken replaces the If, at any depth, although branches share inner names."""
    model = constant_if(value, make_model, normal)
    assert operators(normalise(model)).count("MatMul") == 3
    assert "If" not in operators(normalise(model))
    network = agree(model, {"x": normal(5, 4)})
    assert len(network.nodes) == 3
    assert network.nodes[1].matrices[0].key == network.nodes[2].matrices[0].key


def test_old_models_list_initialisers_as_inputs(make_model: Any, agree: Any, normal: Normal) -> None:
    """IR 3 models list weights among the inputs; they are no inputs of the network."""
    model = make_model(
        [node("Gemm", ["x", "w", "c"], ["y"])], {"w": normal(4, 3), "c": normal(3)}, opset=9, ir_version=3
    )
    for name, shape in (("w", [4, 3]), ("c", [3])):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    network = agree(model, {"x": normal(5, 4)})
    assert [spec.name for spec in network.inputs] == ["x"]


def test_nodes_are_sorted_and_named(make_model: Any, agree: Any, normal: Normal) -> None:
    """Unsorted nodes are sorted, missing and repeated names replaced, dead nodes dropped."""
    nodes = [
        node("Relu", ["m"], ["y"], name="same"),
        node("MatMul", ["x", "w"], ["m"], name="same"),
        node("Sigmoid", ["m"], ["dead"]),
    ]
    model = make_model(nodes, {"w": normal(4, 3)})
    assert [item.name for item in normalise(model).graph.node] == ["same", "same_2"]
    assert operators(normalise(model)) == ["MatMul", "Relu"]


def test_broken_graphs_are_refused(make_model: Any, normal: Normal) -> None:
    """A cycle, a missing tensor and a tensor made twice are named."""
    weights = {"w": normal(4, 4)}
    with pytest.raises(FormatError, match="cycle through node 'one'"):
        normalise(
            make_model([node("Add", ["x", "b"], ["a"], name="one"), node("Relu", ["a"], ["b"])], {}, outputs=["a"])
        )
    with pytest.raises(FormatError, match="needs the tensor 'nowhere', which nothing produces"):
        normalise(make_model([node("MatMul", ["nowhere", "w"], ["y"])], weights))
    with pytest.raises(FormatError, match="'y' is produced more than once"):
        normalise(make_model([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])], {}))


def test_unknown_operators_are_named(make_model: Any) -> None:
    """An operator of a custom domain names itself, its node and its domain."""
    model = make_model([node("Fold", ["x"], ["y"], name="n7", domain="my.lab")], {}, domains=["my.lab"])
    with pytest.raises(Unsupported, match=r"'Fold' of domain 'my.lab' \(node 'n7'\)"):
        normalise(model)
    with pytest.raises(Unsupported, match=r"'Fold' of domain 'ai\.onnx'"):
        normalise(make_model([node("Fold", ["x"], ["y"])], {}))


def test_functions_are_inlined(make_model: Any, agree: Any, normal: Normal) -> None:
    """A local function becomes the nodes that it stands for."""
    model = make_model([node("Layer", ["x", "w"], ["y"], domain="local")], {"w": normal(4, 3)}, domains=["local"])
    body = [node("MatMul", ["a", "b"], ["m"]), node("Relu", ["m"], ["c"])]
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("local", "Layer", ["a", "b"], ["c"], body, imports))
    assert operators(normalise(model)) == ["MatMul", "Relu"]
    agree(model, {"x": normal(3, 4)})


def test_functions_that_explode_are_refused(make_model: Any) -> None:
    """Functions nested so that they double at each of 40 levels, or call themselves, are refused at once."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    model = make_model([node("F0", ["x"], ["y"], domain="local")], {}, domains=["local"])
    for level in range(40):
        body = [node(f"F{level + 1}", [a], [b], domain="local") for a, b in (("a", "b"), ("b", "c"))]
        model.functions.append(helper.make_function("local", f"F{level}", ["a"], ["c"], body, imports))
    model.functions.append(helper.make_function("local", "F40", ["a"], ["c"], [node("Relu", ["a"], ["c"])], imports))
    with pytest.raises(FormatError, match="expand to more than 100000 nodes"):
        normalise(model)
    for function in model.functions:
        del function.node[1:]
        function.node[0].output[0] = "c"
    for level in range(40, 150):
        body = [node(f"F{level + 1}", ["a"], ["c"], domain="local")]
        model.functions.append(helper.make_function("local", f"F{level}", ["a"], ["c"], body, imports))
    del model.functions[40]
    model.functions.append(helper.make_function("local", "F150", ["a"], ["c"], [node("Relu", ["a"], ["c"])], imports))
    with pytest.raises(FormatError, match="nested more than 100 deep"):
        normalise(model)
    model.functions[40].node[0].op_type = "F0"
    model.functions[40].node[0].domain = "local"
    with pytest.raises(FormatError, match="calls itself"):
        normalise(model)


def test_the_mark_is_not_trusted_blindly(make_model: Any, normal: Normal) -> None:
    """Bytes that only say that they are normalised are sorted, and refused with functions or unknown operators."""
    nodes = [node("Relu", ["m"], ["y"]), node("MatMul", ["x", "w"], ["m"])]
    model = make_model(nodes, {"w": normal(4, 3)})
    model.metadata_props.add(key="xbar.normalised", value="1")
    assert operators(normalise(model)) == ["MatMul", "Relu"]
    model.functions.append(
        helper.make_function("local", "F", ["a"], ["b"], [node("Relu", ["a"], ["b"])], [helper.make_opsetid("", 17)])
    )
    with pytest.raises(FormatError, match="says that it is normalised"):
        normalise(model)
    del model.functions[:]
    model.graph.node[0].op_type = "Fold"
    with pytest.raises(Unsupported, match="'Fold'"):
        normalise(model)


def test_huge_constants_are_refused(make_model: Any, normal: Normal) -> None:
    """A tiny model that computes a constant of 10^12 values is refused before anything is allocated."""
    nodes = [node("ConstantOfShape", ["size"], ["big"]), node("MatMul", ["x", "big"], ["y"])]
    with pytest.raises(FormatError, match=r"makes a constant of shape \[1000000, 1000000\]"):
        normalise(make_model(nodes, {"size": np.array([10**6, 10**6])}))
    nodes = [node("Mul", ["a", "b"], ["big"]), node("MatMul", ["x", "big"], ["y"])]
    with pytest.raises(FormatError, match=r"makes a constant of shape \[100000, 100000\]"):
        normalise(make_model(nodes, {"a": np.ones((100_000, 1), np.float32), "b": np.ones((1, 100_000), np.float32)}))


def test_sparse_weights_are_filled(make_model: Any, normal: Normal) -> None:
    """Sparse initialisers become dense weights, with either form of indices; indices outside are refused."""
    for indices in (np.array([1, 6, 11]), np.array([[0, 1], [2, 0], [3, 2]])):
        model = make_model([node("MatMul", ["x", "w"], ["y"])], {})
        values = numpy_helper.from_array(np.array([1, 2, 3], np.float32), "w")
        sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(indices), [4, 3])
        model.graph.sparse_initializer.append(sparse)
        dense = numpy_helper.to_array(normalise(model).graph.initializer[0])
        assert np.array_equal(np.flatnonzero(dense), [1, 6, 11])
        assert np.array_equal(dense[dense != 0], [1, 2, 3])
    model.graph.sparse_initializer[0].indices.CopyFrom(numpy_helper.from_array(np.array([1, 6, 12])))
    with pytest.raises(FormatError, match="indices outside its shape"):
        normalise(model)


def test_random_numbers_are_not_frozen(make_model: Any, normal: Normal) -> None:
    """An operator that draws random numbers stays a node, although its input is constant."""
    nodes = [node("RandomNormalLike", ["w"], ["r"]), node("Add", ["w", "r"], ["v"]), node("MatMul", ["x", "v"], ["y"])]
    assert "RandomNormalLike" in operators(normalise(make_model(nodes, {"w": normal(4, 3)})))
