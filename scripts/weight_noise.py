"""Measure how an ONNX network classifies with Gaussian noise on its weights, apart from any device model.

    python scripts/weight_noise.py MODEL.onnx DATA.npz [--noise 0.05] [--draws 10] [--seed 0]

The deviation of the noise is a fraction of the largest |weight| of the column, as on an array whose conductances are
scaled per column. Biases stay clean: they are digital. Of the network, Conv (columns: output channels) and Gemm with
transposed or plain weights are understood, which is what the samples of xbar consist of.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.random import Generator, default_rng
from numpy.typing import NDArray


def weight_columns(model: onnx.ModelProto) -> dict[str, int]:
    """Return the axis that counts the columns, by the name of each weight."""
    columns = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            columns[node.input[1]] = 0
        elif node.op_type == "Gemm":
            transposed = any(item.name == "transB" and item.i == 1 for item in node.attribute)
            columns[node.input[1]] = 0 if transposed else 1
    return columns


def noisy_model(model: onnx.ModelProto, level: float, generator: Generator) -> onnx.ModelProto:
    """Return a copy with noise of `level` times the column's largest |weight| on every weight."""
    noisy = onnx.ModelProto()
    noisy.CopyFrom(model)
    columns = weight_columns(model)
    for tensor in noisy.graph.initializer:
        if tensor.name in columns:
            weight = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            others = tuple(axis for axis in range(weight.ndim) if axis != columns[tensor.name])
            deviation = level * np.abs(weight).max(axis=others, keepdims=True)
            values = (weight + deviation * generator.standard_normal(weight.shape)).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return noisy


def accuracy(model: onnx.ModelProto, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """Return the share of samples whose class the network finds."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: x[start : start + 500]})[0].argmax(1) for start in range(0, len(x), 500)]
    return float(np.mean(np.concatenate(parts) == y))


def main() -> None:
    """Print the accuracy without noise, and its mean and range over draws of the noise."""
    parser = argparse.ArgumentParser(description="Accuracy of an ONNX network with Gaussian noise on its weights.")
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("data", type=Path, metavar="DATA.npz", help="arrays x and y")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.02, 0.05, 0.1], help="fractions (%(default)s)")
    parser.add_argument("--draws", type=int, default=10, help="networks drawn at each noise (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (%(default)s)")
    settings = parser.parse_args()
    model = onnx.load(settings.model)
    with np.load(settings.data, allow_pickle=False) as file:
        x, y = file["x"], file["y"]
    print(f"{settings.model.name}, {len(x)} samples, no noise: {accuracy(model, x, y):.2%}")
    for level in settings.noise:
        generator = default_rng(settings.seed)
        shares = [accuracy(noisy_model(model, level, generator), x, y) for _ in range(settings.draws)]
        error = np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else float("nan")
        print(
            f"  noise {level:.1%}: {np.mean(shares):.2%} +- {error:.2%} (standard error of {len(shares)} draws), "
            f"from {min(shares):.2%} to {max(shares):.2%}"
        )


if __name__ == "__main__":
    main()
