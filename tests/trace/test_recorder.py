"""The recorder: what it refuses, when it flushes, how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from xbar.bench.operation import Operation, OperationKind, Request
from xbar.errors import FileError, InputError, TraceWriteError
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_simulated_benches_flush_every_quarter_second(
    tmp_path: Path, make_header: Any, reading: Any, clock: Clock
) -> None:
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, clock=clock)
    recorder.start(make_header())
    recorder.record(reading())
    clock.now = 0.24
    recorder.record(reading())
    assert (recorder.recorded, recorder.acknowledged) == (2, 0)
    clock.now = 0.25
    recorder.record(reading())
    assert recorder.acknowledged == 3
    recorder.record(reading())
    assert recorder.acknowledged == 3
    recorder.flush()
    assert recorder.acknowledged == 4
    recorder.close("ok")


def test_hardware_flushes_every_operation(tmp_path: Path, make_header: Any, reading: Any, clock: Clock) -> None:
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, clock=clock)
    recorder.start(make_header(hardware=True))
    for number in (1, 2, 3):
        recorder.record(reading())
        assert recorder.acknowledged == number
    recorder.close("ok")


@pytest.mark.parametrize("status", ["ok", "aborted", "failed"])
def test_the_end_is_written(make_trace: Any, reading: Any, status: str) -> None:
    with open_trace(make_trace(reading(), status=status)) as trace:
        assert (trace.status, trace.state, trace.complete, len(trace)) == (status, "closed", True, 1)


def test_closing_twice_is_harmless(tmp_path: Path, make_header: Any) -> None:
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={})
    recorder.close("ok")
    recorder.start(make_header())
    recorder.close("aborted")
    recorder.close("ok")
    with open_trace(tmp_path / "t.h5") as trace:
        assert (trace.status, len(trace)) == ("aborted", 0)


def test_recording_after_the_end_is_an_error(tmp_path: Path, make_header: Any, reading: Any) -> None:
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={})
    with pytest.raises(InputError, match="not open"):
        recorder.record(reading())
    recorder.start(make_header())
    recorder.close("ok")
    with pytest.raises(InputError, match="not open"):
        recorder.record(reading())


def test_level_off_makes_no_file(tmp_path: Path, make_header: Any, reading: Any) -> None:
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, level="off")
    recorder.start(make_header())
    recorder.record(reading())
    recorder.flush()
    recorder.close("ok")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_refused_or_renamed(make_trace: Any, reading: Any, make_header: Any) -> None:
    """Without force nothing is touched; with it the old trace keeps its content under another name."""
    path = make_trace(reading())
    with pytest.raises(FileError, match="--force"):
        TraceRecorder(path, provenance={})
    recorder = TraceRecorder(path, provenance={}, force=True)
    recorder.start(make_header())
    recorder.close("ok")
    with open_trace(path) as new, open_trace(path.with_name("t.1.h5")) as old:
        assert (len(new), len(old)) == (0, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"level": "everything"},
        {"flush_every": -1.0},
        {"flush_every": float("nan")},
        {"provenance": {"run": object()}},
        {"provenance": {"uuid": "mine"}},
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TraceRecorder(tmp_path / "t.h5", **({"provenance": {}} | arguments))
    assert list(tmp_path.iterdir()) == []


def test_settings_that_are_no_json_leave_no_file(tmp_path: Path, make_header: Any) -> None:
    header = make_header()
    object.__setattr__(header.drivers[0], "settings", {"x": object()})
    with pytest.raises(InputError, match="JSON"):
        TraceRecorder(tmp_path / "t.h5", provenance={}).start(header)
    assert list(tmp_path.iterdir()) == []


def break_dataset(recorder: TraceRecorder, path: str) -> None:
    """Make the next write into a column fail."""

    class Broken:
        def set_extent(self, shape: tuple[int, ...]) -> None:
            raise OSError(28, "No space left on device")

    class Dataset:
        id = Broken()

    assert recorder._trace is not None
    recorder._trace.columns[path].dataset = Dataset()


def test_nothing_is_appended_after_a_write_error(tmp_path: Path, make_header: Any, reading: Any) -> None:
    """The first error stops the trace for good; the file closes as failed with what was safe."""
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, flush_every=0)
    recorder.start(make_header())
    for index in range(3):
        recorder.record(reading(index))
    break_dataset(recorder, "cells/current")
    with pytest.raises(TraceWriteError, match=r"t\.h5 .*No space.* holds 3 operations"):
        recorder.record(reading(3))
    with pytest.raises(TraceWriteError, match="earlier write"):
        recorder.record(reading(4))
    with pytest.raises(TraceWriteError, match="earlier write"):
        recorder.flush()
    recorder.close("ok")
    with open_trace(tmp_path / "t.h5") as trace:
        assert (len(trace), trace.status, trace.complete) == (3, "failed", False)


def test_an_error_while_closing_is_told(tmp_path: Path, make_header: Any, reading: Any) -> None:
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, flush_every=100.0)
    recorder.start(make_header())
    recorder.record(reading())
    break_dataset(recorder, "cells/current")
    with pytest.raises(TraceWriteError, match="holds 0 operations"):
        recorder.close("ok")
    recorder.close("ok")
    with open_trace(tmp_path / "t.h5") as trace:
        assert (len(trace), trace.status) == (0, "failed")


def test_an_interrupt_inside_a_write_stops_the_trace(
    tmp_path: Path, make_header: Any, reading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are never continued after a write that was cut: memory and file may differ."""
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, flush_every=0)
    recorder.start(make_header())

    def interrupted(self: TraceRecorder, trace: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TraceRecorder, "_flush", interrupted)
        with pytest.raises(KeyboardInterrupt):
            recorder.record(reading())
    with pytest.raises(TraceWriteError):
        recorder.record(reading())
    recorder.close("aborted")


