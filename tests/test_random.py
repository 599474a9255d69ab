"""Random numbers by counter: known answers, no counter used twice, kernel and array form equal, distribution.

Statistical tests have fixed seeds; a limit of five standard errors, or p = 1e-6, is a false alarm once in a million.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from xbar.errors import InputError
from xbar.normals_kernel import fill_normals
from xbar.random import (
    SEED_MAX,
    Purpose,
    array_normals,
    check_counter,
    event,
    key,
    normals,
    philox,
    uniforms,
    words,
)

NOISE = Purpose.READ_NOISE
FULL = 0xFFFFFFFF


@pytest.fixture(params=["numpy", "read_only", "strict"])
def make(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Return how uint64 arrays are made: NumPy, not writeable, array-api-strict on its second device."""
    if request.param == "strict":
        xp = importlib.import_module("array_api_strict")
        return lambda values: xp.asarray(np.array(values, np.uint64), dtype=xp.uint64, device=xp.Device("device1"))

    def plain(values: Any) -> NDArray[np.uint64]:
        array = np.array(values, np.uint64)
        array.flags.writeable = request.param == "numpy"
        return array

    return plain


def back(array: Any) -> NDArray[Any]:
    """Return an array in NumPy; a strict one must still lie on its own device."""
    if isinstance(array, np.ndarray):
        return array
    xp = importlib.import_module("array_api_strict")
    assert array.device == xp.Device("device1")
    return np.asarray(array.to_device(xp.Device("CPU_DEVICE")))


