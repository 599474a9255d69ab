"""Measured data, fitted by one command each: residuals no worse than what was found of them before."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from xbar.cli.calibrate import calibrate
from xbar.cli.compare import compare
from xbar.cli.errors import reports_errors
from xbar.devices.card_file import load_card

app = typer.Typer()
app.command("calibrate")(reports_errors(calibrate))
app.command("compare")(reports_errors(compare))


def run(*arguments: object, code: int = 0) -> str:
    """Return what a command printed."""
    found = CliRunner().invoke(app, [str(a) for a in arguments])
    assert found.exit_code == code, found.output
    return found.output


def report(text: str) -> dict[str, object]:
    """Return the JSON of a command."""
    found: dict[str, object] = json.loads(text[: text.rindex("}") + 1])
    return found


def test_read_noise_of_a_1t1r_array(data: Path, tmp_path: Path) -> None:
    """Deviations are white and normal with sigma 0.2016 uS, found from 10,014 samples; here are the first 2000."""
    card = tmp_path / "ode.toml"
    noise = data / "calibration" / "read_noise.txt"
    run("calibrate", noise, "--column", "deviation=1:uS", "--g-max", "50 uS", "-o", card, "--json")
    law = load_card(card).read_noise
    assert law is not None
    # Three standard errors of 1400 samples are 5.7 %.
    assert float(law.sigma(np.array([1e-5]))[0]) == pytest.approx(0.2016e-6, rel=0.057)


def test_ramps_of_crosssim(data: Path, tmp_path: Path) -> None:
    """Mean steps are +4.43 and -5.52 uS; what a table leaves of them is below 1.73 and 0.82 uS, their spread."""
    up, down = data / "devices" / "crosssim_set.csv", data / "devices" / "crosssim_reset.csv"
    card, figure = tmp_path / "ramps.toml", tmp_path / "ramps.png"
    columns = ("--column", f"up={up.name}#rmp*:A", "--column", f"down={down.name}#rmp*:A")
    text = run("calibrate", up, down, *columns, "--read-voltage", "0.1 V", "-o", card, "--figure", figure, "--json")
    laws = report(text)["laws"]
    assert isinstance(laws, list)
    found = {p["name"]: p for p in laws[0]["parameters"]}
    assert laws[0]["kind"] == "table"
    assert found["mean step up"]["low"] < 4.43e-6 < found["mean step up"]["high"]
    assert found["mean step down"]["low"] < -5.52e-6 < found["mean step down"]["high"]
    assert found["residual of a step up"]["value"] < 1.73e-6
    assert found["residual of a step down"]["value"] < 0.82e-6
    assert load_card(card).g_max == pytest.approx(2485e-6, rel=0.02)
    assert figure.stat().st_size > 10_000


def test_pulses_of_gong(data: Path, tmp_path: Path) -> None:
    """Soft bounds or steps like them leave 0.17 of the file's unit, with neighbours correlated by 0.55."""
    card = tmp_path / "gong.toml"
    columns = ("--column", "up=1:1", "--column", "down=2:1")
    source = data / "devices" / "gong_et_al.csv"
    text = run("calibrate", source, *columns, "--g-min", "1 uS", "--g-max", "100 uS", "-o", card, "--json")
    laws = report(text)["laws"]
    assert isinstance(laws, list)
    assert laws[0]["law"] == "pulse_response"
    words = laws[0]["notes"][0].split()
    assert float(words[1]) < 0.1749
    assert float(laws[0]["notes"][1].split()[-1]) == pytest.approx(0.55, abs=0.03)
    assert load_card(card).pulse_response is not None


def test_a_trace_by_the_command(measure: object, tmp_path: Path) -> None:
    """The card is written with the hash of the trace, an existing one is kept, and a comparison prints distances."""
    path = measure("generic", size=12, waits=3)  # type: ignore[operator]  # the fixture's function
    card = tmp_path / "lab.toml"
    text = run("calibrate", path, "-o", card)
    assert "programming_error" in text
    assert "no drift" in text
    run("calibrate", path, "-o", card, code=3)
    run("calibrate", path, "-o", card, "--force")
    assert (tmp_path / "lab.1.toml").exists()
    assert "error of a write" in run("compare", path, card)
    found = report(run("compare", path, "pcm", "--json"))
    assert {"distances", "worst", "names", "notes"} == set(found)


def test_what_a_command_refuses(data: Path, tmp_path: Path) -> None:
    """Wrong options end with a message, exit code 2 or 3, and no file."""
    noise, card = data / "calibration" / "read_noise.txt", tmp_path / "no.toml"
    assert "range of the card" in run("calibrate", noise, "--column", "deviation=1:uS", "-o", card, code=2)
    assert "does not exist" in run("calibrate", tmp_path / "none.csv", "-o", card, code=3)
    assert "needs to know its columns" in run("calibrate", noise, "-o", card, code=2)
    assert not card.exists()
