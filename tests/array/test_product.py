"""The product of one array: one answer for any batch, threads and order; the float32 path; the law of the read noise.

Statistical tests have fixed seeds; five standard errors are a false alarm once in 1.7 million comparisons.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from xbar.array.exact_grid import SQUARES_LIMIT, grid_step, mean_bits, snap, snap_variance
from xbar.array.periphery import Periphery
from xbar.array.product import BLOCK, ArrayProduct
from xbar.errors import InputError
from xbar.periphery import converter_kernel as kernel
from xbar.periphery.converter import adc_codes, dac_codes, squares
from xbar.random import Purpose, array_normals, key

SEED, ARRAY = 7, 3
FULL_SCALE = 0.2
TILES = [(128, 128), (300, 70)]


def cells(rows: int, cols: int) -> NDArray[np.float64]:
    """Draw conductances [S]."""
    return np.random.default_rng(rows).uniform(0.1e-6, 25e-6, (rows, cols))


def inputs(batch: int, rows: int) -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
    """Draw voltages, some beyond the range, and events across 2**32."""
    rng = np.random.default_rng(batch)
    volts = (0.1 * rng.standard_normal((batch, rows))).astype(np.float32)
    return volts, np.arange(2**32 - 300, 2**32 - 300 + batch, dtype=np.uint64)


def make(rows: int, cols: int, noise: float | None = 0.02, **periphery: Any) -> ArrayProduct:
    g = cells(rows, cols)
    return ArrayProduct(g, None if noise is None else noise * g, ARRAY, Periphery(seed=SEED, **periphery))


def run(
    product: ArrayProduct, volts: NDArray[Any], events: NDArray[np.uint64], splits: Sequence[int] = ()
) -> NDArray[Any]:
    """Convert vectors in calls of `splits` vectors, over and over; all at once where there are none."""
    rows, cols = product.conductances.shape
    adc = product.periphery.adc
    ranges = np.full(cols, 0.14 * rows**0.5 * 25e-6)
    out = np.empty((len(volts), cols), np.float64 if adc is None else adc.code_type)
    step, steps = product.periphery.input_step(FULL_SCALE), product.periphery.output_step(ranges)
    first, turn = 0, 0
    while first < len(volts):
        last = first + (splits[turn % len(splits)] if splits else len(volts))
        product.convert(volts[first:last], step, steps, events[first:last], out[first:last])
        first, turn = last, turn + 1
    return out


@pytest.mark.parametrize(("rows", "cols"), TILES)
@pytest.mark.parametrize("noise", [None, 0.02])
def test_codes_equal_python_integers(rows: int, cols: int, noise: float | None) -> None:
    """DAC, whole-number sums, whole-number variances, normals and ADC, each in its plain form, give the same codes."""
    volts, events = inputs(40, rows)
    product = make(rows, cols, noise)
    largest = product.periphery.dac.code_max
    codes = dac_codes(volts, 1 / product.periphery.input_step(FULL_SCALE), largest)
    g = snap(cells(rows, cols), mean_bits(largest, rows))
    step = float(grid_step(cells(rows, cols).max(), mean_bits(largest, rows)))
    whole = codes.astype(int).astype(object) @ np.array([[int(v / step) for v in row] for row in g], dtype=object)
    sums = whole.astype(np.float64) * step
    gain = product.periphery.input_step(FULL_SCALE) / product.periphery.output_step(
        np.full(cols, 0.14 * rows**0.5 * 25e-6)
    )
    draws = None
    if noise is not None:
        variances, steps = snap_variance((noise * cells(rows, cols)) ** 2, SEED, ARRAY)
        q, factors = squares(codes, SQUARES_LIMIT, rows // 2)
        variance = (q.astype(np.int64) @ variances.astype(np.int64)).astype(np.float32)
        z = array_normals(events, ARRAY, cols, key(SEED, Purpose.READ_NOISE))
        draws = (np.sqrt(variance * factors[:, None]) * (np.sqrt(steps) * gain).astype(np.float32)) * z
    expected = adc_codes(sums, gain, product.periphery.dac.code_max, draws)
    found = run(product, volts, events)
    np.testing.assert_array_equal(found, expected)
    assert found.std() > 20  # the range is used: a code that is wrong by one step is seen
    assert (np.abs(found) == 127).mean() < 0.1


@pytest.mark.parametrize(("rows", "cols"), TILES)
@pytest.mark.parametrize("noise", [None, 0.02])
def test_codes_do_not_depend_on_the_batch_or_on_threads(rows: int, cols: int, noise: float | None) -> None:
    """Exact path: 1000 vectors in calls of 1, 7, 37, 100, 256, 1000 and mixed, one and two BLAS threads."""
    volts, events = inputs(1000, rows)
    product = make(rows, cols, noise)
    expected = run(product, volts, events)
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            for splits in ((1,), (7,), (37,), (100,), (256,), (1000,), (1, 2, 3, 64, 199)):
                np.testing.assert_array_equal(run(product, volts, events, splits), expected)
    order = np.random.default_rng(0).permutation(1000)
    np.testing.assert_array_equal(run(product, volts[order], events[order]), expected[order])


def test_two_threads_may_share_a_product() -> None:
    """Work space belongs to the thread: four threads on one product, and on products of other shapes, at once."""
    products = [make(128, 128), make(40, 24), make(128, 128, exact=False)]
    data = [inputs(300, p.conductances.shape[0]) for p in products]
    expected = [run(p, *d) for p, d in zip(products, data, strict=True)]
    gate = threading.Barrier(4)

    def work(number: int) -> bool:
        gate.wait()
        turns = range(number, number + 12)
        return all((run(products[i % 3], *data[i % 3]) == expected[i % 3]).all() for i in turns)

    with ThreadPoolExecutor(4) as pool, threadpool_limits(1, user_api="blas"):
        assert all(pool.map(work, range(4)))


def test_noise_follows_the_event_and_the_array() -> None:
    """Another event, array or seed is another noise; without noise none of them matters."""
    volts, events = inputs(50, 128)
    g = cells(128, 128)
    base = run(make(128, 128), volts, events)

    def other(seed: int, array: int, shift: int) -> NDArray[Any]:
        return run(ArrayProduct(g, 0.02 * g, array, Periphery(seed=seed)), volts, events + np.uint64(shift))

    for changed in (other(8, ARRAY, 0), other(SEED, 4, 0), other(SEED, ARRAY, 2**32)):
        assert 0.05 < (changed != base).mean() < 0.99
    quiet = make(128, 128, None)
    np.testing.assert_array_equal(run(quiet, volts, events), run(quiet, volts, events + np.uint64(5)))


def test_float32_differs_in_few_codes_by_one_step() -> None:
    """Without noise, against the exact path: at most 1e-4 of half a million codes."""
    volts, events = inputs(4000, 128)
    exact, fast = (run(make(128, 128, None, exact=e), volts, events) for e in (True, False))
    difference = np.abs(exact.astype(int) - fast)
    assert exact.std() > 20
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-4


def test_float32_with_noise_hardly_depends_on_the_batch() -> None:
    """Between one call and calls of 1 or 37 vectors: at most 1e-4 of the codes, by one step."""
    volts, events = inputs(2000, 128)
    product = make(128, 128, exact=False)
    base = run(product, volts, events).astype(int)
    for splits in ((1,), (37,)):
        difference = np.abs(run(product, volts, events, splits) - base)
        assert difference.max() <= 1
        assert (difference > 0).mean() <= 1e-4


def test_float32_noise_is_that_of_the_exact_path() -> None:
    """The same normals; variances are not rounded to 9 bits, which moves under 1e-2 of the codes."""
    volts, events = inputs(1000, 128)
    exact, fast = (run(make(128, 128, exact=e), volts, events) for e in (True, False))
    assert (exact != fast).mean() < 1e-2
    assert np.abs(exact.astype(int) - fast).max() <= 1


@pytest.mark.parametrize("exact", [True, False])
def test_noise_has_the_variance_of_its_law(exact: bool) -> None:
    """20 000 reads of one vector, in amperes: var = step^2 sum c^2 sigma^2 for each bit line.

    Five standard errors, plus 3 % for one column and 0.3 % on average for variances of 9 bits (exact path).
    """
    rng = np.random.default_rng(9)
    g = cells(64, 40)
    sigma = g * rng.uniform(0.005, 0.05, g.shape)
    product = ArrayProduct(g, sigma, 0, Periphery(adc_bits=None, exact=exact, seed=2))
    step = product.periphery.input_step(FULL_SCALE)
    codes = rng.integers(-127, 128, 64)
    n = 20_000
    volts = np.tile((codes * step).astype(np.float32), (n, 1))
    out = np.empty((n, 40))
    product.convert(volts, step, product.periphery.output_step(np.ones(40)), np.arange(n, dtype=np.uint64), out)
    law = step**2 * (codes.astype(float) ** 2 @ sigma**2)
    ratio = out.var(axis=0) / law
    error = (2 / n) ** 0.5
    grid = 1.0 if exact else 0.0
    assert np.abs(ratio - 1).max() < 5 * error + 0.03 * grid
    assert abs(ratio.mean() - 1) < 5 * error / 40**0.5 + 0.003 * grid
    mean_error = (law / n) ** 0.5
    assert (np.abs(out.mean(axis=0) - step * (codes @ g)) < 5 * mean_error + 1e-6 * np.abs(codes @ g) * step).all()
    assert np.abs(np.corrcoef(out.T) - np.eye(40)).max() < 5.5 / n**0.5


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("rows", "cols"), [(50, 128), (128, 33), (1, 1), (50, 33)])
def test_a_part_equals_the_whole_with_word_lines_at_0_volts(rows: int, cols: int, exact: bool) -> None:
    """In amperes, so that the noise is seen to its last bit; float32 sums may differ in theirs."""
    whole = make(128, 128, adc_bits=None, exact=exact)
    part = whole.part(rows, cols)
    rng = np.random.default_rng(rows)
    volts = np.zeros((4000, 128), np.float32)
    volts[:, :rows] = rng.uniform(-0.2, 0.2, (4000, rows)) * rng.uniform(0, 1, (4000, 1))
    events = np.arange(4000, dtype=np.uint64)
    found, expected = run(part, volts[:, :rows], events), run(whole, volts, events)[:, :cols]
    if exact:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert whole.part(rows, cols) is part
    assert whole.part(128, 128) is whole


def test_adc_off_gives_amperes() -> None:
    """Without converters' steps: volts times siemens, to the rounding of the 16-bit input steps."""
    volts, events = inputs(20, 128)
    volts = np.clip(volts, -FULL_SCALE, FULL_SCALE)
    product = make(128, 128, None, dac_bits=None, adc_bits=None)
    assert (product.periphery.output_step(np.full(3, 1e-3)) == 1).all()
    current = run(product, volts, events)
    assert current.dtype == np.float64
    expected = volts.astype(np.float64) @ cells(128, 128)
    half_steps = 0.5 * FULL_SCALE / 32767 * cells(128, 128).sum(axis=0)
    assert (np.abs(current - expected) <= half_steps).all()
    assert np.abs(current - expected).max() > 0  # 16-bit steps are there


