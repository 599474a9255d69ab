"""scripts/interop.py: what it runs, and on which Pythons."""

import sys

import pytest

import interop


def test_paths_replace_the_whole_folder_and_options_do_not() -> None:
    assert interop.command("python", [])[-1] == "tests/interop"
    assert interop.command("python", ["-q", "-x"])[-3:] == ["-q", "-x", "tests/interop"]
    assert interop.command("python", ["tests/interop/test_qcodes.py"])[-1] == "tests/interop/test_qcodes.py"


def test_other_pythons_are_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(interop, "PYTHONS", ())
    assert interop.main([]) == 1
    assert f"this is {sys.version_info[0]}.{sys.version_info[1]}" in capsys.readouterr().err
