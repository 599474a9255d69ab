"""A trace opens, meaningfully, in programs that know nothing of xbar: plain h5py, silx, xarray."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import silx.io
import silx.io.nxdata
import xarray

import xbar

SILX: Any = silx.io
NXDATA: Any = silx.io.nxdata
XARRAY: dict[str, Any] = {"engine": "h5netcdf", "phony_dims": "sort"}
CURRENTS = "Current [A] over Applied voltage [V]"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Return a trace of a written array: a sweep, reads and products."""
    path = tmp_path / "t.h5"
    with xbar.open_bench("sim", card="pcm", rows=4, cols=3, record=path) as bench:
        bench.program(0, np.full((4, 3), 1e-5))
        bench.sweep(0, (2, 1), np.linspace(-0.1, 0.1, 9))
        bench[0].read_all()
        bench.mvm((0,), np.full((1, 5, 4), 0.1), xbar.VectorConfig(output_range=2e-5))
    return path


def test_h5py_finds_columns_units_and_names(trace: Path) -> None:
    """Every column says what it is, and reads as the same numbers."""
    with h5py.File(trace) as file, xbar.open_trace(trace) as opened:
        reads = opened.reads()
        for name in ("time", "row", "col", "applied", "voltage", "current", "status", "range"):
            column = file[f"run/cells/{name}"]
            assert column.attrs["units"] == reads.units[name]
            assert column.attrs["long_name"]
            np.testing.assert_array_equal(column[:], reads[name])
        assert file["run/start_time"].asstr()[()] == opened.provenance["start_time"]


def test_silx_shows_a_plot_with_units(trace: Path) -> None:
    """The default of the file is a curve, current over voltage, whose title has the units."""
    with SILX.open(str(trace)) as file:
        plot = NXDATA.get_default(file)
        assert plot is not None
        assert plot.is_valid
        assert plot.is_curve
        assert plot.signal.shape == plot.axes[0].shape == (9 + 12,)
        assert plot.signal_name == "Current"
        assert plot.axes_names == ["Applied voltage"]
        assert plot.title == CURRENTS
        assert plot.signal.attrs["units"] == "A"


def test_silx_finds_every_view_valid(trace: Path) -> None:
    with SILX.open(str(trace)) as file:
        views = [item for item in file["run"].values() if item.attrs.get("NX_class") == "NXdata"]
        plots = [NXDATA.NXdata(view) for view in views]
        assert len(plots) == 4
        assert all(plot.is_valid for plot in plots)
        assert {plot.title for plot in plots} >= {CURRENTS, "Output code", "Target conductance [S]"}


def test_xarray_opens_the_groups(trace: Path) -> None:
    """Readings are a dataset of one dimension with units; the entry opens as well, texts and all."""
    with xarray.open_dataset(trace, group="run/cells", **XARRAY) as cells, xbar.open_trace(trace) as opened:
        assert len(cells.sizes) == 1
        assert cells["current"].attrs == {"units": "A", "long_name": "Current"}
        assert cells["time"].dtype == np.float64
        np.testing.assert_array_equal(cells["current"], opened.reads()["current"])
    with xarray.open_dataset(trace, group="run/data", **XARRAY) as data:
        assert data["codes"].size == 15
        assert data["targets"].attrs["units"] == "S"
    with xarray.open_dataset(trace, group="run/cell_currents", **XARRAY) as view:
        assert set(view) == {"current", "applied"}


def test_xarray_opens_the_entry(trace: Path) -> None:
    """The table of operations is a variable whose fields have names, units too."""
    with xarray.open_dataset(trace, group="run", **XARRAY) as run:
        assert run["operations"].values["kind"].tolist() == [1, 4, 3, 2, 255]
        assert json.loads(run["operations"].attrs["units"])["started"] == "s"
        assert run["status"].item().strip() == b"ok"
