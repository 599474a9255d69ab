"""A run that was cut off goes on from its trace: same bits, one trace of all, no other run than the recorded."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.bench.bench import Bench
from xbar.bench.chip import open_chip
from xbar.bench.settings import Unselected
from xbar.errors import FormatError, InputError, ReplayError, Unsupported
from xbar.mapping.mapped_network import MappedNetwork

HOW: dict[str, Any] = {"seed": 6, "at": 3600.0, "compensate": "column", "batch": 10, "read_back": True}
SIM: dict[str, Any] = {"card": "generic_all", "rows": 6, "cols": 4, "seed": 3}


class Cut(Exception):
    """What ends a run in the middle."""


Work = Callable[[Bench], list[NDArray[Any]]]


def work(bench: Bench, operations: int = 99) -> list[NDArray[Any]]:
    """Do a bit of everything on the first array, `operations` of it; return every number that came back."""
    found: list[NDArray[Any]] = []
    cells = np.argwhere(np.ones((6, 4), bool))

    def read() -> None:
        found.append(bench[0].read(cells, xbar.ReadConfig(repeat=2)).current)

    steps: list[Callable[[], object]] = [
        lambda: bench[0].program(np.full((6, 4), 40e-6)),
        read,
        lambda: found.append(bench[0].sweep((1, 1), np.linspace(0, 0.2, 5)).current),
        lambda: found.append(bench[0].mvm(np.full((3, 6), 0.1)).codes),
        lambda: bench[0].pulse(cells[:3], xbar.Pulse(0.9, 1e-6, unselected=Unselected.HALF), 5),
        read,
        lambda: bench.wait(100.0),
        lambda: found.append(bench[0].mvm(np.full((2, 6), 0.1)).codes),
        read,
        lambda: found.append(np.array([bench.clock])),
    ]
    for step in steps[:operations]:
        step()
    return found


def same(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("done", [0, 2, 4, 5, 7, 9])
def test_every_kind_of_operation_is_taken_up_again(done: int, tmp_path: Path) -> None:
    """Cut after each operation: what was answered again and what is new is bit for bit the uninterrupted run."""
    old, new = tmp_path / "old.h5", tmp_path / "new.h5"
    with xbar.open_bench("sim", **SIM) as bench:
        wanted = work(bench)
    with xbar.open_bench("sim", record=old, **SIM) as bench:
        work(bench, done)
    with xbar.open_bench("sim", record=new, resume=old, **SIM) as bench:
        assert bench.resuming is (done > 0)
        assert same(work(bench), wanted)
        assert not bench.resuming
    with xbar.open_trace(old) as before, xbar.open_trace(new) as after:
        assert len(after) == 9
        assert np.array_equal(after.operations["wall"][: len(before)], before.operations["wall"])
        said = after.provenance["resumed"]
        assert said["operations"] == done
        assert (said["file"], said["uuid"]) == ("old.h5", before.uuid)
        assert said["sha256"] == hashlib.sha256(old.read_bytes()).hexdigest()
    with xbar.open_bench(f"replay:{new}") as bench:
        assert same(work(bench), wanted)


def test_several_drivers_are_resumed_together(tmp_path: Path) -> None:
    """Each driver is brought along by its own operations, and by every wait."""
    part = '[[drivers]]\nname = "{0}"\ndriver = "sim"\ncard = "generic_all"\n[drivers.geometry]\nrows = 6\ncols = 4\n'
    file = tmp_path / "lab.toml"
    file.write_text('schema = "xbar-bench/1"\n' + part.format("a") + part.format("b"), encoding="utf-8")

    def both(bench: Bench, operations: int = 99) -> list[NDArray[Any]]:
        found = [bench[1].read_all().current]
        found += work(bench, operations)
        if operations == 99:
            found += [bench[1].read_all().current, bench[1].mvm(np.full((3, 6), 0.1)).codes]
        return found

    with xbar.open_bench(file) as bench:
        wanted = both(bench)
    with xbar.open_bench(file, record=tmp_path / "old.h5") as bench:
        both(bench, 7)
    with xbar.open_bench(file, record=tmp_path / "new.h5", resume=tmp_path / "old.h5") as bench:
        assert same(both(bench), wanted)


def test_info_says_that_a_run_was_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from xbar.cli.trace_info import info

    with xbar.open_bench("sim", record=tmp_path / "old.h5", **SIM) as bench:
        work(bench, 3)
    with xbar.open_bench("sim", record=tmp_path / "new.h5", resume=tmp_path / "old.h5", **SIM) as bench:
        work(bench)
    info(tmp_path / "new.h5")
    assert "resumed: the first 3 operations are those of old.h5" in capsys.readouterr().out


def cut_run(mapped: MappedNetwork, digits: Any, trace: Path, samples: int = 50, **how: Any) -> None:
    """Run, and end in the middle as an exception does."""

    def progress(what: str, done: int, total: int) -> None:
        if done >= samples:
            raise Cut

    with pytest.raises(Cut):
        xbar.run_network(mapped, digits["x"], digits["y"], trace=trace, progress=progress, **{**HOW, **how})


@pytest.fixture(scope="module")
def cut(digits_map: MappedNetwork, digits: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the trace of a run that ended after 50 of 120 samples."""
    path = tmp_path_factory.mktemp("cut") / "old.h5"
    cut_run(digits_map, digits, path)
    return path


