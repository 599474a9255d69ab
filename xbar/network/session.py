"""ONNX Runtime sessions as xbar uses them: one thread, basic optimisation, quiet, no fall-back."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata, util
from typing import Any

from numpy.typing import NDArray

from xbar.errors import Unsupported

DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-training",
)
"""Distributions that all install the one package `onnxruntime`, over each other."""


def check_onnxruntime() -> str:
    """Return the installed ONNX Runtime distribution with its version, as `name version`.

    Raises:
        Unsupported: none is installed, or several are: they share one folder and the mixture breaks
            (microsoft/onnxruntime issue 26996). The message names the commands that repair it.
    """
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if len(found) > 1:
        both = " and ".join(f"{name} {version}" for name, version in found.items())
        raise Unsupported(
            f"{both} are installed together: they overwrite each other's files. "
            f"Uninstall all of them and install one: pip uninstall -y {' '.join(found)}; pip install onnxruntime"
        )
    if not found and util.find_spec("onnxruntime") is None:
        raise Unsupported("ONNX Runtime is not installed, and networks need it: pip install onnxruntime")
    return " ".join(f"{name} {version}" for name, version in found.items()) or "onnxruntime (version unknown)"


@cache
def _runtime() -> Any:
    """Import onnxruntime after `check_onnxruntime`."""
    check_onnxruntime()
    try:
        import onnxruntime
    except ImportError as error:
        raise Unsupported(
            f"ONNX Runtime is installed but cannot be loaded ({error}): pip install --force-reinstall onnxruntime"
        ) from error
    return onnxruntime


@cache
def known_operators() -> frozenset[tuple[str, str]]:
    """Return (domain, operator) of everything that the installed ONNX Runtime has a schema for."""
    _runtime()
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return frozenset((schema.domain, schema.name) for schema in state.get_all_operator_schema())


def open_session(model: bytes, what: str, *, optimise: bool = True) -> Any:
    """Open an inference session on a serialised model.

    Args:
        model: serialised ONNX model without external data.
        what: what the model is, for the error message.
        optimise: apply the basic optimisations. The extended ones break valid graphs and are never used.

    Raises:
        Unsupported: ONNX Runtime refuses the model.
    """
    runtime = _runtime()
    options = runtime.SessionOptions()
    level = runtime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_BASIC if optimise else level.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1  # sums in one order, and no pool of threads for every session
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # the exception says it; the log would say it again on the terminal
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # With the fall-back on, the Python wrapper prints "EP Error" to standard output.
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # its exceptions share no base class but Exception
        raise Unsupported(f"ONNX Runtime {runtime.__version__} refuses {what}: {_first_line(error)}") from error


def run_session(session: Any, outputs: Sequence[str], feeds: Mapping[str, Any], what: str) -> list[Any]:
    """Run a session and return the named outputs in order.

    Raises:
        Unsupported: an operator failed on these inputs; the message is ONNX Runtime's own.
    """
    try:
        results: list[NDArray[Any]] = session.run(list(outputs), dict(feeds))
    except Exception as error:  # see open_session
        raise Unsupported(f"ONNX Runtime failed in {what}: {_first_line(error)}") from error
    return results


def _first_line(error: Exception) -> str:
    """Return the first line of a message, shortened to what a terminal can show."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:400]
