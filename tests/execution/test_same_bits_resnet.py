"""The shipped convolution network gives the same bits however the work is cut, traced or replayed."""

from pathlib import Path

import numpy as np

import xbar
from xbar.execution.data_file import load_data


def test_the_resnet_gives_the_same_bits(tmp_path: Path) -> None:
    """30 images at once on one thread; in batches of 7 on two threads, tile by tile, traced; and replayed from that."""
    sample = xbar.sample("fashion-mnist")
    data = load_data(sample.data).first(30)
    calibration = load_data(sample.calibration).first(16).inputs
    mapped = xbar.map_network(xbar.load_network(sample.model), xbar.load_card("pcm"), calibration=calibration)
    trace = tmp_path / "t.h5"
    usual = xbar.run_network(mapped, data.inputs, data.labels, seed=2, threads=1, error_samples=10)
    cut = xbar.run_network(
        mapped, data.inputs, data.labels, seed=2, threads=2, batch=7, tiles_per_call=1, trace=trace, error_samples=10
    )
    again = xbar.run_network(
        mapped, data.inputs, data.labels, bench=f"replay:{trace}", tiles_per_call=1, error_samples=10
    )
    for other in (cut, again):
        for name, outputs in usual.outputs.items():
            np.testing.assert_array_equal(other.outputs[name], outputs)
        assert other.accuracy == usual.accuracy
        assert other.layers == usual.layers
    assert usual.accuracy is not None
    assert usual.accuracy.digital > 0.7
