"""Tests of the shipped networks and data."""

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from xbar.errors import InputError, UnknownNameError
from xbar.samples import SampleKind, sample, sample_file, sample_names

NAMES = ["fashion-mnist", "digits"]
DATA_SHAPE = {"fashion-mnist": (1000, 1, 28, 28), "digits": (450, 64)}


def load(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return x and y of a shipped data file."""
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == {"x", "y"}
        return file["x"], file["y"]


def right_answers(model: Path, x: NDArray[Any], y: NDArray[Any]) -> int:
    """Count the samples that the network classifies rightly."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (scores,) = session.run(["y"], {"x": x})
    return int(np.count_nonzero(cast(NDArray[Any], scores).argmax(1) == y))


def test_names_are_the_documented_ones() -> None:
    """The two samples exist, the one of the demo first."""
    assert sample_names() == tuple(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_network_reaches_its_recorded_accuracy(name: str) -> None:
    """The digital network classifies as many of the shipped samples rightly as the entry says."""
    entry = sample(name)
    x, y = load(entry.data)
    assert right_answers(entry.model, x, y) == round(entry.accuracy * len(y))
    assert entry.accuracy * len(y) == pytest.approx(round(entry.accuracy * len(y)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["data", "calibration"])
def test_data_is_what_the_network_takes(name: str, kind: SampleKind) -> None:
    """Inputs are float32 from 0 to 1 with both ends present, labels are int64 classes."""
    x, y = load(sample_file(f"sample:{name}", kind))
    shape = DATA_SHAPE[name] if kind == "data" else (200, *DATA_SHAPE[name][1:])
    assert x.shape == shape
    assert y.shape == shape[:1]
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    assert (x.min(), x.max()) == (0, 1)
    assert set(y.tolist()) == set(range(10))


@pytest.mark.parametrize("name", NAMES)
def test_calibration_is_balanced_and_not_from_the_test(name: str) -> None:
    """Twenty samples of each class serve for calibration, and none of them is in the test data."""
    x, y = load(sample(name).calibration)
    assert np.bincount(y).tolist() == [20] * 10
    tested = {row.tobytes() for row in load(sample(name).data)[0]}
    assert not any(row.tobytes() in tested for row in x)


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_the_levels_of_the_source(name: str) -> None:
    """Every pixel is a whole grey value of the source divided by the largest, so nothing was lost."""
    full_scale = {"fashion-mnist": 255, "digits": 16}[name]
    x, _ = load(sample(name).data)
    levels = np.round(x * full_scale)
    np.testing.assert_array_equal((levels / np.float32(full_scale)).astype(np.float32), x)


@pytest.mark.parametrize("name", NAMES)
def test_model_is_valid_and_takes_any_batch(name: str) -> None:
    """The file passes the checker, has opset 17, a free first axis, and the inputs and outputs x and y."""
    model = onnx.load(sample(name).model)
    onnx.checker.check_model(model, full_check=True)
    assert [item.version for item in model.opset_import] == [17]
    assert [item.name for item in [*model.graph.input, *model.graph.output]] == ["x", "y"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param != ""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["model", "data", "calibration"])
def test_files_hold_no_path_of_a_machine(name: str, kind: SampleKind) -> None:
    """No shipped file names a folder of the machine that made it."""
    content = sample_file(f"sample:{name}", kind).read_bytes()
    for folder in [b"/home/", b"/root/", b"/tmp/", b"/work/", b"/Users/", b"C:\\"]:
        assert folder not in content


def test_unknown_sample_lists_the_names() -> None:
    """A name that does not exist is answered with those that do."""
    with pytest.raises(UnknownNameError, match=r"mnist.*fashion-mnist, digits"):
        sample("mnist")
    with pytest.raises(UnknownNameError, match="fashion-mnist, digits"):
        sample_file("sample:", "model")


def test_reference_without_prefix_is_refused() -> None:
    """A bare name is no reference, so that it cannot be confused with a file."""
    with pytest.raises(InputError, match="sample:NAME"):
        sample_file("digits", "data")


def test_import_is_light() -> None:
    """Looking up a sample imports neither numpy nor a runtime for networks."""
    code = (
        "import sys, xbar.samples; xbar.samples.sample('digits'); "
        "print([name for name in ('numpy', 'onnx', 'onnxruntime', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
