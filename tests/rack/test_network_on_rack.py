"""A network with its last layer on a rack of served instruments, against the same chip on the simulated bench."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from typer.testing import CliRunner, Result

import xbar
from xbar.bench.readings import VectorReadings
from xbar.cli import bench, replay
from xbar.cli import run as run_cli
from xbar.cli.errors import reports_errors
from xbar.execution.replay_trace import replay_trace
from xbar.execution.results import RunResult
from xbar.mapping.mapped_network import MappedNetwork
from xbar_drivers.emulated.server import BenchServer, open_server
from xbar_drivers.rack.bit_serial import input_codes, planes_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rack-file.md"
QUIET = ["read_noise", "flicker_noise", "drift"]
"""Effects that let two readings of a cell differ."""
RESOLUTION = 1e-10
"""Last digit of the served 2636B in its range of 100 uA [A], which holds the currents of this layer."""

BODY = """
schema = "xbar-bench/1"
[[drivers]]
name = "body"
driver = "sim"
card = "pcm"
seed = 0
[drivers.geometry]
arrays = {arrays}
rows = 128
cols = 128
"""

SIMULATED = """
[[drivers]]
name = "last"
driver = "sim"
card = "pcm"
seed = 1
chip = "last.h5"
options = {{ without = {without} }}
[drivers.geometry]
rows = 32
cols = 20
"""

RACK = """
[[drivers]]
name = "last"
driver = "rack"
address = "rack.toml"
[drivers.limits]
cell_voltage = "0.3 V"
current = "20 mA"
"""

PLACEMENT = """
[[placement]]
layers = ["/classifier/Gemm"]
driver = "last"
program = {program}
"""


@dataclass
class Laboratory:
    """A folder with the map, the chip that the last layer was written on, and bench files around it."""

    folder: Path
    mapped: MappedNetwork
    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def bench_file(self, name: str, last: str, program: bool) -> Path:
        """Write a bench file whose last layer is on `last`."""
        path = self.folder / name
        text = BODY.format(arrays=self.mapped.arrays - 1) + last + PLACEMENT.format(program=str(program).lower())
        path.write_text(text, encoding="utf-8")
        return path

    def served(self, without: list[str], noise: bool, chip: str = "last.h5") -> BenchServer:
        """Serve a chip behind the rack of the reference page; `rack.toml` reaches it."""
        found = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        assert found is not None
        text = re.sub(r'(name = "(\w+)"\nmodel = "\w+"\naddress = )"[^"]*"', r'\1"{\2}"', found[1])
        text = text.replace("[array]\n", f'[array]\ncard = "pcm"\nseed = 1\nwithout = {json.dumps(without)}\n')
        text = text.replace("node = 1\n", f"node = 1\nnoise = {str(noise).lower()}\n")
        text = text.replace('schema = "xbar-rack/1"\n', 'schema = "xbar-rack/1"\ntime_scale = "fast"\n')
        addresses = {"smu": "TCPIP::127.0.0.1::hislip0,0::INSTR", "switch": "TCPIP::127.0.0.1::hislip1,0::INSTR"}
        (self.folder / "served.toml").write_text(text.format(**addresses), encoding="utf-8")
        server = open_server(self.folder / "served.toml", {"chip": self.folder / chip})
        (self.folder / "rack.toml").write_text(text.format(**dict(server.addresses)), encoding="utf-8")
        return server

    def copy(self, name: str) -> str:
        """Copy the chip: the file of one that is in use belongs to who uses it."""
        shutil.copyfile(self.folder / "last.h5", self.folder / name)
        return name

    def currents(self, trace: str) -> NDArray[np.float64]:
        """Return what the array of the last layer gave `(vectors, cols)` [A]."""
        last = (self.mapped.arrays - 1,)
        with xbar.open_trace(self.folder / trace) as found:
            parts = [op.readings for op in found if op.request.kind.name == "MVM" and op.request.arrays == last]
        return np.concatenate([part.current[0] for part in parts if isinstance(part, VectorReadings)])


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """Map the shipped network and write its last layer, 32 x 20 cells, on a chip."""
    sample = xbar.sample("fashion-mnist")
    with np.load(sample.calibration) as calibration, np.load(sample.data) as data:
        some, x, y = calibration["x"][:20], data["x"][:6], data["y"][:6]
    mapped = xbar.map_network(xbar.load_network(sample.model), xbar.load_card("pcm"), calibration=some)
    folder = tmp_path_factory.mktemp("laboratory")
    xbar.save_map(mapped, folder / "m.h5")
    np.savez(folder / "d.npz", x=x, y=y)
    made = Laboratory(folder, mapped, x, y)
    first = made.bench_file("first.toml", SIMULATED.format(without="[]"), program=True)
    xbar.run_network(mapped, x[:1], bench=first, error_samples=0)
    return made


@pytest.fixture(scope="module")
def simulated(laboratory: Laboratory) -> RunResult:
    """Run on the chip where it is simulated, without anything that changes from reading to reading: to sim.h5."""
    without = json.dumps([*QUIET, "adc"])
    file = laboratory.bench_file("sim.toml", SIMULATED.format(without=without), program=False)
    return xbar.run_network(
        laboratory.mapped, laboratory.x, laboratory.y, bench=file, trace=laboratory.folder / "sim.h5"
    )


@pytest.fixture(scope="module")
def quiet(laboratory: Laboratory, simulated: RunResult) -> Iterator[Laboratory]:
    """Serve the same chip file in the same way, and write the bench file of the rack: lab.toml."""
    laboratory.bench_file("lab.toml", RACK, program=False)
    with laboratory.served(QUIET, noise=False):
        yield laboratory


Run = Callable[..., Result]


@pytest.fixture
def run(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what calls a command in the laboratory's folder."""
    monkeypatch.chdir(laboratory.folder)
    app = typer.Typer(rich_markup_mode=None)
    for name, command in (("check", bench.check), ("replay", replay.replay), ("run", run_cli.run)):
        app.command(name)(reports_errors(command))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_rack_gives_the_currents_of_the_simulated_bench(quiet: Laboratory, simulated: RunResult) -> None:
    """Without noise: every output current within the last digit, the layers before it bit for bit the same."""
    ran = xbar.run_network(
        quiet.mapped, quiet.x, quiet.y, bench=quiet.folder / "lab.toml", trace=quiet.folder / "lab.h5"
    )
    wanted, measured = quiet.currents("sim.h5"), quiet.currents("lab.h5")
    assert measured.shape == (6, 20)
    assert np.abs(measured).max() > 1e-5
    # Half a digit for each plane; the weights of the planes add up to 1.
    assert np.abs(measured - wanted).max() <= 0.51 * RESOLUTION
    assert ran.bench == "sim:pcm + emulated:2636B+3706A"
    assert ran.placed[-1]["written"] is False
    (output,) = quiet.mapped.network.outputs
    assert np.allclose(ran.outputs[output], simulated.outputs[output], rtol=1e-4, atol=1e-4)
    layers = zip(ran.layers, simulated.layers, strict=True)
    assert all(one == two for one, two in layers if one.name != "/classifier/Gemm")


