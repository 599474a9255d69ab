"""The map file: a mapped network in HDF5, whole in itself: network, card, conductances, scales, converter ranges.

Maps of plain differential pairs are of schema xbar-map/1, as ever; those of other encodings, which a version that knows
only pairs would misread, of xbar-map/2.
"""

import hashlib
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.devices.card import DeviceCard
from xbar.devices.card_file import parse_card
from xbar.errors import FormatError
from xbar.hdf5 import (
    atomic_file,
    check_new_path,
    describe,
    new_path,
    open_file,
    read_array,
    read_attribute,
    read_text,
    write_text,
)
from xbar.mapping.encoding import Encoding
from xbar.mapping.encodings import encoding_of
from xbar.mapping.mapped_network import Layer, MappedMatrix, MappedNetwork
from xbar.mapping.tiling import TileGrid
from xbar.network.network import Network

SCHEMA, SCHEMA_OF_OTHERS = "xbar-map/1", "xbar-map/2"
"""Schemas of maps of plain differential pairs, and of all other encodings."""
MODEL_MAX = 2**31
"""Largest network that is read [bytes]."""
SMALLEST = 1e-37
"""Smallest input scale that float32 divides by; its inverse is the largest."""


def save_map(mapped: MappedNetwork, path: str | Path, *, force: bool = False) -> None:
    """Write a map file, whole or not at all.

    Raises `FileError` where it exists and `force` is not given (with it the old one is renamed), or cannot be written.
    """
    target = check_new_path(path, force)
    content = _content(mapped)
    with atomic_file(target) as partial:
        partial.write_bytes(content)
        # Only now: where the disk is full, the old file keeps its name.
        new_path(target, force)


def _content(mapped: MappedNetwork) -> bytes:
    """Return the bytes of a map file. HDF5 writes to memory: where a disk refuses, closing its file crashes Python."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110")) as file:
        file.attrs["xbar_schema"] = _schema(mapped)
        file.attrs["sha256"] = map_hash(mapped)
        file.create_dataset("network", data=np.frombuffer(mapped.network.model_bytes, np.uint8), compression="gzip")
        write_text(file, "card", mapped.card.text)
        write_text(file, "settings", json.dumps(_settings(mapped)))
        for number, matrix in enumerate(mapped.matrices):
            group = file.create_group(f"matrices/{number}")
            targets = group.create_dataset("targets", data=matrix.targets, compression="gzip", shuffle=True)
            describe(targets, "S", "target conductance (tile, word line, bit line)")
            describe(group.create_dataset("scale", data=matrix.scale), "1/S", "weight of one siemens (tile, output)")
            if matrix.left is not None:
                describe(group.create_dataset("left", data=matrix.left), "", "what wires leave (tile, bit lines)")
        for number, layer in enumerate(mapped.layers):
            data = file.create_dataset(f"layers/{number}/output_range", data=layer.output_range)
            describe(data, "A", "current of the largest output code (tile, bit line)")
    return buffer.getvalue()


def _schema(mapped: MappedNetwork) -> str:
    return SCHEMA if mapped.encoding.settings() == "differential" else SCHEMA_OF_OTHERS


def _settings(mapped: MappedNetwork) -> dict[str, Any]:
    # Only where it is there: the hash of other maps is what it was before there was such a thing.
    compensated = {} if mapped.compensated_wires is None else {"compensated_wires": mapped.compensated_wires}
    return compensated | {
        "card": mapped.card.name,
        "tile": list(mapped.tile),
        "encoding": mapped.encoding.settings(),
        "rule": mapped.rule,
        "matrices": [
            {
                "key": m.key,
                "inputs": m.grid.inputs,
                "outputs": m.grid.outputs,
                "down": m.grid.down,
                "across": m.grid.across,
                "clipped": m.clipped,
            }
            for m in mapped.matrices
        ],
        "layers": [
            {"name": v.name, "node": v.node, "part": v.part, "matrix": v.matrix, "input_scale": v.input_scale}
            for v in mapped.layers
        ],
    }


def map_hash(mapped: MappedNetwork) -> str:
    """Return a hash of everything that a run depends on: network, card, settings, conductances, ranges."""
    digest = hashlib.sha256()
    digest.update(mapped.network.sha256.encode() + mapped.card.sha256.encode())
    digest.update(json.dumps(_settings(mapped), sort_keys=True).encode())
    for matrix in mapped.matrices:
        digest.update(_bytes(matrix.targets) + _bytes(matrix.scale))
        if matrix.left is not None:
            digest.update(_bytes(matrix.left))
    for layer in mapped.layers:
        digest.update(_bytes(layer.output_range))
    return digest.hexdigest()


def _bytes(values: NDArray[np.float64]) -> bytes:
    return np.ascontiguousarray(values, "<f8").tobytes()


def load_map(path: str | Path) -> MappedNetwork:
    """Read a map file.

    Raises:
        FileError: it cannot be opened.
        FormatError: it is no map, of another version, damaged, or does not fit its own network.

    """
    file, _ = open_file(path)
    with file:
        schema = read_attribute(file, "xbar_schema")
        if schema not in (SCHEMA, SCHEMA_OF_OTHERS):
            kind = "is not an xbar map" if schema is None else f"is of schema {schema!r}"
            raise FormatError(
                f"{path} {kind}; this version reads {SCHEMA!r} and {SCHEMA_OF_OTHERS!r}. Make it again with `xbar map`"
            )
        network = Network.from_bytes(read_array(file, "network", kinds="u", ndim=1, max_items=MODEL_MAX).tobytes())
        card = parse_card(read_text(file, "card"), str(path))
        try:
            settings = json.loads(read_text(file, "settings"))
            encoding = _encoding(settings["encoding"], card, path)
            compensated = settings.get("compensated_wires")
            left = compensated is not None and schema == SCHEMA_OF_OTHERS
            matrices = _matrices(file, settings["matrices"], network, encoding, left)
            mapped = MappedNetwork(
                network,
                card,
                (int(settings["tile"][0]), int(settings["tile"][1])),
                encoding,
                str(settings["rule"]),
                matrices,
                _layers(file, settings["layers"], matrices),
                None if compensated is None else str(compensated),
            )
        except (KeyError, TypeError, ValueError, IndexError, OverflowError, RecursionError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{path} is damaged: {error}. Make it again with `xbar map`") from error
        if schema != _schema(mapped):
            raise FormatError(f"{path} is damaged: {schema!r} has another encoding. Make it again with `xbar map`")
        _check(mapped, path)
        if read_attribute(file, "sha256") != map_hash(mapped):
            raise FormatError(f"{path} is damaged: its content does not match its hash. Make it again with `xbar map`")
    return mapped


def _encoding(settings: object, card: DeviceCard, path: str | Path) -> Encoding:
    try:
        return encoding_of(settings, card)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error


def _matrices(
    file: Any, entries: list[dict[str, Any]], network: Network, encoding: Encoding, has_left: bool
) -> tuple[MappedMatrix, ...]:
    """Return the matrices; what is allocated for them is bounded by the weights that the network really holds."""
    shapes = [matrix.weights.shape for node in network.nodes for matrix in node.matrices]
    if len(entries) > len(shapes):
        raise FormatError(f"{file.filename} is damaged: {len(entries)} matrices for a network of {len(shapes)}")
    found: list[MappedMatrix] = []
    for number, entry in enumerate(entries):
        grid = TileGrid(*(int(entry[name]) for name in ("inputs", "outputs", "down", "across")))
        good = 1 <= grid.down <= grid.inputs and 1 <= grid.across <= grid.outputs
        if not good or (grid.inputs, grid.outputs) not in shapes:
            raise FormatError(f"{file.filename} is damaged: matrix {number} does not fit its network or its tiles")
        shape = (grid.tiles, grid.rows, encoding.columns(grid.weights))
        cells = math.prod(shape)
        targets = read_array(file, f"matrices/{number}/targets", kinds="f", ndim=3, max_items=cells)
        scale = read_array(file, f"matrices/{number}/scale", kinds="f", ndim=2, max_items=cells)
        if targets.shape != shape or scale.shape != (grid.tiles, grid.weights):
            raise FormatError(f"matrix {number}: targets {targets.shape} or scale {scale.shape} do not fit its tiles")
        left = _left(file, number, (grid.tiles, encoding.groups(grid.weights))) if has_left else None
        first = sum(m.grid.tiles for m in found)
        found.append(MappedMatrix(str(entry["key"]), grid, first, targets, scale, int(entry["clipped"]), left))
    return tuple(found)


def _left(file: Any, number: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return what compensated wires leave of the groups of bit lines of a matrix."""
    left = read_array(file, f"matrices/{number}/left", kinds="f", ndim=2, max_items=math.prod(shape))
    if left.shape != shape or not np.isfinite(left).all() or not (left > 0).all():
        raise FormatError(f"matrix {number}: what wires leave, {left.shape}, does not fit its tiles")
    return left


