"""Train the small network of `xbar/samples` on scikit-learn's handwritten digits and write it as ONNX.

    python scripts/train_digits.py OUT.onnx

A perceptron 64-64-10 with rectifiers, in seconds. scikit-learn is needed here (`pip install scikit-learn`); xbar itself
does not depend on it. `split_digits` says which digits are for training and which for the test.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HIDDEN = 64
TEST_COUNT = 450
SPLIT_SEED = 0
FULL_SCALE = 16
"""Largest grey value of the data set."""


class DigitSplit(NamedTuple):
    """Digits for training and for the test: `x` (n, 64) float32 from 0 to 1, `y` (n,) classes."""

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]


def split_digits() -> DigitSplit:
    """Return the 1797 digits, 450 of them for the test, all classes in equal shares, always the same ones."""
    digits = load_digits()
    x = (digits.data / FULL_SCALE).astype(np.float32)
    y = digits.target.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=TEST_COUNT, random_state=SPLIT_SEED, stratify=y)
    return DigitSplit(train_x, train_y, test_x, test_y)


def network_model(weights: list[NDArray[np.float32]], biases: list[NDArray[np.float32]]) -> onnx.ModelProto:
    """Return the ONNX network of two layers with a rectifier between; weights are (inputs, outputs)."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes = [
        helper.make_node("Gemm", ["x", "hidden.weight", "hidden.bias"], ["hidden.sum"], name="hidden"),
        helper.make_node("Relu", ["hidden.sum"], ["hidden.output"], name="relu"),
        helper.make_node("Gemm", ["hidden.output", "classifier.weight", "classifier.bias"], ["y"], name="classifier"),
    ]
    initializers = [
        numpy_helper.from_array(values, f"{layer}.{kind}")
        for layer, *both in zip(("hidden", "classifier"), weights, biases, strict=True)
        for kind, values in zip(("weight", "bias"), both, strict=True)
    ]
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", weights[0].shape[0]])]
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", weights[1].shape[1]])]
    graph = helper.make_graph(nodes, "digits_mlp", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="train_digits.py")
    model.ir_version = 8  # the version that goes with opset 17; newer ones exclude older runtimes
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Train, write, and print the accuracy on the digits that were held out."""
    parser = argparse.ArgumentParser(description="Train a 64-64-10 perceptron on scikit-learn's digits.")
    parser.add_argument("out", type=Path, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the order (%(default)s)")
    settings = parser.parse_args()
    digits = split_digits()
    classifier = MLPClassifier((HIDDEN,), alpha=1e-2, learning_rate_init=3e-3, max_iter=400, random_state=settings.seed)
    classifier.fit(digits.train_x, digits.train_y)
    weights = [values.astype(np.float32) for values in classifier.coefs_]
    biases = [values.astype(np.float32) for values in classifier.intercepts_]
    onnx.save(network_model(weights, biases), settings.out)
    print(f"wrote {settings.out}: {classifier.score(digits.test_x, digits.test_y):.2%} of {TEST_COUNT} test digits")


if __name__ == "__main__":
    main()
