"""Train the ResNet-8 of `xbar/samples` on Fashion-MNIST and export it to ONNX.

    python scripts/train_fashion_mnist.py OUT.onnx --epochs 11 --frozen-epochs 4 --weight-noise 0.04 --clip-sigma 2.5

PyTorch is needed here only (`pip install torch`); xbar itself does not depend on it. With `--weight-noise` the network
is trained for analog hardware: Gaussian noise is added to the weights in every forward pass (Joshi et al., Nature
Communications 11, 2473, 2020), with a standard deviation that is this fraction of the largest weight of the column, as
an array with conductances scaled per column has it. The last epochs keep the batch normalisation fixed, because on the
array it is part of the weights and cannot follow their noise.
"""

import argparse
import importlib
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_mnist import DEBIAN_FOLDER, read_images, read_labels

BATCH = 128
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
PEAK_RATE = 0.2
FROZEN_RATE = 0.01
GRADIENT_LIMIT = 5.0


def load_torch() -> Any:
    """Return the module `torch`, or end with the command that installs it."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise SystemExit(f"Training needs PyTorch ({error}). Install it with: pip install torch") from error


def build_network(torch: Any, width: int) -> Any:
    """Return an untrained ResNet-8: one 3x3 convolution, three residual blocks of width, 2 and 4 times it, one linear.

    The CIFAR form of He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2, with n = 1 and
    projections (1x1 convolutions) where the width changes.
    """
    nn = torch.nn

    def convolution(inputs: int, outputs: int, size: int, stride: int) -> Any:
        return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)

    class Block(nn.Module):  # type: ignore[misc, name-defined]  # torch is loaded at run time and has no types here
        """Two 3x3 convolutions beside an identity or a projection."""

        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.norm1 = convolution(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
            self.conv2, self.norm2 = convolution(outputs, outputs, 3, 1), nn.BatchNorm2d(outputs)
            same = inputs == outputs
            self.project = nn.Identity() if same else convolution(inputs, outputs, 1, stride)
            self.norm3 = nn.Identity() if same else nn.BatchNorm2d(outputs)

        def forward(self, x: Any) -> Any:
            inner = torch.relu(self.norm1(self.conv1(x)))
            return torch.relu(self.norm2(self.conv2(inner)) + self.norm3(self.project(x)))

    class ResNet8(nn.Module):  # type: ignore[misc, name-defined]  # torch is loaded at run time and has no types here
        """The whole network: (batch, 1, 28, 28) to (batch, 10)."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm = convolution(1, width, 3, 1), nn.BatchNorm2d(width)
            self.block1 = Block(width, width, 1)
            self.block2 = Block(width, 2 * width, 2)
            self.block3 = Block(2 * width, 4 * width, 2)
            self.classifier = nn.Linear(4 * width, 10)

        def forward(self, x: Any) -> Any:
            x = self.block3(self.block2(self.block1(torch.relu(self.norm(self.stem(x))))))
            return self.classifier(x.mean((2, 3)))

    return ResNet8()


def array_weights(network: Any) -> list[Any]:
    """Return the matrices and kernels that lie on arrays; their first axis counts the columns."""
    return [parameter for parameter in network.parameters() if parameter.dim() > 1]


def per_column(weight: Any, values: Any) -> Any:
    """Return one value per column, shaped so that it broadcasts against the weight."""
    return values.reshape(-1, *[1] * (weight.dim() - 1))


def add_noise(torch: Any, weights: list[Any], level: float) -> None:
    """Add Gaussian noise to the weights in place: its deviation is `level` times the largest |w| of the column."""
    for weight in weights:
        deviation = level * weight.data.abs().flatten(1).amax(1)
        weight.data += per_column(weight, deviation) * torch.randn_like(weight)


def clip_columns(torch: Any, weights: list[Any], sigmas: float) -> None:
    """Clip each column at `sigmas` of its root mean square: smaller outliers use the conductance range better."""
    for weight in weights:
        limit = per_column(weight, sigmas * weight.data.flatten(1).pow(2).mean(1).sqrt())
        weight.data = torch.maximum(torch.minimum(weight.data, limit), -limit)


