"""Bring a network in: ONNX file -> analog nodes and digital segments, and run the segments.

The names below are loaded when they are first used, because onnx and onnxruntime are slow to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xbar.network.analog_node import AnalogNode, ideal
    from xbar.network.blocks import Block, TensorSpec, trim
    from xbar.network.coverage import NodeReport
    from xbar.network.matrix import Matrix
    from xbar.network.network import Network, load_network
    from xbar.network.segments import Analog
    from xbar.network.session import check_onnxruntime

_HOME = {
    "Analog": "segments",
    "AnalogNode": "analog_node",
    "Block": "blocks",
    "Matrix": "matrix",
    "Network": "network",
    "NodeReport": "coverage",
    "TensorSpec": "blocks",
    "check_onnxruntime": "session",
    "ideal": "analog_node",
    "load_network": "network",
    "trim": "blocks",
}

__all__ = [
    "Analog",
    "AnalogNode",
    "Block",
    "Matrix",
    "Network",
    "NodeReport",
    "TensorSpec",
    "check_onnxruntime",
    "ideal",
    "load_network",
    "trim",
]


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the lazily loaded names too."""
    return sorted({*globals(), *_HOME})