def _layers(file: Any, entries: list[dict[str, Any]], matrices: tuple[MappedMatrix, ...]) -> tuple[Layer, ...]:
    largest = max((matrix.targets.size for matrix in matrices), default=0)
    found = []
    for number, entry in enumerate(entries):
        ranges = read_array(file, f"layers/{number}/output_range", kinds="f", ndim=2, max_items=largest)
        scale = None if entry["input_scale"] is None else float(entry["input_scale"])
        if scale is not None and not SMALLEST <= scale <= 1 / SMALLEST:
            raise FormatError(f"{file.filename} is damaged: layer {number} scales its inputs by {scale}")
        place = (int(entry["node"]), int(entry["part"]), int(entry["matrix"]))
        found.append(Layer(str(entry["name"]), *place, scale, ranges))
    return tuple(found)


def _check(mapped: MappedNetwork, path: str | Path) -> None:
    """Raise `FormatError` where layers and matrices are not those of the network in the file, or fit no tile."""
    rows, columns = mapped.tile
    if any(m.grid.rows > rows or m.targets.shape[2] > columns for m in mapped.matrices):
        raise FormatError(f"{path} is damaged: its tiles are larger than {rows} x {columns} cells, its arrays")
    wanted = [(node.index, part) for node in mapped.network.nodes for part in range(len(node.matrices))]
    if [(layer.node, layer.part) for layer in mapped.layers] != wanted:
        raise FormatError(f"{path} is damaged: its layers are not those of its network. Make it again with `xbar map`")
    for layer in mapped.layers:
        if not 0 <= layer.matrix < len(mapped.matrices):
            raise FormatError(f"{path} is damaged: layer {layer.name} names matrix {layer.matrix}, which it lacks")
        matrix = mapped.matrices[layer.matrix]
        weights = mapped.network.nodes[layer.node].matrices[layer.part].weights
        good = np.isfinite(layer.output_range).all() and (layer.output_range > 0).all()
        if (
            layer.output_range.shape != (matrix.grid.tiles, matrix.targets.shape[2])
            or weights.shape != (matrix.grid.inputs, matrix.grid.outputs)
            or not good
            or not np.isfinite(matrix.targets).all()
            or not np.isfinite(matrix.scale).all()
        ):
            raise FormatError(
                f"{path} is damaged: layer {layer.name} does not fit its tiles. Make it again with `xbar map`"
            )
