"""Products on a device: array operations give the bits of the compiled kernels, and nothing leaves the device."""

from typing import Any

import array_api_strict
import numpy as np
import pytest

import xbar
from xbar.array.device import Device, DeviceProduct, gpu
from xbar.array.periphery import Periphery
from xbar.array.product import ArrayProduct
from xbar.errors import Unsupported


def strict() -> Device:
    """Return a device whose arrays refuse to mix with the host's: what breaks on a GPU breaks here."""
    other = array_api_strict.Device("device1")
    return Device(
        "strict",
        lambda a: array_api_strict.asarray(np.array(a), device=other),
        lambda a: np.asarray(array_api_strict.asarray(a, device=array_api_strict.Device("CPU_DEVICE"))),
    )


def numpy_device() -> Device:
    return Device("numpy", np.asarray, np.asarray)


@pytest.fixture(params=["numpy", "strict", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Device:
    return {"numpy": numpy_device, "strict": strict, "gpu": gpu}[request.param]()


def both(device: Device, periphery: Periphery, noisy: bool, kind: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    g = rng.uniform(0, 25e-6, (40, 21))
    product = ArrayProduct(g, 0.03 * g if noisy else None, 3, periphery).part(33, 18)
    volts = rng.uniform(-0.25, 0.25, (300, 33)).astype(np.float32)
    volts[7] = 0
    events = np.arange(300, dtype=np.uint64) + np.uint64(2**32 - 9)
    steps = np.full(18, 4e-5 / 127) if kind is np.int8 else np.ones(18)
    want, got = np.empty((300, 18), kind), np.empty((300, 18), kind)
    product.convert(volts, 0.2 / 127, steps, events, want)
    DeviceProduct(product, device).convert(volts, 0.2 / 127, steps, events, got)
    return want, got


@pytest.mark.parametrize("noisy", [False, True])
def test_codes_equal_those_of_the_kernels(device: Device, noisy: bool) -> None:
    want, got = both(device, Periphery(seed=9), noisy, np.int8)
    if device.name in ("numpy", "strict"):
        np.testing.assert_array_equal(got, want)
    else:
        # On a GPU normals may differ by 4 units in the last place: at most a code in ten thousand moves, by one step.
        assert np.count_nonzero(got != want) <= want.size * 1e-4 + 1
        assert np.abs(got.astype(int) - want).max() <= 1


@pytest.mark.parametrize("noisy", [False, True])
def test_currents_without_adc_equal_those_of_the_cpu(device: Device, noisy: bool) -> None:
    want, got = both(device, Periphery(adc_bits=None, seed=9), noisy, np.float64)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-12)


def test_float32_path_moves_few_codes(device: Device) -> None:
    want, got = both(device, Periphery(exact=False, seed=9), True, np.int8)
    assert np.abs(got.astype(int) - want).max() <= 1
    assert np.count_nonzero(got != want) <= 2


def test_a_missing_gpu_is_one_message_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(Unsupported, match="xbar-emulator\\[gpu\\]"):
        xbar.open_bench("sim", device="gpu")


@pytest.mark.gpu
def test_a_network_on_the_gpu_gives_the_accuracy_of_the_cpu() -> None:
    sample = xbar.sample("digits")
    data, calibration = np.load(sample.data), np.load(sample.calibration)
    mapped = xbar.map_network(xbar.load_network(sample.model), xbar.load_card("pcm"), calibration=calibration["x"])
    cpu = xbar.run_network(mapped, data["x"], data["y"])
    other = xbar.run_network(mapped, data["x"], data["y"], device="gpu")
    assert cpu.accuracy is not None
    assert other.accuracy is not None
    assert abs(cpu.accuracy.analog - other.accuracy.analog) <= 0.01
