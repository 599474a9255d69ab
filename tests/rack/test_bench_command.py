"""`xbar bench check`, `xbar bench list` and `xbar drivers`, against a served rack."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from xbar.cli import bench, drivers
from xbar.cli.errors import reports_errors
from xbar.trace.reader import open_trace


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(rich_markup_mode=None)
    for name, command in (("check", bench.check), ("list", bench.list_), ("drivers", drivers.drivers)):
        app.command(name)(reports_errors(command))

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


def test_check_reads_one_cell_and_writes_a_trace(linked: Any, run: Any, tmp_path: Path) -> None:
    ended = run("check", linked.bench_file(), "--json", "--trace", "check.h5", "--cell", "1,2")
    assert ended.exit_code == 0, ended.output
    values = json.loads(ended.stdout)
    assert values["identity"]["model"] == "emulated:2636B+3706A"
    entry = values["drivers"][0]
    assert entry["reading"]["voltage_V"] == 0.1
    assert entry["reading"]["conductance_S"] == pytest.approx(linked.conductances[1, 2], rel=1e-4)
    assert entry["worst_voltage_V"] == 0.5
    assert "three sources" in entry["refused"]["unselected_half"]
    # 5 columns, 7 bits, both signs
    assert entry["vector_s"] == pytest.approx(70 * entry["read_s"])
    with open_trace(tmp_path / "check.h5") as trace:
        assert [operation.request.kind.name for operation in trace] == ["READ"]


def test_check_names_its_trace_by_the_time(linked: Any, run: Any, tmp_path: Path) -> None:
    ended = run("check", linked.bench_file())
    assert ended.exit_code == 0, ended.output
    assert len(list(tmp_path.glob("bench-check-*T*.h5"))) == 1
    for text in ("answered: emulated:2636B+3706A", "smu.a drives word lines", "at most 35 readings", "worst voltage"):
        assert text in ended.output


def test_dry_run_sends_nothing(linked: Any, run: Any) -> None:
    before = linked.server.messages
    ended = run("check", linked.bench_file(), "--dry-run")
    assert ended.exit_code == 0, ended.output
    assert linked.server.messages == before
    assert "nothing was sent" in ended.output
    assert "20 readings" in ended.output


def test_check_of_a_simulated_bench(run: Any, tmp_path: Path) -> None:
    (tmp_path / "sim.toml").write_text('schema = "xbar-bench/1"\ndriver = "sim"\n', encoding="utf-8")
    ended = run("check", "sim.toml", "--json")
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["drivers"][0]["reading"]["cell"] == [0, 0]
    assert list(tmp_path.glob("*.h5")) == []


def test_check_without_limits(linked: Any, run: Any) -> None:
    file = linked.path.with_name("no-limits.toml")
    file.write_text(linked.bench_file().read_text(encoding="utf-8").split("[limits]")[0], encoding="utf-8")
    for more in ((), ("--dry-run",)):
        ended = run("check", file, *more)
        assert ended.exit_code in (2, 5)
        assert "limits" in ended.output


@pytest.mark.parametrize(("option", "value"), [("--cell", "one"), ("--cell", "9,9"), ("--voltage", "0.1")])
def test_mistakes(linked: Any, run: Any, option: str, value: str) -> None:
    assert run("check", linked.bench_file(), option, value).exit_code == 2


def test_voltage_above_the_limit_is_refused(linked: Any, run: Any) -> None:
    assert run("check", linked.bench_file(), "--voltage", "0.6 V").exit_code == 5


def test_list_shows_who_answers(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from xbar_drivers.rack import rack_driver

    monkeypatch.setattr(rack_driver, "list_resources", lambda: ["TCPIP::10.0.0.1::hislip0::INSTR"])
    monkeypatch.setattr(rack_driver, "who", lambda address: "MAKER,MODEL 2450,1,2")
    ended = run("list", "--json")
    assert json.loads(ended.stdout) == [
        {"driver": "rack", "address": "TCPIP::10.0.0.1::hislip0::INSTR", "answer": "MAKER,MODEL 2450,1,2"}
    ]
    assert "MODEL 2450" in run("list").output
    monkeypatch.setattr(rack_driver, "list_resources", list)
    assert "nothing found" in run("list").output


def test_drivers_are_listed_with_their_packages(run: Any) -> None:
    found = {row["name"]: row for row in json.loads(run("drivers", "--json").stdout)}
    assert found["rack"]["hardware"] == "yes"
    assert found["sim"]["hardware"] == "no"
    assert found["rack"]["package"].startswith("xbar-emulator")
    assert "rack" in run("drivers").output
