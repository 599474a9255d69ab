"""Files that are missing, broken or hostile: one clear error each."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from xbar.errors import FileError, FormatError, Unsupported
from xbar.network import Network, load_network, model_file, normalise
from xbar.network.model_file import parse_model, read_model


@pytest.fixture
def model(make_model: Any) -> ModelProto:
    """Return y = x w with w of 4 by 3."""
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    built: ModelProto = make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weights})
    return built


def external(model: ModelProto, location: str, **entries: str) -> ModelProto:
    """Return the model with its weights declared in another file."""
    moved = ModelProto()
    moved.CopyFrom(model)
    tensor = moved.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in ({"location": location} | entries).items():
        tensor.external_data.add(key=key, value=value)
    return moved


def save(model: ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and a folder in the place of a folder are file errors that name the path."""
    with pytest.raises(FileError, match="there is no file"):
        load_network(tmp_path / "none.onnx")
    with pytest.raises(FileError, match="is a folder"):
        load_network(tmp_path)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_unreadable_file(model: ModelProto, tmp_path: Path) -> None:
    """A file without read permission is a file error."""
    path = save(model, tmp_path / "m.onnx")
    path.chmod(0)
    with pytest.raises(FileError, match="cannot be read"):
        load_network(path)


def test_read_errors_are_file_errors(model: ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the system says when reading comes out as a file error with its reason."""
    path = save(model, tmp_path / "m.onnx")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileError, match="cannot be read: Permission denied"):
        load_network(path)


def test_more_than_a_protobuf_message(model: ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a tensor, external data and a result beyond the limit of a protobuf message are refused."""
    assert model_file.LARGEST_MESSAGE == 2**31 - 1
    path = save(model, tmp_path / "m.onnx")
    (tmp_path / "w.bin").write_bytes(model.graph.initializer[0].raw_data)
    moved = external(model, "w.bin", length="48")
    moved.graph.initializer.append(moved.graph.initializer[0])
    monkeypatch.setattr(model_file, "LARGEST_MESSAGE", 60)
    with pytest.raises(Unsupported, match=r"m\.onnx has \d+ bytes: a protobuf message ends at 60"):
        read_model(path)
    with pytest.raises(Unsupported, match="external data of m has more than 60 bytes"):
        parse_model(moved.SerializeToString(), "m", tmp_path)
    monkeypatch.setattr(model_file, "LARGEST_MESSAGE", 40)
    with pytest.raises(Unsupported, match=r"tensor 'w' of shape \[4, 3\] has 48 bytes"):
        parse_model(model.SerializeToString(), "m")
    monkeypatch.undo()
    monkeypatch.setattr(normalise, "LARGEST_MESSAGE", 60)
    with pytest.raises(Unsupported, match="one protobuf message holds 60"):
        load_network(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"this is no model at all", "is not an ONNX model"),
        (bytes(range(256)) * 4, "is not an ONNX model"),
        (ModelProto(ir_version=8).SerializeToString(), "not a complete ONNX model"),
    ],
)
def test_files_that_are_no_models(content: bytes, message: str, tmp_path: Path) -> None:
    """Garbage, nothing and half a model are format errors."""
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        load_network(path)


def test_every_truncation_is_noticed(model: ModelProto) -> None:
    """A model cut short anywhere is an error of ours, never a smaller network or a crash."""
    data = model.SerializeToString()
    for length in range(len(data)):
        with pytest.raises((FormatError, Unsupported)):
            Network.from_bytes(data[:length])


@pytest.mark.parametrize("dims", [[10**6, 10**6], [4, 4], [4, -3], [0]])
def test_declared_shapes_are_checked(model: ModelProto, dims: list[int]) -> None:
    """A tensor that declares another size than it holds is refused before anything is allocated."""
    tensor = model.graph.initializer[0]
    del tensor.dims[:]
    tensor.dims.extend(dims)
    with pytest.raises((FormatError, Unsupported), match="tensor 'w'"):
        parse_model(model.SerializeToString(), "m")


