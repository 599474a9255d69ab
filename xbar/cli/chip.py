"""`xbar chip`: what a chip file knows of its arrays."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.options import Json
from xbar.cli.output import print_json, print_table

if TYPE_CHECKING:
    from xbar.bench.chip import Chip

ChipFile = Annotated[Path, typer.Argument(metavar="STATE.h5", help="A chip file, made by --chip.")]


def info(file: ChipFile, json: Json = False) -> None:
    """Show the life of a chip: geometry, what was programmed, pulses, flagged cells, last reading, by array."""
    from xbar.bench.chip import open_chip

    chip = open_chip(file, new=False, lock=False)
    values = _values(chip)
    if json:
        print_json(values)
        return
    print(f"{file}: {chip.arrays} arrays of {chip.rows} x {chip.cols} cells of {chip.model}")
    if values["state"] is not None:
        said = values["state"]
        print(f"simulated: card {said['card']}, seed {said['seed']}, clock {said['clock_s']:.6g} s")
    print(f"programmed with map {values['map'][:12]}..." if values["map"] else "no map was programmed")
    rows = [
        [
            str(a["array"]),
            str(a["pulses"]),
            str(a["most"]),
            str(a["formed"]),
            str(a["given_up"]),
            str(a["stuck"]),
            a["read"],
        ]
        for a in values["life"]
    ]
    print_table("", ["array", "pulses", "most of a cell", "formed", "given up", "stuck", "last read"], rows)


def _values(chip: "Chip") -> dict[str, Any]:
    import numpy as np

    from xbar.bench.cell_life import CellFlag

    life = []
    for array, cells in sorted(chip.life.items()):
        last = float(np.nanmax(cells.last_read)) if np.isfinite(cells.last_read).any() else None
        life.append(
            {
                "array": array,
                "pulses": int(cells.pulses.sum()),
                "most": int(cells.pulses.max(initial=0)),
                **{flag.name.lower(): int((cells.flags & flag != 0).sum()) for flag in CellFlag if flag.name},
                "read": "never" if last is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(last)),
            }
        )
    said = None if chip.state is None else chip.state.values
    return {
        "file": str(chip.path),
        "uuid": chip.uuid,
        "arrays": chip.arrays,
        "rows": chip.rows,
        "cols": chip.cols,
        "model": chip.model,
        "map": chip.notes.get("map"),
        "state": None if said is None else {"card": said["card"], "seed": said["seed"], "clock_s": said["clock"]},
        "life": [{"given_up": entry.pop("gave_up"), **entry} for entry in life],
    }