def test_the_trace_of_the_rack_replays(quiet: Laboratory, run: Run) -> None:
    """`xbar replay` runs the network from the trace alone: every bit of the outputs is the recorded one."""
    xbar.run_network(
        quiet.mapped, quiet.x[:2], quiet.y[:2], bench=quiet.folder / "lab.toml", trace=quiet.folder / "again.h5"
    )
    report = replay_trace(quiet.folder / "again.h5")
    assert all(row.reproduced for row in report.rows)
    assert any(row.exact for row in report.rows)
    ended = run("replay", "again.h5")
    assert ended.exit_code == 0, ended.output
    assert "NO" not in ended.output.replace("NOT", "")


def test_check_tells_what_a_run_would_take(quiet: Laboratory, run: Run) -> None:
    """140 readings an image; nothing is sent with --dry-run, and the numbers are the same."""
    asked = ("check", "lab.toml", "--map", "m.h5", "--data", "d.npz", "--samples", 5, "--json")
    dry = run(*asked, "--dry-run")
    assert dry.exit_code == 0, dry.output
    done = run(*asked, "--trace", "check.h5")
    assert done.exit_code == 0, done.output
    for ended in (dry, done):
        values = json.loads(ended.stdout)["run"]
        last = values["layers"][-1]
        assert (last["tiles"], last["written"], last["vectors_per_sample"]) == ({"last": 1}, False, 1)
        assert (last["readings_per_vector"], last["readings"]) == (140, 700)
        assert values["layers"][0]["vectors_per_sample"] == 28 * 28
        assert values["readings"] == 700
        each = next(d for d in json.loads(ended.stdout)["drivers"] if d["name"] == "last")["read_s"]
        assert last["seconds"] == pytest.approx(700 * each)
    shown = run("check", "lab.toml", "--map", "m.h5", "--data", "d.npz", "--dry-run")
    assert "1 on last" in shown.output
    assert "stands there" in shown.output
    assert "at most 840 readings" in shown.output
    assert run("check", "lab.toml", "--map", "m.h5").exit_code == 2