def test_typed_fields_are_checked(model: ModelProto) -> None:
    """Data in typed fields counts as well; an unknown type is refused."""
    tensor = model.graph.initializer[0]
    typed = helper.make_tensor("w", TensorProto.FLOAT, [4, 3], np.ones(12))
    tensor.CopyFrom(typed)
    assert parse_model(model.SerializeToString(), "m").graph.initializer[0].float_data[:2] == [1, 1]
    del tensor.float_data[-1]
    with pytest.raises(FormatError, match="holds 11 of 12 values"):
        parse_model(model.SerializeToString(), "m")
    tensor.data_type = 99
    tensor.raw_data = b"1"
    with pytest.raises(FormatError, match="unknown data type 99"):
        parse_model(model.SerializeToString(), "m")


def test_tensors_of_four_bits(model: ModelProto) -> None:
    """Two values of four bits share a byte."""
    packed = numpy_helper.from_array(np.ones(12, np.int8))
    packed.data_type, packed.raw_data, packed.name = TensorProto.INT4, b"\x11" * 6, "w"
    model.graph.initializer[0].CopyFrom(packed)
    parse_model(model.SerializeToString(), "m")
    model.graph.initializer[0].raw_data = b"\x11" * 12
    with pytest.raises(FormatError, match="holds 12 of 6 bytes"):
        parse_model(model.SerializeToString(), "m")


def test_huge_sparse_tensors_are_refused(model: ModelProto) -> None:
    """A sparse tensor that declares 10^12 values is refused."""
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([0])), [10**6, 10**6])
    model.graph.sparse_initializer.append(sparse)
    with pytest.raises(FormatError, match="sparse tensor 's' declares the shape"):
        parse_model(model.SerializeToString(), "m")


def test_external_data_in_the_folder(model: ModelProto, tmp_path: Path) -> None:
    """External data beside the model is read, with offset and length, and becomes part of the model."""
    raw = model.graph.initializer[0].raw_data
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"1234" + raw)
    moved = save(external(model, "sub/w.bin", offset="4", length="48"), tmp_path / "moved.onnx")
    assert load_network(moved).model_bytes == Network.from_bytes(model.SerializeToString()).model_bytes


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "", "sub/../../w.bin", "C:w.bin", "..\\w.bin"])
def test_external_data_outside_is_refused(location: str, model: ModelProto, tmp_path: Path) -> None:
    """No file outside the model's folder is opened, however its name is written."""
    (tmp_path / "w.bin").write_bytes(model.graph.initializer[0].raw_data)
    folder = tmp_path / "models"
    folder.mkdir()
    with pytest.raises(FormatError, match="outside the model's folder: refused"):
        load_network(save(external(model, location), folder / "m.onnx"))


def test_external_data_behind_a_link_is_refused(model: ModelProto, tmp_path: Path) -> None:
    """A symbolic link does not lead out of the folder."""
    (tmp_path / "w.bin").write_bytes(model.graph.initializer[0].raw_data)
    folder = tmp_path / "models"
    folder.mkdir()
    try:
        (folder / "w.bin").symlink_to(tmp_path / "w.bin")
    except OSError:
        pytest.skip("this user cannot make symbolic links")
    with pytest.raises(FormatError, match="outside the model's folder: refused"):
        load_network(save(external(model, "w.bin"), folder / "m.onnx"))


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        ({}, FileError, "'w.bin' with tensor 'w' is missing"),
        ({"length": "47"}, FormatError, "has 48 bytes, but 47"),
        ({"offset": "-1"}, FormatError, "at offset -1"),
        ({"length": "many"}, FormatError, "no number"),
    ],
)
def test_broken_external_data(
    entries: dict[str, str], error: type[Exception], message: str, model: ModelProto, tmp_path: Path
) -> None:
    """A missing file and entries that contradict the tensor are named."""
    with pytest.raises(error, match=message):
        load_network(save(external(model, "w.bin", **entries), tmp_path / "m.onnx"))


def test_short_external_data(model: ModelProto, tmp_path: Path) -> None:
    """A data file that ends too early is named, and one in serialised bytes is refused."""
    (tmp_path / "w.bin").write_bytes(b"1234")
    with pytest.raises(FormatError, match=r"'w\.bin' is too short"):
        load_network(save(external(model, "w.bin"), tmp_path / "m.onnx"))
    with pytest.raises(FormatError, match="lies in another file"):
        Network.from_bytes(external(model, "w.bin").SerializeToString())
