"""Read the four files of Fashion-MNIST for the scripts that train on it or cut samples from it.

Debian and Ubuntu have the data set as the package `dataset-fashion-mnist` (MIT, Zalando SE); elsewhere the same four
files `*-ubyte.gz` come from https://github.com/zalandoresearch/fashion-mnist.
"""

import gzip
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts the files."""

PIXELS = 28
"""Pixels along each side of an image."""

_PREFIX = {"train": "train", "test": "t10k"}
_COUNT = {"train": 60000, "test": 10000}


def read_images(folder: Path, part: Literal["train", "test"]) -> NDArray[np.float32]:
    """Return the images of a part as (n, 1, 28, 28), dark to bright as 0 to 1 (pixel / 255)."""
    pixels = _read_idx(folder / f"{_PREFIX[part]}-images-idx3-ubyte.gz", (_COUNT[part], PIXELS, PIXELS))
    return pixels[:, None].astype(np.float32) / np.float32(255)


def read_labels(folder: Path, part: Literal["train", "test"]) -> NDArray[np.int64]:
    """Return the classes (0 to 9) of a part as (n,)."""
    return _read_idx(folder / f"{_PREFIX[part]}-labels-idx1-ubyte.gz", (_COUNT[part],)).astype(np.int64)


def _read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the bytes of an idx file: two zeros, type 8, number of axes, sizes as big-endian int32, then the data."""
    if not path.is_file():
        raise SystemExit(
            f"{path} is missing. Install Debian's package dataset-fashion-mnist, or download the four files from "
            "https://github.com/zalandoresearch/fashion-mnist and name their folder with --data"
        )
    header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    expected = len(header) + int(np.prod(shape))
    with gzip.open(path) as file:
        content = file.read(expected + 1)
    if not content.startswith(header) or len(content) != expected:
        raise SystemExit(f"{path} is not the idx file of shape {shape} that Fashion-MNIST has; download it again")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)
