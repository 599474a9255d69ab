"""What is recorded is what is read, bit for bit."""

import tempfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xbar import errors
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.limits import Limits
from xbar.bench.operation import DriverHeader, Header, Operation, OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig
from xbar.trace.projection import project
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SIZE = st.integers(1, 4)
FAILURES = (errors.LimitError("too high"), errors.DriverError("no answer µ"), errors.Unsupported("not here"))


def numbers(shape: tuple[int, ...], dtype: str = "<f8") -> st.SearchStrategy[Any]:
    return hnp.arrays(np.dtype(dtype), shape)


@st.composite
def cell_operations(draw: st.DrawFn) -> Operation:
    kind = draw(st.sampled_from([OperationKind.READ, OperationKind.SWEEP, OperationKind.PULSE]))
    n, repeat = draw(st.integers(0, 4)), draw(SIZE)
    places = draw(
        hnp.arrays(np.int64, (1 if kind is OperationKind.SWEEP else n, 2), elements=st.integers(0, 2**31 - 1))
    )
    mode = draw(st.sampled_from(list(Unselected)))
    read = ReadConfig(draw(FINITE), repeat, draw(FINITE), draw(st.none() | FINITE), draw(st.none() | FINITE), mode)
    error = draw(st.none() | st.sampled_from(FAILURES))
    if kind is OperationKind.PULSE:
        pulse = Pulse(draw(FINITE), draw(FINITE), gate=draw(st.none() | FINITE), unselected=mode)
        request = Request(kind, (draw(SIZE),), cells=places, pulse=pulse, count=draw(SIZE))
        return Operation(request, draw(FINITE), draw(FINITE), None, error)
    sweep = draw(numbers((n,))) if kind is OperationKind.SWEEP else None
    request = Request(kind, (draw(SIZE),), voltages=sweep, cells=places, read=read)
    columns = [draw(numbers((n, repeat), "<u4" if f.name == "status" else "<f8")) for f in fields(CellReadings)]
    return Operation(request, draw(FINITE), draw(FINITE), None if error else CellReadings(*columns), error)


@st.composite
def products(draw: st.DrawFn) -> Operation:
    k, batch, rows, cols = draw(SIZE), draw(st.integers(0, 4)), draw(SIZE), draw(SIZE)
    dtype = draw(st.sampled_from(["<f4", "<f8"]))
    volts = draw(hnp.arrays(dtype, (k, batch, rows), elements=st.floats(-1, 1, width=32)))
    events = draw(st.none() | numbers((batch,), "<u8"))
    shape_in, shape_out = draw(st.sampled_from([(), (k,)])), draw(st.sampled_from([(), (k,), (k, cols)]))
    ranges = [draw(FINITE) if shape == () else draw(numbers(shape)) for shape in (shape_in, shape_out)]
    config = VectorConfig(ranges[0], ranges[1], draw(st.none() | st.just(cols)))
    request = Request(OperationKind.MVM, tuple(range(k)), voltages=volts, events=events, vector=config)
    error = draw(st.none() | st.sampled_from(FAILURES))
    codes = draw(numbers((k, batch, cols), draw(st.sampled_from(["|i1", "<i2", "<i4", "|u1", "<u2", "<f8"]))))
    status = draw(numbers(draw(st.sampled_from([(), (cols,), (1, 1, 1), (k, 1, cols), (k, batch, cols)])), "<u4"))
    readings = VectorReadings(codes, draw(numbers((k, cols))), draw(numbers((k, cols))), status)
    return Operation(request, draw(FINITE), draw(FINITE), None if error else readings, error)


@st.composite
def other_operations(draw: st.DrawFn) -> Operation:
    error = draw(st.none() | st.sampled_from(FAILURES))
    if draw(st.booleans()):
        request = Request(OperationKind.WAIT, seconds=draw(FINITE))
    else:
        targets = draw(numbers((draw(SIZE), draw(SIZE))))
        request = Request(OperationKind.PROGRAM, (draw(SIZE),), targets=targets)
    return Operation(request, draw(FINITE), draw(FINITE), None, error)


OPERATIONS = cell_operations() | products() | other_operations()


def assert_same(given: Any, expected: Any) -> None:
    """Compare types, shapes and bits, all the way down."""
    if isinstance(expected, np.ndarray):
        assert given.dtype == expected.dtype
        assert given.shape == expected.shape
        assert given.tobytes() == expected.tobytes()
    elif isinstance(expected, Exception):
        assert type(given) is type(expected)
        assert str(given) == str(expected)
    elif is_dataclass(expected):
        assert type(given) is type(expected)
        for field in fields(expected):
            assert_same(getattr(given, field.name), getattr(expected, field.name))
    elif isinstance(expected, float):
        assert np.float64(given).tobytes() == np.float64(expected).tobytes()
    else:
        assert given == expected


