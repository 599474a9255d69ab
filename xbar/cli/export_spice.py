"""`xbar export-spice`: one tile as a netlist for ngspice, and the currents that it should find."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.options import Force, Json
from xbar.cli.output import note, print_json, print_table
from xbar.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SHOWN = 16
"""Bit lines whose currents are printed; --json gives all."""


def export_spice(
    output: Annotated[Path, typer.Option("--output", "-o", help="Netlist to write (.cir).")],
    mapped_file: Annotated[
        Path | None, typer.Argument(metavar="[MAPPED.h5]", help="Map file, from xbar map.", show_default=False)
    ] = None,
    conductances: Annotated[
        Path | None, typer.Option("--conductances", help="Instead of a map: .npz with one array (rows, cols) in S.")
    ] = None,
    array: Annotated[int, typer.Option("--array", min=0, help="Which array of the map.")] = 0,
    wires: Annotated[
        str, typer.Option("--wires", help="'1 ohm', 'word=1 ohm, bit=2 ohm, source=50 ohm', or '22nm-1t1r'.")
    ] = "1 ohm",
    voltage: Annotated[
        str | None,
        typer.Option("--voltage", help="Every driven word line at this voltage; the map's read voltage, or 0.2 V."),
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", help="Word-line voltages: .npz with one array (vectors, rows) in V.")
    ] = None,
    sample: Annotated[int, typer.Option("--sample", min=0, help="Which vector of --inputs.")] = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write one array with its wires as a SPICE netlist; print the bit-line currents, and those without wires.

    Word lines beyond the tile stand at 0 V, cells beyond it at the lower end of the range. Check it with
    `ngspice -b TILE.cir`: the current of source vo<j> is that of bit line j.
    """
    import numpy as np

    from xbar.circuit.netlist import netlist
    from xbar.circuit.operator import effective_operator
    from xbar.circuit.wire_text import parse_wires
    from xbar.hdf5 import atomic_file, check_new_path, new_path

    check_new_path(output, force)
    resistances = parse_wires(wires)
    name, g, rows, read_voltage = _cells(mapped_file, conductances, array)
    v = np.zeros(len(g))
    v[:rows] = _inputs(inputs, sample, voltage, read_voltage, rows)
    text = netlist(g, resistances, v, title=f"{name}, wires {wires}")
    operator = effective_operator(g, resistances)
    current, ideal = operator.currents(v[None])[0], v @ operator.g
    with atomic_file(new_path(output, force)) as partial:
        partial.write_text(text, encoding="ascii", errors="replace", newline="\n")
    if json:
        print_json({"title": name, "shape": list(g.shape), "current_A": current.tolist(), "ideal_A": ideal.tolist()})
    else:
        _print(current, ideal)
    note(f"wrote {output}; check it with ngspice -b {output}")


def _cells(mapped_file: Path | None, conductances: Path | None, array: int) -> tuple[str, "Floats", int, float]:
    """Return a name, conductances (rows, cols) [S], how many word lines are driven, and the read voltage [V]."""
    from xbar.execution.data_file import load_arrays
    from xbar.mapping.array_targets import array_targets
    from xbar.mapping.map_file import load_map

    if (mapped_file is None) == (conductances is None):
        raise InputError("give either a map (MAPPED.h5) or --conductances FILE.npz")
    if mapped_file is not None:
        mapped = load_map(mapped_file)
        tile = array_targets(mapped, array)
        name = f"layer {tile.layer}, array {array}, card {mapped.card.name}"
        return name, tile.conductances, tile.rows, mapped.card.read_voltage
    assert conductances is not None  # one of the two is given
    found = _only(load_arrays(conductances), conductances, "conductances (rows, cols) in siemens")
    if found.ndim != 2:
        raise InputError(f"{conductances} holds an array of shape {found.shape}; save (rows, cols) in siemens")
    return f"conductances of {conductances.name}", found, len(found), 0.2


def _inputs(inputs: Path | None, sample: int, voltage: str | None, read_voltage: float, rows: int) -> "Floats":
    """Return the voltages of the word lines `(rows,)`."""
    import numpy as np

    from xbar.execution.data_file import load_arrays
    from xbar.units import parse

    if inputs is None:
        return np.full(rows, read_voltage if voltage is None else parse(voltage, "V"))
    if voltage is not None:
        raise InputError("--voltage and --inputs exclude each other; give one of them")
    found = np.atleast_2d(_only(load_arrays(inputs), inputs, f"voltages (vectors, {rows})"))
    if found.ndim != 2 or found.shape[1] != rows:
        raise InputError(f"{inputs} holds voltages of shape {found.shape}; the tile takes (vectors, {rows})")
    if sample >= len(found):
        raise InputError(f"sample {sample} of {inputs} does not exist; it holds 0 to {len(found) - 1}")
    chosen: Floats = found[sample]
    return chosen


def _only(arrays: dict[str, Any], path: Path, what: str) -> "Floats":
    """Return the only array of a file as numbers."""
    import numpy as np

    if len(arrays) != 1:
        raise InputError(f"{path} holds {len(arrays)} arrays ({', '.join(arrays) or 'none'}); save one: {what}")
    found = next(iter(arrays.values()))
    if found.dtype.kind not in "fiu":
        raise InputError(f"{path} holds values of type {found.dtype}; save numbers: {what}")
    return np.asarray(found, np.float64)


def _print(current: "Floats", ideal: "Floats") -> None:
    rows = [
        [str(j), f"{current[j]:.9g}", f"{ideal[j]:.9g}", "" if not ideal[j] else f"{1 - current[j] / ideal[j]:.2%}"]
        for j in range(min(SHOWN, len(current)))
    ]
    print_table("", ["bit line", "current [A]", "without wires [A]", "lost"], rows)
    if len(current) > SHOWN:
        note(f"{len(current) - SHOWN} more bit lines; --json prints all")
