"""`xbar map`: a network, or a bare matrix, onto tiles."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.options import Force, Json, sample_or_file, size
from xbar.cli.output import note, print_json, print_table
from xbar.errors import InputError

if TYPE_CHECKING:
    from xbar.mapping.mapped_network import MappedNetwork
    from xbar.network.network import Network


def map_command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Map file to write (.h5).")],
    model: Annotated[str | None, typer.Argument(help="Network .onnx, or sample:NAME.", show_default=False)] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="A bare matrix instead: .npz with one array (inputs, outputs).")
    ] = None,
    card: Annotated[str, typer.Option("--card", help="Device card: a name (see xbar cards) or a file .toml.")] = "pcm",
    tile: Annotated[
        str | None, typer.Option("--tile", help="Word lines x bit lines of one array.", show_default="128x128")
    ] = None,
    bench: Annotated[
        Path | None,
        typer.Option(
            "--bench", metavar="LAB.toml", help="Cut each layer for the arrays that this bench file gives it."
        ),
    ] = None,
    encoding: Annotated[
        str,
        typer.Option(
            "--encoding",
            help="How a weight becomes conductances: differential (a pair), offset (one cell, reference lines), "
            "digital-offset; in bit slices: slices (of pairs), offset-slices, digital-offset-slices.",
        ),
    ] = "differential",
    slice_bits: Annotated[
        int | None,
        typer.Option(
            "--slice-bits", help="Bits of a slice; 2, or what the states of the card hold.", show_default=False
        ),
    ] = None,
    weight_bits: Annotated[
        int | None,
        typer.Option(
            "--weight-bits", help="Bits that the slices of a weight make up, sign included; 8.", show_default=False
        ),
    ] = None,
    calibrate: Annotated[
        str | None, typer.Option("--calibrate", help="Samples that set the converter ranges: .npz or sample:NAME.")
    ] = None,
    keep: Annotated[
        float,
        typer.Option("--keep", help="Quantile of a column's weights that takes the whole range; the rest is clipped."),
    ] = 1.0,
    compensate_wires: Annotated[
        str | None,
        typer.Option(
            "--compensate-wires",
            help="Make up for the losses of these wires: '1 ohm', '22nm-1t1r' (see xbar run --wires).",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where a node with weights stays digital.")] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Map a network's weights to conductances on tiles.

    Prints tiles and their use, conductance range, clipping, the rule of the converter ranges, and what stays digital.
    """
    from xbar.devices.card_file import load_card
    from xbar.execution.data_file import load_data
    from xbar.hdf5 import check_new_path
    from xbar.mapping.map_file import save_map
    from xbar.mapping.map_network import map_network

    check_new_path(output, force)
    if bench is not None and tile is not None:
        raise InputError("--bench and --tile both say how large a tile is; give one of them")
    device = load_card(card)
    network = _network(model, weights)
    shape = size(tile or "128x128") if bench is None else _tiles(network, bench)
    samples = None
    if calibrate is not None:
        samples = load_data(sample_or_file(calibrate, "calibration")).inputs
    mapped = map_network(
        network,
        device,
        tile=shape,
        encoding=encoding,
        slice_bits=slice_bits,
        weight_bits=weight_bits,
        calibration=samples,
        keep=keep,
        compensate_wires=compensate_wires,
    )
    if bench is not None:
        _check_uncut(mapped, bench)
    summary = mapped.to_dict() | {"out_of_reach": _out_of_reach(mapped)}
    left = [entry for entry in summary["digital"] if entry["weights"]]
    if strict and left:
        raise InputError(
            f"{len(left)} nodes with weights stay digital, first {left[0]['name']} ({left[0]['reason']}); "
            "leave --strict out to accept"
        )
    save_map(mapped, output, force=force)
    if json:
        print_json(summary)
    else:
        _print(mapped, summary)
    note(f"wrote {output}")