def test_dac_off_has_the_steps_of_16_bits() -> None:
    assert Periphery(dac_bits=None).dac.code_max == 32767
    assert Periphery(dac_bits=None).input_step(0.2) == 0.2 / 32767
    assert Periphery(dac_bits=8).input_step(0.2) == 0.2 / 127
    assert Periphery(adc_bits=None).adc is None
    assert Periphery(adc_bits=6).output_step(np.array([3.1])).tolist() == [3.1 / 31]


def test_views_and_float64_volts_give_the_same_codes_and_compile_nothing() -> None:
    """Read-only, strided and double-precision inputs are brought into one form first."""
    volts, events = inputs(BLOCK + 44, 128)
    product = make(128, 128)
    expected = run(product, volts, events)
    before = (len(kernel.dac_with_squares.signatures), len(kernel.adc_with_noise.signatures))
    frozen = volts.copy()
    frozen.flags.writeable = False
    frozen_events = events.copy()
    frozen_events.flags.writeable = False
    wide = np.repeat(volts, 2, axis=1)[:, ::2]
    for view in (frozen, wide, np.asfortranarray(volts), volts.astype(np.float64)):
        np.testing.assert_array_equal(run(product, view, frozen_events), expected)
    assert before == (len(kernel.dac_with_squares.signatures), len(kernel.adc_with_noise.signatures))


def test_steps_may_change_from_product_to_product() -> None:
    """What a product keeps of the last steps is not used for others, also where they change in place."""
    volts, events = inputs(20, 128)
    product = make(128, 128)
    steps = np.full(128, 4e-6)

    def codes(which: ArrayProduct, input_step: float) -> NDArray[Any]:
        out = np.empty((20, 128), np.int8)
        which.convert(volts, input_step, steps, events, out)
        return out

    seen = []
    for scale, input_step in ((1.0, 0.2 / 127), (0.5, 0.2 / 127), (1.0, 0.4 / 127), (1.0, 0.2 / 127)):
        steps *= scale
        seen.append(codes(product, input_step))
        np.testing.assert_array_equal(seen[-1], codes(make(128, 128), input_step))
    assert (seen[0] != seen[1]).mean() > 0.5
    assert (seen[1] != seen[2]).mean() > 0.1


def test_an_empty_batch_gives_no_codes() -> None:
    volts, events = inputs(5, 128)
    assert run(make(128, 128), volts[:0], events[:0]).shape == (0, 128)


def test_an_array_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="array number"):
        ArrayProduct(cells(4, 4), None, 2**16, Periphery())
