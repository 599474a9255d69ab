"""Bit-serial inputs: planes and weights give the codes back, for every code of every way."""

import importlib

import numpy as np
import pytest

from xbar.periphery.bit_serial import BitSerial, plane, weights


@pytest.mark.parametrize("bits", [2, 5, 8, 12])
@pytest.mark.parametrize("way", ["sign-magnitude", "twos-complement"])
def test_planes_times_weights_are_the_codes(way: BitSerial, bits: int) -> None:
    top = (1 << (bits - 1)) - 1
    codes = np.arange(-top, top + 1, dtype=np.float32)
    planes = [plane(codes, way, number) for number in range(len(weights(way, bits)))]
    assert sum(w * p for w, p in zip(weights(way, bits), planes, strict=True)).tolist() == codes.tolist()
    assert all(p.dtype == codes.dtype for p in planes)
    allowed = {-1, 0, 1} if way == "sign-magnitude" else {0, 1}
    assert {int(v) for p in planes for v in p} == allowed


def test_ways_differ_in_planes_and_sign() -> None:
    assert weights("sign-magnitude", 4) == (1, 2, 4)
    assert weights("twos-complement", 4) == (1, 2, 4, -8)
    minus_one = np.array([-1.0], np.float32)
    assert [plane(minus_one, "sign-magnitude", n)[0] for n in range(3)] == [-1, 0, 0]
    assert [plane(minus_one, "twos-complement", n)[0] for n in range(4)] == [1, 1, 1, 1]


@pytest.mark.parametrize("way", ["sign-magnitude", "twos-complement"])
def test_planes_are_made_on_another_device(way: BitSerial) -> None:
    xp = importlib.import_module("array_api_strict")
    device = xp.Device("device1")
    codes = np.arange(-7, 8, dtype=np.float32)
    found = plane(xp.asarray(codes, device=device), way, 1)
    assert found.device == device
    np.testing.assert_array_equal(np.asarray(found.to_device(xp.Device("CPU_DEVICE"))), plane(codes, way, 1))