def _tiles(network: "Network", bench: Path) -> dict[str, tuple[int, int]]:
    from xbar.bench.bench_file import load_bench_file
    from xbar.execution.bench_sizes import array_sizes, tiles_of
    from xbar.mapping.map_network import layer_names

    file = load_bench_file(bench)
    return tiles_of(layer_names(network), file, array_sizes(file))


def _check_uncut(mapped: "MappedNetwork", bench: Path) -> None:
    from xbar.bench.bench_file import load_bench_file
    from xbar.execution.bench_sizes import check_uncut

    check_uncut(mapped, load_bench_file(bench).placement)


def _network(model: str | None, weights: Path | None) -> "Network":
    from xbar.execution.data_file import load_arrays
    from xbar.mapping.bare_weights import network_of
    from xbar.network.network import load_network

    if (model is None) == (weights is None):
        raise InputError("give either a network (MODEL.onnx) or --weights FILE.npz")
    if model is not None:
        return load_network(sample_or_file(model, "model"))
    assert weights is not None  # one of the two is given
    arrays = load_arrays(weights)
    if len(arrays) != 1:
        raise InputError(
            f"{weights} holds {len(arrays)} arrays ({', '.join(arrays) or 'none'}); save one matrix (inputs, outputs)"
        )
    name, matrix = next(iter(arrays.items()))
    return network_of(matrix, name)


def _out_of_reach(mapped: "MappedNetwork") -> float | None:
    """Return the share of cells whose device cannot be brought to its target, None where the card does not tell."""
    import numpy as np

    from xbar.devices.reach import out_of_reach

    targets = np.concatenate([matrix.targets.ravel() for matrix in mapped.matrices])
    shares = out_of_reach(mapped.card, targets)
    return None if shares is None or not shares.size else float(np.mean(shares))


def _print(mapped: "MappedNetwork", summary: dict[str, Any]) -> None:
    from xbar.units import show

    rows = []
    for entry in summary["layers"]:
        low, high = entry["output_range_A"]
        scale = "each vector" if entry["input_scale"] is None else f"{entry['input_scale']:.4g}"
        rows.append(
            [
                entry["name"],
                f"{entry['inputs']} x {entry['outputs']}",
                f"{entry['tiles']} of {entry['tile_size'][0]} x {entry['tile_size'][1]}",
                f"{entry['use']:.1%}",
                str(entry["clipped"]),
                scale,
                f"{show(low, 'A', 3)} to {show(high, 'A', 3)}",
            ]
        )
    print_table("", ["layer", "weights", "tiles", "use", "clipped", "input range", "output range"], rows)
    low, high = summary["conductance_range_S"]
    print(
        f"{summary['weights']} weights on {summary['arrays']} arrays of {mapped.tile[0]} x {mapped.tile[1]}, "
        f"{summary['use']:.1%} of the cells used"
    )
    print(
        f"card {summary['card']}: {show(low, 'S')} to {show(high, 'S')}, {mapped.encoding.describe()}, "
        "one scale for each column of a tile"
    )
    print(f"clipped: {summary['clipped']} of {summary['weights']} weights")
    if summary["out_of_reach"] is not None:
        print(f"out of reach of their device's own bounds: {summary['out_of_reach']:.1%} of the cells, by the card")
    if mapped.compensated_wires is not None:
        print(f"losses of the wires compensated: {mapped.compensated_wires}")
    print(f"converter ranges: {summary['converter_ranges']}")
    digital = summary["digital"]
    with_weights = [entry for entry in digital if entry["weights"]]
    ops: dict[str, int] = {}
    for entry in digital:
        ops[entry["op"]] = ops.get(entry["op"], 0) + 1
    said = ", ".join(f"{count} {op}" for op, count in sorted(ops.items()))
    without = ", no weights to map" if not with_weights else ""
    print(f"digital: {len(digital)} nodes ({said}{without})" if digital else "digital: nothing")
    for entry in with_weights:
        print(f"  {entry['op']} {entry['name']}: {entry['weights']} weights stay digital: {entry['reason']}")