def operations(path: Path) -> int:
    with xbar.open_trace(path) as trace:
        return len(trace)


def test_a_run_has_the_bits_of_one_that_was_not_cut(
    digits_map: MappedNetwork, digits: Any, cut: Path, tmp_path: Path
) -> None:
    """Outputs, accuracy, layer errors, bench time; cut a second time as well; the new trace replays."""
    x, y = digits["x"], digits["y"]
    whole = xbar.run_network(digits_map, x, y, trace=tmp_path / "whole.h5", **HOW)
    cut_run(digits_map, digits, tmp_path / "second.h5", 90, resume=cut)
    new = tmp_path / "new.h5"
    again = xbar.run_network(digits_map, x, y, trace=new, resume=tmp_path / "second.h5", **HOW)
    for name, outputs in whole.outputs.items():
        assert np.array_equal(again.outputs[name], outputs)
    assert (again.accuracy, again.layers, again.bench_s) == (whole.accuracy, whole.layers, whole.bench_s)
    assert operations(cut) < operations(tmp_path / "second.h5") < operations(new) == operations(tmp_path / "whole.h5")
    with xbar.open_trace(new) as trace:
        assert trace.provenance["resumed"]["before"]["file"] == "old.h5"
        assert trace.status == "ok"
        assert trace.result is not None
    from xbar.execution.replay_trace import replay_trace

    assert all(row.reproduced for row in replay_trace(new).rows)


KILLED = """
import os, sys
import numpy as np
import xbar

data = np.load(sys.argv[2])

def progress(what, done, total):
    if done >= 60:
        os._exit(9)  # as kill -9: nothing is closed

xbar.run_network(
    xbar.load_map(sys.argv[1]), data["x"], data["y"], trace=sys.argv[3], progress=progress, threads=1, flush=0, batch=10
)
"""


