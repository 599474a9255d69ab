"""A window on the screen that shows a figure while something runs."""

import os
import sys
from typing import Any

from matplotlib.figure import Figure

from xbar.errors import Unsupported


class FigureWindow:
    """Open a window for a figure; raises `Unsupported` where there is no display, or no toolkit that draws on it."""

    def __init__(self, title: str, width: float = 11, height: float = 6.5) -> None:
        remedy = "write the figure into a file instead: -o FIGURE.png"
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise Unsupported(f"there is no display to show a figure on; {remedy}")
        import matplotlib
        from matplotlib import pyplot

        if matplotlib.get_backend().lower() not in {name.lower() for name in _interactive()}:
            raise Unsupported(
                f"matplotlib draws with {matplotlib.get_backend()}, which shows no window; install a toolkit, for "
                f"example with pip install pyqt6, or {remedy}"
            )
        self._pyplot: Any = pyplot
        self.figure: Figure = pyplot.figure(title, figsize=(width, height), layout="constrained")
        self.figure.show()

    @property
    def is_open(self) -> bool:
        """Get whether the user has not closed it."""
        return bool(self._pyplot.fignum_exists(self.figure.number))

    def show(self, seconds: float) -> None:
        """Draw what the figure holds, and let the user work with the window for a while."""
        self.figure.canvas.draw_idle()
        self.figure.canvas.start_event_loop(seconds)

    def keep(self) -> None:
        """Return when the user closes it."""
        if self.is_open:
            self._pyplot.show()


def _interactive() -> list[str]:
    from matplotlib.backends import registry

    known: Any = registry.backend_registry
    return list(known.list_builtin(registry.BackendFilter.INTERACTIVE))
