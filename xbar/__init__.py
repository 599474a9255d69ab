"""xbar: a hardware-in-the-loop emulator of analog crossbar arrays.

The names here are loaded when they are first used, so that `import xbar` stays light:

    import xbar
    network = xbar.load_network("model.onnx")
    mapped = xbar.map_network(network, xbar.load_card("pcm"))
    result = xbar.run_network(mapped, x, y, at=86400.0)
"""

from typing import TYPE_CHECKING, Any

from xbar.version import __version__

if TYPE_CHECKING:
    from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
    from xbar.devices.card_file import card_names, load_card
    from xbar.execution.error_budget import error_budget
    from xbar.execution.open_bench import open_bench
    from xbar.execution.results import RepeatResult, RunResult
    from xbar.execution.run_network import repeat_network, run_network
    from xbar.execution.run_settings import RunSettings
    from xbar.mapping.bare_weights import network_of
    from xbar.mapping.map_file import load_map, save_map
    from xbar.mapping.map_network import map_network
    from xbar.network.network import load_network
    from xbar.samples import sample
    from xbar.trace.reader import open_trace

_PLACES = {
    "Pulse": "xbar.bench.settings",
    "ReadConfig": "xbar.bench.settings",
    "RepeatResult": "xbar.execution.results",
    "RunResult": "xbar.execution.results",
    "RunSettings": "xbar.execution.run_settings",
    "VectorConfig": "xbar.bench.settings",
    "card_names": "xbar.devices.card_file",
    "error_budget": "xbar.execution.error_budget",
    "load_card": "xbar.devices.card_file",
    "load_map": "xbar.mapping.map_file",
    "load_network": "xbar.network.network",
    "map_network": "xbar.mapping.map_network",
    "network_of": "xbar.mapping.bare_weights",
    "open_bench": "xbar.execution.open_bench",
    "open_trace": "xbar.trace.reader",
    "repeat_network": "xbar.execution.run_network",
    "run_network": "xbar.execution.run_network",
    "sample": "xbar.samples",
    "save_map": "xbar.mapping.map_file",
}

__all__ = [
    "Pulse",
    "ReadConfig",
    "RepeatResult",
    "RunResult",
    "RunSettings",
    "VectorConfig",
    "__version__",
    "card_names",
    "error_budget",
    "load_card",
    "load_map",
    "load_network",
    "map_network",
    "network_of",
    "open_bench",
    "open_trace",
    "repeat_network",
    "run_network",
    "sample",
    "save_map",
]


def __getattr__(name: str) -> Any:
    """Return a public name, importing its module now."""
    if name in _PLACES:
        from importlib import import_module

        value = getattr(import_module(_PLACES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'xbar' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
