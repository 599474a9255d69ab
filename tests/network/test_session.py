"""ONNX Runtime: one distribution, quiet, and its errors as ours."""

from importlib import metadata

import pytest

from xbar.errors import Unsupported
from xbar.network import check_onnxruntime, session


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Make only these distributions seem installed (underscores stand for hyphens)."""

    def version(name: str) -> str:
        if name.replace("-", "_") not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name.replace("-", "_")]

    monkeypatch.setattr("importlib.metadata.version", version)


def test_one_distribution_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one installed distribution is returned with its version."""
    installed(monkeypatch, onnxruntime_gpu="1.31.1")
    assert check_onnxruntime() == "onnxruntime-gpu 1.31.1"


def test_two_distributions_break_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both together are refused with the commands that repair it."""
    installed(monkeypatch, onnxruntime="1.32.0", onnxruntime_gpu="1.31.1")
    repair = r"pip uninstall -y onnxruntime onnxruntime-gpu; pip install onnxruntime"
    with pytest.raises(Unsupported, match=rf"onnxruntime 1\.32\.0 and onnxruntime-gpu 1\.31\.1 .*{repair}"):
        check_onnxruntime()


def test_no_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any, the message says what to install; a copy without metadata is accepted."""
    installed(monkeypatch)
    assert check_onnxruntime() == "onnxruntime (version unknown)"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unsupported, match=r"not installed.*pip install onnxruntime"):
        check_onnxruntime()


def test_errors_of_the_runtime_are_ours(capfd: pytest.CaptureFixture[str]) -> None:
    """A model that ONNX Runtime refuses is Unsupported, and nothing is printed."""
    with pytest.raises(Unsupported, match=r"ONNX Runtime .* refuses the model"):
        session.open_session(b"nonsense", "the model")
    assert capfd.readouterr() == ("", "")
