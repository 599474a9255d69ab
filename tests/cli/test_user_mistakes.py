"""A mistake is one message with the remedy and a documented exit code; nothing is left half-written."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import xbar

Run = Callable[..., Any]
"""Runs `xbar` with arguments; returns exit code, standard output and standard error."""

CARD = (Path(xbar.__file__).parent / "devices" / "cards" / "pcm.toml").read_text(encoding="utf-8")


def check(ended: Any, code: int, *words: str) -> None:
    """Assert the exit code, one message with these words on standard error, nothing on standard output."""
    assert ended.code == code, ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err


def model(weights: Any, op: str = "MatMul", domain: str = "") -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node(op, ["x", "w"], ["y"], name="only", domain=domain)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 3])],
        [numpy_helper.from_array(np.asarray(weights, np.float32), "w")],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return content


def only(*names: str) -> None:
    """Assert which files the folder holds."""
    assert sorted(path.name for path in Path().iterdir()) == sorted(names)


def test_not_an_onnx_file(run: Run) -> None:
    Path("bad.onnx").write_bytes(b"this is no model at all" * 20)
    check(run("map", "bad.onnx", "-o", "m.h5"), 3, "bad.onnx")
    only("bad.onnx")


def test_missing_model(run: Run) -> None:
    check(run("map", "none.onnx", "-o", "m.h5"), 3, "none.onnx")


def test_unsupported_operator(run: Run) -> None:
    Path("odd.onnx").write_bytes(model(np.ones((4, 3)), "Frobnicate", "com.example"))
    check(run("map", "odd.onnx", "-o", "m.h5"), 4, "Frobnicate", "com.example")
    only("odd.onnx")


def test_weights_that_are_nan(run: Run) -> None:
    weights = np.ones((4, 3))
    weights[1, 1] = np.nan
    Path("nan.onnx").write_bytes(model(weights))
    check(run("map", "nan.onnx", "-o", "m.h5"), 3, "NaN", "w")
    np.savez("w.npz", w=weights)
    check(run("map", "--weights", "w.npz", "-o", "m.h5"), 2, "NaN")
    only("nan.onnx", "w.npz")


@pytest.mark.parametrize("size", ["0x128", "128x0", "128x1", "x", "128", "-4x4"])
def test_tile_that_holds_nothing(run: Run, size: str) -> None:
    check(run("map", "sample:digits", "-o", "m.h5", "--tile", size), 2)
    only()


def test_unknown_card(run: Run) -> None:
    check(run("map", "sample:digits", "-o", "m.h5", "--card", "unobtainium"), 2, "generic", "ideal", "pcm")


def test_card_with_a_missing_unit(run: Run) -> None:
    Path("my.toml").write_text(CARD.replace('g_max = "25 uS"', "g_max = 25"), encoding="utf-8")
    check(run("map", "sample:digits", "-o", "m.h5", "--card", "my.toml"), 3, "my.toml", "g_max", "unit", "'25 uS'")
    only("my.toml")


def test_values_out_of_the_range_of_a_card(run: Run, digits_file: Path) -> None:
    check(run("read", "--card", "pcm", "--size", "2x2", "--target", "30 uS"), 2, "30 uS", "25 uS")
    np.savez("t.npz", g=np.full((2, 2), 1e-3))
    check(run("read", "--card", "pcm", "--size", "2x2", "--target", "t.npz"), 2, "1 mS", "25 uS")
    check(run("run", digits_file, "--data", "sample:digits", "--card", "generic"), 2, "25 uS", "1 uS to 100 uS")


def test_wrong_input_shape(run: Run, digits_file: Path) -> None:
    np.savez("d.npz", x=np.zeros((5, 63), np.float32), y=np.zeros(5, np.int64))
    check(run("run", digits_file, "--data", "d.npz", "--trace", "t.h5", "--outputs", "o.npz"), 2, "63", "64")
    only("d.npz")


def test_inputs_that_are_nan(run: Run, digits_file: Path) -> None:
    x = np.zeros((5, 64), np.float32)
    x[2, 2] = np.nan
    np.savez("d.npz", x=x)
    check(run("run", digits_file, "--data", "d.npz", "--trace", "t.h5"), 2, "NaN")
    only("d.npz")


def test_labels_that_do_not_fit(run: Run, digits_file: Path) -> None:
    np.savez("d.npz", x=np.zeros((5, 64), np.float32), y=np.full(5, 12))
    check(run("run", digits_file, "--data", "d.npz", "--trace", "t.h5"), 2, "12", "0 to 9")
    only("d.npz")


def test_a_pickled_npz(run: Run, digits_file: Path) -> None:
    np.savez("d.npz", x=np.array([{"a": 1}], dtype=object))
    check(run("run", digits_file, "--data", "d.npz"), 3, "pickled")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"x" * 100])
def test_data_that_is_no_npz(run: Run, digits_file: Path, content: bytes) -> None:
    Path("d.npz").write_bytes(content)
    check(run("run", digits_file, "--data", "d.npz"), 3, "d.npz")


def test_data_of_different_length(run: Run, digits_file: Path) -> None:
    np.savez("d.npz", x=np.zeros((5, 64)), y=np.zeros(4, np.int64))
    check(run("run", digits_file, "--data", "d.npz"), 3, "x 5", "y 4")


def test_an_existing_output_is_kept(run: Run) -> None:
    Path("m.h5").write_text("mine", encoding="utf-8")
    check(run("map", "sample:digits", "-o", "m.h5"), 3, "--force")
    assert Path("m.h5").read_text(encoding="utf-8") == "mine"
    assert run("map", "sample:digits", "-o", "m.h5", "--force").code == 0
    assert Path("m.1.h5").read_text(encoding="utf-8") == "mine"
    only("m.h5", "m.1.h5")


def test_a_folder_that_is_not_there(run: Run, digits_file: Path) -> None:
    check(run("map", "sample:digits", "-o", "no/m.h5"), 3, "no")
    check(run("run", digits_file, "--data", "sample:digits", "--trace", "no/t.h5"), 3, "no")


def test_a_disk_that_does_not_write(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    check(run("map", "sample:digits", "-o", "m.h5"), 3, "m.h5", "No space left")
    only()


def change_schema(file: Any) -> None:
    file.attrs["xbar_schema"] = "xbar-map/99"


def change_target(file: Any) -> None:
    file["matrices/0/targets"][0, 0, 0] += 1e-9


def drop_layers(file: Any) -> None:
    del file["layers"]


@pytest.mark.parametrize(
    ("change", "word"), [(change_schema, "xbar-map/99"), (change_target, "hash"), (drop_layers, "layers")]
)
def test_a_map_of_another_version_or_damaged(
    run: Run, digits_file: Path, change: Callable[[Any], None], word: str
) -> None:
    Path("m.h5").write_bytes(digits_file.read_bytes())
    with h5py.File("m.h5", "r+") as file:
        change(file)
    check(run("run", "m.h5", "--data", "sample:digits"), 3, word)


def test_a_trace_is_no_map(run: Run, digits_file: Path) -> None:
    assert run("run", digits_file, "--data", "sample:digits", "--samples", 20, "--trace", "t.h5").code == 0
    check(run("run", "t.h5", "--data", "sample:digits"), 3, "xbar map")


def test_a_bench_that_is_too_small_is_told_before_anything_is_written(run: Run, digits_file: Path) -> None:
    Path("lab.toml").write_text(
        'schema = "xbar-bench/1"\ndriver = "sim"\ncard = "pcm"\n[geometry]\narrays = 1\n', encoding="utf-8"
    )
    check(
        run("run", digits_file, "--data", "sample:digits", "--bench", "lab.toml", "--trace", "t.h5"),
        2,
        "needs 2 arrays",
    )
    with xbar.open_trace("t.h5") as trace:
        assert len(trace) == 0
        assert trace.status == "failed"


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("--at", "yesterday"), 2, "yesterday"),
        (("--at", "-1 s"), 2, "-1 s"),
        (("--at", "5"), 2, "unit"),
        (("--only", "gravity"), 2, "gravity"),
        (("--temperature", "300"), 2, "unit"),
        (("--outside", "ignore"), 2, "'ignore'"),
        (("--wires", "1"), 2, "unit"),
        (("--wires", "23nm-1t1r"), 2, "22nm-1t1r"),
        (("--bench", "nowhere"), 2, "nowhere"),
        (("--bench", "replay:none.h5"), 3, "none.h5"),
        (("--samples", "100000"), 2, "100000"),
        (("--dtype", "float16"), 2, "float16"),
        (("--device", "tpu"), 2, "tpu"),
        (("--seed", "281474976710656"), 2, "281474976710656"),
        (("--figure", "f.bmp"), 2, ".bmp"),
        (("--trace", "t.h5", "--record", "some"), 2, "outputs, full, off"),
        (("--trace", "t.h5", "--flush", "often"), 2, "every"),
        (("--frobnicate",), 2, "frobnicate"),
        (("--batch", "0"), 2, "--batch"),
    ],
)
def test_options_that_cannot_be_meant(
    run: Run, digits_file: Path, options: tuple[str, ...], code: int, word: str
) -> None:
    check(run("run", digits_file, "--data", "sample:digits", *options), code, word)


def test_a_repeat_on_a_replay(run: Run, digits_file: Path) -> None:
    check(run("run", digits_file, "--data", "sample:digits", "--bench", "replay:t.h5", "--repeat", 2), 2, "repeat")


def test_map_needs_a_network_or_weights(run: Run) -> None:
    check(run("map", "-o", "m.h5"), 2, "--weights")
    check(run("map", "sample:digits", "--weights", "w.npz", "-o", "m.h5"), 2, "--weights")


def test_debug_shows_the_traceback(run: Run) -> None:
    ended = run("map", "none.onnx", "-o", "m.h5", "--debug")
    assert ended.code == 3
    assert "Traceback" in ended.err
