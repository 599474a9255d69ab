"""Trained networks with data to run them on, shipped with xbar; README.md beside this file has origin and licences.

Wherever the command line takes a network or data, `sample:fashion-mnist` and `sample:digits` name the shipped ones.
The files are read from the folder of the installed package; an import out of a zip archive is not supported.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from xbar.errors import InputError, UnknownNameError, Unsupported

__all__ = ["PREFIX", "Sample", "SampleKind", "sample", "sample_file", "sample_names"]

PREFIX: Final = "sample:"
"""Begins a reference to a sample where otherwise a path is expected."""

SampleKind = Literal["model", "data", "calibration"]
"""Which file of a sample: the network, the test data, or the data that converter ranges are taken from."""


@dataclass(frozen=True)
class Sample:
    """A network and its data.

    `data` and `calibration` are npz files with `x` (float32, first axis the samples, as the network takes it) and `y`
    (int64, classes); no sample is in both.
    """

    name: str
    model: Path
    data: Path
    calibration: Path
    title: str
    origin: str
    licence: str
    accuracy: float
    """Share of the samples in `data` that the network classifies rightly in onnxruntime, between 0 and 1."""


@dataclass(frozen=True)
class _Entry:
    """A sample before its files are looked up."""

    model: str
    stem: str
    title: str
    origin: str
    licence: str
    accuracy: float


_ENTRIES: Final = {
    "fashion-mnist": _Entry(
        model="fashion_mnist_resnet8.onnx",
        stem="fashion_mnist",
        title="ResNet-8 trained for analog arrays on Fashion-MNIST, 1000 test images",
        origin="images: Fashion-MNIST, Zalando SE, 2017; network: scripts/train_fashion_mnist.py",
        licence="MIT",
        accuracy=0.929,
    ),
    "digits": _Entry(
        model="digits_mlp.onnx",
        stem="digits",
        title="Perceptron 64-64-10 on handwritten digits, 450 test digits",
        origin="digits: E. Alpaydin and C. Kaynak, UCI, 1998, through scikit-learn; network: scripts/train_digits.py",
        licence="digits: CC BY 4.0 (UCI) and BSD-3-Clause (scikit-learn); network: MIT",
        accuracy=437 / 450,
    ),
}


def sample_names() -> tuple[str, ...]:
    """Return the names of the shipped samples, the recommended one first."""
    return tuple(_ENTRIES)


def sample(name: str) -> Sample:
    """Return the sample of this name, without the prefix `sample:`.

    Raises UnknownNameError if there is none, and Unsupported if xbar was imported out of a zip archive.
    """
    entry = _ENTRIES.get(name)
    if entry is None:
        raise UnknownNameError(f"no sample is called {name!r}; there are: {', '.join(_ENTRIES)}")
    folder = files(__name__)
    if not isinstance(folder, Path):
        raise Unsupported("the samples cannot be read out of a zip archive; install xbar into a folder with pip")
    return Sample(
        name=name,
        model=folder / entry.model,
        data=folder / f"{entry.stem}_test.npz",
        calibration=folder / f"{entry.stem}_calibration.npz",
        title=entry.title,
        origin=entry.origin,
        licence=entry.licence,
        accuracy=entry.accuracy,
    )


def sample_file(reference: str, kind: SampleKind) -> Path:
    """Return the path of one file of a sample, named as `sample:fashion-mnist`.

    Raises InputError without the prefix, UnknownNameError if there is no such sample, and Unsupported if xbar was
    imported out of a zip archive.
    """
    if not reference.startswith(PREFIX):
        raise InputError(
            f"{reference!r} does not name a sample; write {PREFIX}NAME, with one of: {', '.join(_ENTRIES)}"
        )
    found = sample(reference.removeprefix(PREFIX))
    return {"model": found.model, "data": found.data, "calibration": found.calibration}[kind]