def train_batch(torch: Any, network: Any, optimizer: Any, x: Any, y: Any, settings: argparse.Namespace) -> float:
    """Take one step, with its own draw of noise on the weights, and return the loss."""
    weights = array_weights(network)
    clean = [weight.data.clone() for weight in weights]
    if settings.weight_noise > 0:
        add_noise(torch, weights, settings.weight_noise)
    loss = torch.nn.functional.cross_entropy(network(x), y)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
    for weight, values in zip(weights, clean, strict=True):
        weight.data = values
    optimizer.step()
    if settings.clip_sigma > 0:
        clip_columns(torch, weights, settings.clip_sigma)
    return float(loss.item())


def accuracy(torch: Any, network: Any, x: Any, y: Any) -> float:
    """Return the share of images whose class the network finds, without noise."""
    network.eval()
    with torch.no_grad():
        parts = [network(x[start : start + 500]).argmax(1) for start in range(0, len(x), 500)]
    return float(torch.cat(parts).eq(y).double().mean().item())


def freeze_normalisation(torch: Any, network: Any) -> None:
    """Let batch normalisation use its running statistics; its scale and offset are still trained."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def train_epochs(
    torch: Any, network: Any, data: tuple[Any, Any], test: tuple[Any, Any], frozen: bool, settings: argparse.Namespace
) -> None:
    """Train by stochastic gradient descent under a one-cycle rate, printing the test accuracy of every epoch."""
    x, y = data
    epochs = settings.frozen_epochs if frozen else settings.epochs
    peak = FROZEN_RATE if frozen else PEAK_RATE
    batches = max(1, len(x) // BATCH)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=peak, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=epochs * batches)
    start = time.monotonic()
    for epoch in range(epochs):
        network.train()
        if frozen:
            freeze_normalisation(torch, network)
        order = torch.randperm(len(x))
        losses = []
        for batch in range(batches):
            chosen = order[batch * BATCH : (batch + 1) * BATCH]
            mirrored = torch.rand(len(chosen)) < 0.5
            images = torch.where(mirrored[:, None, None, None], x[chosen].flip(3), x[chosen])
            losses.append(train_batch(torch, network, optimizer, images, y[chosen], settings))
            rate.step()
        share = accuracy(torch, network, *test)
        seconds = time.monotonic() - start
        print(
            f"{'frozen epoch' if frozen else 'epoch'} {epoch + 1}/{epochs}: loss {np.mean(losses):.3f}, "
            f"test accuracy {share:.2%}, {seconds:.0f} s",
            flush=True,
        )


def export(torch: Any, network: Any, path: Path) -> None:
    """Write the network as ONNX, opset 17, any batch; batch normalisation becomes part of the convolutions."""
    network.eval()
    with warnings.catch_warnings():
        # The exporter through TorchScript is the older of PyTorch's two: it folds batch normalisation, and says so.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(2, 1, 28, 28),),
            str(path),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
            opset_version=17,
        )


def parse_arguments() -> argparse.Namespace:
    """Return the settings of the command line."""
    parser = argparse.ArgumentParser(description="Train a ResNet-8 on Fashion-MNIST and export it to ONNX.")
    parser.add_argument("out", type=Path, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--data", type=Path, default=DEBIAN_FOLDER, help="folder of the *-ubyte.gz files (%(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="passes over the training images (%(default)s)")
    parser.add_argument("--width", type=int, default=8, help="channels of the first block (%(default)s)")
    parser.add_argument("--weight-noise", type=float, default=0.0, help="noise as a fraction of the column's maximum")
    parser.add_argument("--clip-sigma", type=float, default=0.0, help="clip each column at so many r.m.s. (0: never)")
    parser.add_argument("--frozen-epochs", type=int, default=0, help="further ones, with fixed normalisation")
    parser.add_argument("--limit", type=int, default=60000, help="use only the first N training images")
    parser.add_argument("--seed", type=int, default=0, help="of the weights, the order and the noise (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (%(default)s)")
    return parser.parse_args()


def main() -> None:
    """Train, export, and say where the file is."""
    settings = parse_arguments()
    torch = load_torch()
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)

    def tensors(images: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[Any, Any]:
        return torch.from_numpy(images.copy()), torch.from_numpy(labels.copy())

    limit = settings.limit
    data = tensors(read_images(settings.data, "train")[:limit], read_labels(settings.data, "train")[:limit])
    test = tensors(read_images(settings.data, "test"), read_labels(settings.data, "test"))
    network = build_network(torch, settings.width)
    train_epochs(torch, network, data, test, False, settings)
    if settings.frozen_epochs > 0:
        train_epochs(torch, network, data, test, True, settings)
    export(torch, network, settings.out)
    print(f"wrote {settings.out}")


if __name__ == "__main__":
    main()