Malform = Callable[[Operation], None]


def _fewer_steps(operation: Operation) -> None:
    object.__setattr__(operation.readings, "step", np.ones((1, 8)))


def _other_batch(operation: Operation) -> None:
    object.__setattr__(operation.request, "voltages", np.zeros((2, 4, 16)))


def _text_codes(operation: Operation) -> None:
    object.__setattr__(operation.readings, "codes", np.full((2, 5, 8), "1"))


@pytest.mark.parametrize("malform", [_fewer_steps, _other_batch, _text_codes])
def test_readings_that_do_not_belong_together_are_refused(
    tmp_path: Path, make_header: Any, product: Any, malform: Malform
) -> None:
    operation = product()
    malform(operation)
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={})
    recorder.start(make_header())
    with pytest.raises(TraceWriteError, match="cannot be written any further"):
        recorder.record(operation)


def test_viewers_find_the_default_plot_and_units(tmp_path: Path, make_header: Any, reading: Any, product: Any) -> None:
    """Following the default attributes of plain HDF5 leads to a plot with units and names; every column has both."""
    for network, signal, unit in (({}, "current", "A"), ({"network": {"sha256": "0"}}, "codes", "")):
        path = tmp_path / f"{signal}.h5"
        recorder = TraceRecorder(path, provenance=network)
        recorder.start(make_header())
        for operation in (reading(), product()):
            recorder.record(operation)
        recorder.close()
        with h5py.File(path, "r") as file:
            entry = file[file.attrs["default"]]
            view = entry[entry.attrs["default"]]
            kinds = [item.attrs["NX_class"] for item in (file, entry, view)]
            assert kinds == ["NXroot", "NXentry", "NXdata"]
            data = view[view.attrs["signal"]]
            assert view.attrs["signal"] == signal
            assert data.attrs["units"] == unit
            assert len(data) > 0
            for axis in view.attrs.get("axes", ()):
                assert view[axis].shape == data.shape
            for column in [*entry["data"].values(), *entry["cells"].values(), entry["operations"]]:
                assert {"units", "long_name"} <= set(column.attrs)
            assert file["run/instrument/name"][()] == b"sim:fake"
            assert h5py.check_string_dtype(file["run/header"].dtype).encoding == "utf-8"


def test_times_have_their_offset(make_trace: Any) -> None:
    with h5py.File(make_trace(), "r") as file:
        for name in ("start_time", "end_time"):
            text = bytes(file[f"run/{name}"][()]).decode().strip()
            assert text[10] == "T"
            assert text[-6] in "+-"


def test_the_sample_is_shown_to_viewers(tmp_path: Path, make_header: Any) -> None:
    sample = {"wafer": "W3", "die": 7, "notes": {"deep": 1}}
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={"sample": sample})
    recorder.start(make_header())
    recorder.close("ok")
    with h5py.File(tmp_path / "t.h5", "r") as file:
        assert {name: item[()] for name, item in file["run/sample"].items()} == {"wafer": b"W3", "die": b"7"}
    with open_trace(tmp_path / "t.h5") as trace:
        assert trace.provenance["sample"] == sample


def test_wait_is_recorded(make_trace: Any) -> None:
    with open_trace(make_trace(Operation(Request(OperationKind.WAIT, seconds=86400.0), 1.0, 86401.0))) as trace:
        assert trace.request(0).seconds == 86400.0
        assert trace.row(0)["ended"] == 86401.0
        assert trace.row(0)["wall"] > 1.6e9
