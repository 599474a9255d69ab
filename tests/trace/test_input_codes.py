"""Level full keeps the codes of the input converters where there are any, and the voltages where there are none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbar.bench.operation import Header, OperationKind, Request
from xbar.bench.settings import VectorConfig
from xbar.periphery.converter import dac_codes
from xbar.trace.input_codes import InputConverters, coded_voltages, input_codes
from xbar.trace.projection import project
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder


@given(st.integers(2, 16), st.floats(1e-3, 2.0), st.integers(0, 2**32 - 1))
def test_codes_are_those_of_the_converter(bits: int, full: float, seed: int) -> None:
    """The oracle is the converter of the simulated bench; voltages beyond the range are clipped as it clips them."""
    largest = (1 << (bits - 1)) - 1
    volts = (np.random.default_rng(seed).uniform(-1.2, 1.2, (2, 3, 7)) * full).astype(np.float32)
    request = Request(OperationKind.MVM, (0, 1), voltages=volts, vector=VectorConfig(full))
    codes = input_codes(request, bits, np.dtype("<i2"))
    assert codes is not None
    expected = dac_codes(volts, 1 / (full / largest), largest)
    assert np.array_equal(codes.reshape(volts.shape), expected)
    back = coded_voltages(codes, volts.shape, full, bits, "<f4")
    inside = np.abs(volts) <= full
    assert np.abs(back - volts)[inside].max(initial=0) <= 0.5001 * full / largest
    assert back.dtype == np.float32


def header(make_header: Any, *bits: int | None) -> Header:
    """Return a head of several drivers with four arrays each."""
    one = make_header().drivers[0]
    return Header("", tuple(replace(one, capabilities=replace(one.capabilities, dac_bits=n)) for n in bits))


@pytest.mark.parametrize(("bits", "column"), [((8,), "<i1"), ((12,), "<i2"), ((8, None), "<i2"), ((8, 6), "<i1")])
def test_converters_of_a_bench(make_header: Any, bits: tuple[int | None, ...], column: str) -> None:
    """Arrays are numbered through all drivers; a product on arrays that differ has no codes."""
    found = InputConverters(header(make_header, *bits))
    assert found.code_type == column
    assert [found.bits([4 * n]) for n in range(len(bits))] == list(bits)
    assert found.bits([3, len(bits) * 4 - 1]) == (bits[0] if len(bits) == 1 else None)


def test_a_full_trace_has_a_byte_for_each_input(make_header: Any, product: Any, tmp_path: Any) -> None:
    operation = product(0)
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, level="full")
    recorder.start(header(make_header, 8))
    recorder.record(operation)
    recorder.close()
    volts = operation.request.voltages
    with open_trace(tmp_path / "t.h5") as trace:
        assert trace.sizes["data/input_codes"] == (volts.size, volts.size)
        assert trace.sizes["data/inputs_single"] == (0, 0)
        found = trace.request(0).voltages
        assert found is not None
        assert (found.dtype, found.shape) == (volts.dtype, volts.shape)
        assert np.abs(found - volts).max() <= 0.5001 * 0.2 / 127
        projections = trace.projections(0)
        assert projections is not None
        assert projections.tobytes() == project(volts).tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_has_no_code_is_kept_as_it_is(make_header: Any, product: Any, tmp_path: Any, bad: float) -> None:
    """A voltage that is not finite, or a converter of no range."""
    operations = [product(0), product(1)]
    operations[0].request.voltages[0, 1, 2] = bad
    config = replace(operations[1].request.vector, input_range=0.0)
    operations[1] = replace(operations[1], request=replace(operations[1].request, vector=config))
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, level="full")
    recorder.start(header(make_header, 8))
    for operation in operations:
        recorder.record(operation)
    recorder.close()
    with open_trace(tmp_path / "t.h5") as trace:
        assert trace.sizes["data/input_codes"] == (0, 0)
        for index, operation in enumerate(operations):
            found = trace.request(index).voltages
            assert found is not None
            assert found.tobytes() == operation.request.voltages.tobytes()