@given(st.lists(OPERATIONS, max_size=6), st.sampled_from([None, 8, 12, 20]), st.sampled_from(["outputs", "full"]))
@settings(max_examples=60, deadline=None)
def test_operations_come_back_bit_for_bit(operations: list[Operation], adc_bits: int | None, level: Any) -> None:
    """Any operation comes back as it was; at level outputs the voltages of a product are their projections."""
    capabilities = Capabilities(4, 4, 4, 1.0, 1.0, adc_bits=adc_bits)
    with tempfile.TemporaryDirectory() as folder:
        recorder = TraceRecorder(Path(folder) / "t.h5", provenance={}, level=level, flush_every=0)
        recorder.start(Header("", (DriverHeader("", Identity("", ""), capabilities, {}, Limits(1.0, 1.0)),)))
        for operation in operations:
            recorder.record(operation)
        recorder.close("ok")
        with open_trace(Path(folder) / "t.h5") as trace:
            assert len(trace) == len(operations)
            assert trace.complete
            for index, (operation, found) in enumerate(zip(operations, trace, strict=True)):
                asked = operation.request
                if asked.kind is OperationKind.MVM and level == "outputs" and asked.voltages is not None:
                    projections = trace.projections(index)
                    assert_same(projections, project(asked.voltages))
                    object.__setattr__(asked, "voltages", None)
                assert_same(found, operation)


def test_header_and_provenance_come_back(make_trace: Any, make_header: Any) -> None:
    header = make_header(hardware=True)
    with open_trace(make_trace(header=header)) as trace:
        assert trace.header == header
        assert trace.provenance["run"] == {"seed": 3}
        assert trace.provenance["versions"]["numpy"] == np.__version__
        assert len(trace.uuid) == 36
        assert trace.level == "outputs"


@pytest.mark.parametrize("error", [ValueError("bad"), TimeoutError("late"), type("LimitError", (Exception,), {})("no")])
def test_a_foreign_error_comes_back_as_a_driver_error(make_trace: Any, error: Exception) -> None:
    """The class of an error that is not ours is named, never imported."""
    request = Request(OperationKind.WAIT, seconds=1.0)
    with open_trace(make_trace(Operation(request, 0.0, 0.0, error=error))) as trace:
        found = trace[0].error
        assert type(found) is errors.DriverError
        assert str(found) == f"{type(error).__name__}: {error}"


def test_codes_that_do_not_fit_the_converter_are_kept_exactly(make_trace: Any, product: Any, make_header: Any) -> None:
    """A driver that answers above its own bits loses nothing: the codes go to the table of floats."""
    operation = product()
    codes = operation.readings.codes.astype(np.int32)
    codes[0, 0, 0] = 70000
    object.__setattr__(operation.readings, "codes", codes)
    with open_trace(make_trace(operation, header=make_header(adc_bits=8))) as trace:
        assert_same(trace.readings(0), operation.readings)


def test_codes_that_no_table_holds_exactly_stop_the_trace(tmp_path: Path, product: Any, make_header: Any) -> None:
    operation = product()
    object.__setattr__(operation.readings, "codes", np.full((2, 5, 8), 2**62 + 1))
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={})
    recorder.start(make_header())
    with pytest.raises(errors.TraceWriteError, match="do not fit"):
        recorder.record(operation)


def test_equal_ranges_are_stored_once(make_trace: Any, product: Any) -> None:
    """A thousand batches of one layer do not store a thousand copies of its converter ranges."""
    with open_trace(make_trace(*(product(i) for i in range(50)))) as trace:
        starts = trace.operations["ranges_start"]
        assert len(trace) == 50
        assert (starts == 0).all()
        assert len(np.unique(trace.operations["events_start"])) == 50
        assert len(np.unique(trace.operations["request_start"])) == 1


def test_read_only_arrays_of_whole_chunks_are_recorded(make_trace: Any, make_header: Any) -> None:
    """A driver may hand over arrays that cannot be written to, of exactly the size of a chunk."""
    codes = np.arange(2 * 2**13, dtype=np.uint32).astype(np.int8).reshape(1, 64, 256)
    codes.flags.writeable = False
    request = Request(OperationKind.MVM, (0,), voltages=np.zeros((1, 64, 4)), vector=VectorConfig())
    readings = VectorReadings(codes, np.ones((1, 256)), np.zeros((1, 256)), np.zeros((), np.uint32))
    path = make_trace(Operation(request, 0.0, 1.0, readings), header=make_header(hardware=True))
    with open_trace(path) as trace:
        assert_same(trace.readings(0), readings)