@pytest.mark.parametrize(
    ("counter", "keys", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((FULL,) * 4, (FULL, FULL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(counter: Any, keys: Any, answer: Any, make: Callable[[Any], Any]) -> None:
    """Known-answer vectors of Random123 (kat_vectors, philox4x32 10)."""
    a, b, c, d = (make([word]) for word in counter)
    found = philox((a, b, c, d), keys)
    assert tuple(int(back(w)[0]) for w in found) == answer


def test_words_put_every_field_into_its_place() -> None:
    """The counter is (event low, event high, group low and draw, array and group high), the key (seed, purpose)."""
    events = np.array([0x1122334455667788], np.uint64)
    found = words(events, 0xBEEF, 4 * 0x345, (7, 9), draw=0xABCDEF)
    group = 0x344
    counter = (0x55667788, 0x11223344, (group & 0xFF) << 24 | 0xABCDEF, 0xBEEF << 16 | group >> 8)
    a, b, c, d = (np.array([word], np.uint64) for word in counter)
    one = philox((a, b, c, d), (7, 9))
    assert [int(w[0, group]) for w in found] == [int(w[0]) for w in one]


def test_key_holds_seed_and_purpose_apart() -> None:
    low, high = key(SEED_MAX, Purpose.DRIFT)
    assert (high << 32 | low) == SEED_MAX << 16 | Purpose.DRIFT
    assert key(np.int64(SEED_MAX), Purpose.DRIFT) == (low, high)  # type: ignore[arg-type]  # NumPy integers come in


@pytest.mark.parametrize("seed", [-1, SEED_MAX + 1])
def test_a_seed_that_does_not_fit_is_refused(seed: int) -> None:
    with pytest.raises(InputError, match="seed"):
        key(seed, NOISE)


@pytest.mark.parametrize(
    ("array", "count", "draw", "name"),
    [
        (2**16, 1, 0, "array"),
        (-1, 1, 0, "array"),
        (0, 2**26 + 1, 0, "group"),
        (0, 1, 2**24, "draw"),
        (0, 1, -1, "draw"),
    ],
)
def test_counter_overflow_is_refused(array: int, count: int, draw: int, name: str) -> None:
    with pytest.raises(InputError, match=name):
        check_counter(array, count, draw)


def test_the_largest_counter_fits() -> None:
    check_counter(2**16 - 1, 2**26, 2**24 - 1)
    check_counter(0, 0)


@pytest.mark.parametrize(
    ("sample", "node", "position", "name"),
    [
        (2**32, 0, 0, "sample"),
        (-1, 0, 0, "sample"),
        ([0, -5], 0, 0, "sample"),
        (0, 2**12, 0, "node"),
        (0, -1, 0, "node"),
        (0, 0, [2**20], "position"),
        (0.5, 0, 0, "sample"),
    ],
)
def test_event_overflow_is_refused(sample: Any, node: int, position: Any, name: str) -> None:
    with pytest.raises(InputError, match=name):
        event(sample, node, position)


FIELDS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**12 - 1), st.integers(0, 2**20 - 1))


@given(FIELDS, FIELDS)
def test_events_are_equal_only_where_all_fields_are(a: tuple[int, int, int], b: tuple[int, int, int]) -> None:
    assert (int(event(*a)) == int(event(*b))) == (a == b)
    number = int(event(*a))
    assert (number & FULL, number >> 52, number >> 32 & 0xFFFFF) == a


@settings(max_examples=50)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1), st.integers(1, 5000), st.integers(0, 2**24 - 1))
def test_distinct_draws_never_share_a_counter(number: int, array: int, count: int, draw: int) -> None:
    """Event, array, group and draw can all be read back from the counter, so no two draws have the same one."""
    seen: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        module = importlib.import_module("xbar.random")
        patch.setattr(module, "philox", lambda counter, keys: seen.extend(counter))
        module.words(np.array([number], np.uint64), array, count, (0, 0), draw)
    c0, c1, c2, c3 = (np.broadcast_to(c, (1, (count + 3) // 4))[0] for c in seen)
    assert max(int(c.max()) for c in (c0, c1, c2, c3)) <= FULL
    assert {(int(high) << 32) | int(low) for low, high in zip(c0, c1, strict=True)} == {number}
    assert set((c3 >> 16).tolist()) == {array}
    assert set((c2 & 0xFFFFFF).tolist()) == {draw}
    assert ((c3 & 0xFFFF) << 8 | c2 >> 24).tolist() == list(range((count + 3) // 4))


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=0, max_size=9),
    st.integers(0, 2**16 - 1),
    st.integers(1, 600),
    st.integers(0, SEED_MAX),
    st.integers(0, 2**24 - 1),
)
def test_kernel_equals_the_array_form(events: list[int], array: int, count: int, seed: int, draw: int) -> None:
    """Bit for bit, for few columns (events in the vector units) and many (columns there), and events over 2**32."""
    numbers = np.array(events, np.uint64)
    found = normals(numbers, array, count, seed, NOISE, draw)
    assert found.dtype == np.float32
    assert found.shape == (len(events), count)
    assert (
        found.tobytes() == np.ascontiguousarray(array_normals(numbers, array, count, key(seed, NOISE), draw)).tobytes()
    )


@pytest.mark.parametrize("count", [5, 131, 5000])
def test_kernel_equals_the_array_form_over_many_events(count: int) -> None:
    """Blocks of the kernel's work space, and what is left of the last one, hold the right numbers."""
    events = np.arange(2**32 - 150, 2**32 + 151, dtype=np.uint64)
    oracle = array_normals(events, 3, count, key(11, NOISE))
    assert normals(events, 3, count, 11, NOISE).tobytes() == np.ascontiguousarray(oracle).tobytes()


def test_all_namespaces_give_the_same_numbers(make: Callable[[Any], Any]) -> None:
    """Words, uniforms and normals: integers and float operations are the same everywhere, on the events' device."""
    numbers = [0, 1, 2**32 - 1, 2**32, 2**64 - 1]
    plain, there = np.array(numbers, np.uint64), make(numbers)
    for found, expected in zip(words(there, 9, 50, (1, 2)), words(plain, 9, 50, (1, 2)), strict=True):
        assert (back(found) == expected).all()
    assert (back(uniforms(there, 9, 50, 4, NOISE)) == uniforms(plain, 9, 50, 4, NOISE)).all()
    z = back(normals(there, 9, 50, 4, NOISE))
    assert z.tobytes() == normals(plain, 9, 50, 4, NOISE).tobytes()
    assert back(array_normals(there, 9, 50, key(4, NOISE))).astype(np.float32).tobytes() == z.tobytes()


def test_events_in_any_order_and_view_give_the_same_numbers() -> None:
    events = np.arange(40, dtype=np.uint64)
    z = normals(events, 0, 37, 5, NOISE)
    assert (normals(events[::-3], 0, 37, 5, NOISE) == z[::-3]).all()
    assert (normals(events, 0, 20, 5, NOISE) == z[:, :20]).all()


def test_read_only_events_compile_no_second_kernel() -> None:
    """Views that cannot be written to are copied: compiling takes a second."""
    normals(np.zeros(1, np.uint64), 0, 8, 0, NOISE)
    before = len(fill_normals.signatures)
    events = np.zeros(3, np.uint64)
    events.flags.writeable = False
    normals(events, 0, 8, 0, NOISE)
    assert len(fill_normals.signatures) == before


def test_every_field_makes_other_numbers() -> None:
    """Seed, purpose, array, draw and event each change all numbers, or nearly all."""
    one = np.zeros(1, np.uint64)
    base = normals(one, 0, 200, 0, NOISE)
    others = (
        normals(one, 0, 200, 1, NOISE),
        normals(one, 0, 200, 0, Purpose.DRIFT),
        normals(one, 1, 200, 0, NOISE),
        normals(one, 0, 200, 0, NOISE, 1),
        normals(one + np.uint64(1), 0, 200, 0, NOISE),
        normals(one + np.uint64(2**32), 0, 200, 0, NOISE),
    )
    assert all((other == base).mean() < 0.02 for other in others)


@pytest.fixture(scope="module")
def sample() -> NDArray[np.float64]:
    """Draw a million normals of 1000 events over 2**32 and 1000 columns."""
    events = np.arange(2**32 - 500, 2**32 + 500, dtype=np.uint64)
    return np.asarray(normals(events, 2, 1000, 20240, NOISE), np.float64)


def test_normals_have_the_moments_of_a_normal(sample: NDArray[np.float64]) -> None:
    """Mean, variance, third and fourth moment within five standard errors."""
    n = sample.size
    for power, expected, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
        assert abs((sample**power).mean() - expected) < 5 * (variance / n) ** 0.5, power


def test_normals_follow_the_normal_distribution(sample: NDArray[np.float64]) -> None:
    """Kolmogorov-Smirnov, and the counts beyond 3, 4 and 4.5 sigma on each side within five Poisson errors."""
    assert stats.kstest(sample.ravel(), "norm").pvalue > 1e-6
    for sigma in (3.0, 4.0, 4.5):
        expected = stats.norm.sf(sigma) * sample.size
        for side in (sample, -sample):
            assert abs(int((side > sigma).sum()) - expected) < 5 * expected**0.5 + 1
    assert np.abs(sample).max() < 6.77


def test_neighbours_are_independent(sample: NDArray[np.float64]) -> None:
    """Numbers and squares of neighbours (pairs of one Box-Muller, next events) are uncorrelated within five errors."""
    for a, b in ((sample[:, ::2], sample[:, 1::2]), (sample[:, :-1], sample[:, 1:]), (sample[:-1], sample[1:])):
        for u, v in ((a, b), (a**2, b**2)):
            assert abs(np.corrcoef(u.ravel(), v.ravel())[0, 1]) < 5 / a.size**0.5


def test_uniforms_fill_the_interval_evenly() -> None:
    u = uniforms(np.arange(300, dtype=np.uint64), 1, 1001, 6, Purpose.STUCK_CELLS)
    assert u.dtype == np.float64
    assert u.shape == (300, 1001)
    assert u.min() >= 0
    assert u.max() < 1
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-6