def test_a_run_is_always_traced_and_can_be_resumed(quiet: Laboratory, run: Run) -> None:
    """Without --trace the file is named by the time; resumed, the command says how much was taken from it."""
    asked = ("run", "m.h5", "--data", "d.npz", "--samples", 2, "--bench", "lab.toml", "--error-samples", 0)
    first = run(*asked)
    assert first.exit_code == 0, first.output
    (trace,) = quiet.folder.glob("run-*T*.h5")
    assert "where the layers stand" in first.output
    again = run(*asked, "--resume", trace.name, "--trace", "resumed.h5")
    assert again.exit_code == 0, again.output
    assert re.search(r"(\d+) of \1 operations are those of run-", again.output)
    refused = run(*asked, "--batch", 1, "--resume", trace.name, "--trace", "refused.h5")
    assert refused.exit_code == 6
    assert "run, batch was 100, it is 1 now" in refused.output


def test_a_layer_that_is_too_large_for_the_rack_is_refused(laboratory: Laboratory, run: Run) -> None:
    """The message says what to do; nothing needs to answer for it."""
    file = laboratory.bench_file("large.toml", RACK, program=False)
    laboratory.copy("never-asked.h5")
    laboratory.served(QUIET, noise=False, chip="never-asked.h5").close()
    text = file.read_text(encoding="utf-8").replace("/classifier/Gemm", "/block3/project/Conv")
    file.write_text(text, encoding="utf-8")
    ended = run("check", "large.toml", "--map", "m.h5", "--data", "d.npz", "--dry-run")
    assert ended.exit_code == 2
    assert (
        "layer /block3/project/Conv has tiles of 16 x 64 cells; an array of driver 'last' has 32 x 20" in ended.output
    )


def test_with_read_noise_the_distributions_agree(laboratory: Laboratory) -> None:
    """The same planes, added up with the same weights: the rack's residuals are distributed as the simulated ones."""
    drifting = ["flicker_noise", "drift"]
    chips = [laboratory.copy(f"noisy-{side}.h5") for side in ("sim", "lab")]
    text = BODY.format(arrays=1) + SIMULATED.format(without=json.dumps([*drifting, "adc", "dac"]))
    text = text.replace("last.h5", chips[0])
    (laboratory.folder / "noisy-sim.toml").write_text(text, encoding="utf-8")
    codes = np.random.default_rng(5).integers(1, 128, (12, 32))
    volts = 0.2 * codes / 127
    planes = planes_of(input_codes(volts, 0.2, 8), 0.2, 8)
    driven = np.zeros((len(planes), 32))
    for row, plane in zip(driven, planes, strict=True):
        row[list(plane.rows)] = plane.volts
    config = xbar.VectorConfig(0.2, 800e-6)
    with xbar.open_bench(laboratory.folder / "noisy-sim.toml") as simulated:
        exact = simulated[1].read_all(xbar.ReadConfig(repeat=400)).conductance.mean(axis=1).reshape(32, 20)
        each = [simulated[1].mvm(driven, config).current[0] for _ in range(8)]
    added = np.zeros((8, 12, 20))
    for repeat, currents in enumerate(each):
        for plane, row in zip(planes, currents, strict=True):
            added[repeat, plane.vector] += plane.weight * row
    with (
        laboratory.served(drifting, noise=True, chip=chips[1]),
        xbar.open_bench(
            laboratory.bench_file("noisy-lab.toml", RACK, program=False), record=laboratory.folder / "noisy.h5"
        ) as rack,
    ):
        array = rack.parts["last"][0]
        measured = rack[array].mvm(volts, config).current[0]
    wanted = volts @ exact
    ours, theirs = (added - wanted).ravel(), (measured - wanted).ravel()
    assert theirs.std() > 20 * RESOLUTION
    assert theirs.std() == pytest.approx(ours.std(), rel=0.2)
    assert ks_2samp(ours, theirs).pvalue > 0.01