def test_a_run_that_was_killed_goes_on(digits_map: MappedNetwork, digits: Any, tmp_path: Path) -> None:
    """Nothing was closed; every operation that was acknowledged is taken up."""
    xbar.save_map(digits_map, tmp_path / "m.h5")
    np.savez(tmp_path / "d.npz", **digits)
    arguments = [sys.executable, "-c", KILLED, tmp_path / "m.h5", tmp_path / "d.npz", tmp_path / "old.h5"]
    assert subprocess.run([str(word) for word in arguments], check=False).returncode == 9
    x, y = digits["x"], digits["y"]
    whole = xbar.run_network(digits_map, x, y, batch=10)
    again = xbar.run_network(digits_map, x, y, trace=tmp_path / "new.h5", resume=tmp_path / "old.h5", batch=10)
    name = digits_map.network.outputs[0]
    assert np.array_equal(whole.outputs[name], again.outputs[name])
    with xbar.open_trace(tmp_path / "new.h5") as trace:
        assert trace.provenance["resumed"]["operations"] > 40


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 7}, "run, seed was 6, it is 7 now"),
        ({"batch": 20}, "run, batch was 10, it is 20"),
        ({"at": None}, r"run, at was 3600.0, it is None"),
        ({"compensate": "none"}, "run, compensate was 'column'"),
        ({"without": ("read_noise",)}, "bench, effects, read_noise was 'applied', it is 'skipped'"),
        ({"card": "pcm_hermes_1"}, "bench, .*"),
        ({"wires": "1 ohm"}, "bench, effects, ir_drop was 'skipped'"),
    ],
)
def test_another_run_is_refused(
    change: dict[str, Any], message: str, digits_map: MappedNetwork, digits: Any, cut: Path, tmp_path: Path
) -> None:
    """The message names the difference; nothing is written."""
    how = {**HOW, **change}
    with pytest.raises((ReplayError, InputError), match=message):
        xbar.run_network(digits_map, digits["x"], digits["y"], trace=tmp_path / "n.h5", resume=cut, **how)
    assert not (tmp_path / "n.h5").exists()


def test_other_data_and_maps_are_refused(digits_map: MappedNetwork, digits: Any, cut: Path, tmp_path: Path) -> None:
    new: dict[str, Any] = {**HOW, "trace": tmp_path / "n.h5", "resume": cut}
    with pytest.raises(ReplayError, match="run, samples was 120, it is 50"):
        xbar.run_network(digits_map, digits["x"][:50], digits["y"][:50], **new)
    with pytest.raises(ReplayError, match="data, sha256 was"):
        xbar.run_network(digits_map, digits["x"][::-1].copy(), digits["y"], **new)
    other = xbar.map_network(digits_map.network, digits_map.card, tile=(24, 32), keep=0.9, calibration=digits["x"])
    with pytest.raises(ReplayError, match="map, sha256 was"):
        xbar.run_network(other, digits["x"], digits["y"], **new)


def test_another_operation_is_refused_with_its_step(tmp_path: Path) -> None:
    """What a script asks for is compared step by step; fewer steps than were recorded are another run as well."""
    with xbar.open_bench("sim", record=tmp_path / "old.h5", **SIM) as bench:
        work(bench)
    with xbar.open_bench("sim", record=tmp_path / "new.h5", resume=tmp_path / "old.h5", **SIM) as bench:
        work(bench, 2)
        with pytest.raises(ReplayError, match=r"operation 3 of 9: .*recorded was sweep on array 0, asked for is wait"):
            bench.wait(1.0)
        assert bench.resuming


def test_what_cannot_be_resumed(tmp_path: Path, digits_map: MappedNetwork, digits: Any, cut: Path) -> None:
    with pytest.raises(InputError, match="writes a new trace"):
        xbar.open_bench("sim", resume=cut, **SIM)
    with pytest.raises(InputError, match="name another: it stays as it is"):
        xbar.open_bench("sim", record=cut, resume=cut, force=True, **SIM)
    with pytest.raises(InputError, match="resume on the bench that recorded"):
        xbar.open_bench(f"replay:{cut}", record=tmp_path / "n.h5", resume=cut)
    with pytest.raises(InputError, match="without --repeat"):
        xbar.repeat_network(
            digits_map, digits["x"], digits["y"], 2, settings=xbar.RunSettings(resume=cut, trace=tmp_path / "n.h5")
        )
    bad = tmp_path / "bad.h5"
    shutil.copyfile(cut, bad)
    with h5py.File(bad, "r+") as file:
        file["run/data/codes"][7] ^= 1
    with pytest.raises(FormatError, match=r"bad\.h5 is damaged"):
        xbar.run_network(digits_map, digits["x"], digits["y"], trace=tmp_path / "n.h5", resume=bad, **HOW)
    assert not (tmp_path / "n.h5").exists()


