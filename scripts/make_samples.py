"""Cut the data files of `xbar/samples` out of Fashion-MNIST and of scikit-learn's digits.

    python scripts/make_samples.py xbar/samples [--data FOLDER]

The test files serve for the accuracy, the calibration files, from the training images, for converter ranges.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_mnist import DEBIAN_FOLDER, read_images, read_labels
from train_digits import split_digits

TEST_IMAGES = 1000
CALIBRATION_SAMPLES = 200
CLASSES = 10


def first_of_each_class(y: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the indices, ascending, of the first count / 10 samples of each class."""
    chosen = [np.flatnonzero(y == label)[: count // CLASSES] for label in range(CLASSES)]
    return np.sort(np.concatenate(chosen))


def save(path: Path, x: NDArray[np.float32], y: NDArray[np.int64]) -> None:
    """Write the arrays and print what the file holds."""
    np.savez_compressed(path, x=x, y=y)
    print(f"wrote {path}: x {x.shape} {x.dtype}, y {y.shape} {y.dtype}, {path.stat().st_size / 1024:.0f} KiB")


def main() -> None:
    """Write the four files."""
    parser = argparse.ArgumentParser(description="Make the data files of xbar/samples.")
    parser.add_argument("folder", type=Path, help="the folder to write into")
    parser.add_argument("--data", type=Path, default=DEBIAN_FOLDER, help="folder of the *-ubyte.gz files (%(default)s)")
    parser.add_argument("--all-test-images", type=Path, metavar="FILE.npz", help="also write the 10,000 test images")
    settings = parser.parse_args()
    folder: Path = settings.folder

    images, labels = read_images(settings.data, "test"), read_labels(settings.data, "test")
    save(folder / "fashion_mnist_test.npz", images[:TEST_IMAGES], labels[:TEST_IMAGES])
    if settings.all_test_images is not None:
        save(settings.all_test_images, images, labels)
    images, labels = read_images(settings.data, "train"), read_labels(settings.data, "train")
    chosen = first_of_each_class(labels, CALIBRATION_SAMPLES)
    save(folder / "fashion_mnist_calibration.npz", images[chosen], labels[chosen])

    digits = split_digits()
    save(folder / "digits_test.npz", digits.test_x, digits.test_y)
    chosen = first_of_each_class(digits.train_y, CALIBRATION_SAMPLES)
    save(folder / "digits_calibration.npz", digits.train_x[chosen], digits.train_y[chosen])


if __name__ == "__main__":
    main()
