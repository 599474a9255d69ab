"""`xbar drivers`: the drivers that are installed, ours and those of other packages."""

from importlib.metadata import entry_points
from typing import Any

from xbar.cli.options import Json
from xbar.cli.output import print_json, print_table


def drivers(json: Json = False) -> None:
    """List the drivers that a bench can stand on: name, package, whether it loads, what it is."""
    rows = _rows()
    if json:
        print_json(rows)
        return
    columns = ["name", "package", "moves real charge", "what it is"]
    print_table("drivers", columns, [[row[name] for name in ("name", "package", "hardware", "about")] for row in rows])


def _rows() -> list[dict[str, Any]]:
    from xbar.bench.registry import GROUP, driver_class
    from xbar.errors import XbarError

    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        package = "" if point.dist is None else f"{point.dist.name} {point.dist.version}"
        try:
            kind = driver_class(point.name)
        except XbarError as error:
            found.append({"name": point.name, "package": package, "hardware": "", "about": str(error)})
            continue
        about = (kind.__doc__ or "").strip().split("\n")[0]
        hardware = "yes" if kind.hardware else "no"
        found.append({"name": point.name, "package": package, "hardware": hardware, "about": about})
    return found