def chip_run(folder: Path, name: str, done: int = 99, **more: Any) -> list[NDArray[Any]]:
    with xbar.open_bench("sim", record=folder / name, chip=folder / "chip.h5", **SIM, **more) as bench:
        return work(bench, done)


def test_a_kept_chip_is_resumed_where_it_stands(tmp_path: Path) -> None:
    """Its file from before (a killed run) gives the same bits; from behind (Ctrl-C) the chip goes on; else refused."""
    chip = tmp_path / "chip.h5"
    with xbar.open_bench("sim", chip=chip, **SIM) as bench:
        bench[0].program(np.full((6, 4), 20e-6))
    shutil.copyfile(chip, tmp_path / "before.h5")
    wanted = chip_run(tmp_path, "whole.h5")
    shutil.copyfile(tmp_path / "before.h5", chip)
    chip_run(tmp_path, "old.h5", 6)
    shutil.copyfile(chip, tmp_path / "behind.h5")
    shutil.copyfile(tmp_path / "before.h5", chip)
    assert same(chip_run(tmp_path, "killed.h5", resume=tmp_path / "old.h5"), wanted)
    assert open_chip(chip, lock=False).cells(0).pulses.sum() == 3 * 5

    shutil.copyfile(tmp_path / "behind.h5", chip)
    found = chip_run(tmp_path, "stopped.h5", resume=tmp_path / "old.h5")
    assert same(found[:4], wanted[:4])
    assert np.allclose(found[-2], wanted[-2], rtol=0.5)
    assert open_chip(chip, lock=False).cells(0).pulses.sum() == 3 * 5
    with pytest.raises(ReplayError, match="it was used since"):
        chip_run(tmp_path, "third.h5", resume=tmp_path / "old.h5")
    with xbar.open_bench("sim", record=tmp_path / "none.h5", **SIM) as bench:
        work(bench, 3)
    with pytest.raises(ReplayError, match="recorded without a chip file"):
        chip_run(tmp_path, "fourth.h5", resume=tmp_path / "none.h5")


def test_an_operation_that_failed_is_done_again(tmp_path: Path) -> None:
    """An error at the end of the trace is where the run was cut off; one in the middle belongs to it."""

    def failing(bench: Bench, again: bool) -> None:
        bench[0].program(np.full((6, 4), 20e-6))
        with pytest.raises(Unsupported):
            bench[0].pulse([(0, 0)], xbar.Pulse(0.5, 1e-6, current_limit=1e-4))
        if again:
            bench[0].read([(0, 0)])

    sim = {**SIM, "card": "pcm"}
    with xbar.open_bench("sim", record=tmp_path / "old.h5", **sim) as bench:
        failing(bench, again=False)
    recorded = operations(tmp_path / "old.h5")
    with xbar.open_bench("sim", record=tmp_path / "new.h5", resume=tmp_path / "old.h5", **sim) as bench:
        failing(bench, again=True)
    with xbar.open_trace(tmp_path / "new.h5") as trace:
        assert trace.provenance["resumed"]["done_again"] == 1
        assert len(trace) == recorded + 1
        assert [trace.error(k) is not None for k in range(3)] == [False, True, False]
    with xbar.open_bench("sim", record=tmp_path / "third.h5", resume=tmp_path / "new.h5", **sim) as bench:
        failing(bench, again=True)
    with xbar.open_trace(tmp_path / "third.h5") as trace:
        assert trace.provenance["resumed"]["done_again"] == 0
        assert len(trace) == recorded + 1
