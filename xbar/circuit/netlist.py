"""An array as a SPICE netlist, so that anybody can check it in ngspice."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.circuit.boundary import Boundary, SideArrays
from xbar.circuit.cell_law import CellLaw, Ohmic
from xbar.circuit.network import Network, conductances, network, reached
from xbar.circuit.real_numbers import real_numbers
from xbar.circuit.spice_cell import CellElements, cell_elements
from xbar.circuit.wires import Floats, Wires
from xbar.errors import InputError

OPTIONS = "reltol=1e-9 abstol=1e-18 vntol=1e-15 gmin=1e-18 itl1=500"
"""Tolerances at which ngspice 39 agrees with an independent solve to 1e-13 of the largest current."""

Lines: TypeAlias = Iterator[str]


def netlist(
    g: ArrayLike,
    wires: Wires,
    v: ArrayLike,
    boundary: Boundary | None = None,
    iv: CellLaw | None = None,
    title: str = "crossbar array",
) -> str:
    """Return the netlist of an array with conductances `g` (rows, cols) [S] and inputs `v` (rows,) [V].

    `boundary` and `iv` are those of `effective_operator` and `solve`. Cell (i, j) joins node `w<i>_<j>` of its word
    line and `b<i>_<j>` of its bit line. Every connected end of a line is a voltage source: `Vs<i>` left, `Vr<i>`
    right, `Vt<j>` top, `Vo<j>` bottom; with the + side at the line, its current in ngspice is what leaves the line
    there. Segments of 0 ohm are sources of 0 V; cells that conduct nothing and broken segments are left out, and so are
    nodes that no source reaches: they stand at 0 V. The analysis is one `.op`.

    ngspice (39, and maybe others) keeps only 11 digits of the numbers inside a non-linear source, so that it finds
    currents of non-linear cells that are off by 1e-11 of their size; linear ones keep all digits.

    Raises `InputError` for conductances, inputs or boundaries that cannot be, `Unsupported` for a law of cells that
    has no expression in SPICE.
    """
    cells = conductances(g, (2,))
    inputs = real_numbers(v, "inputs")
    if inputs.shape != cells.shape[:1] or not np.isfinite(inputs).all():
        raise InputError(f"inputs have the shape {inputs.shape}; give {cells.shape[:1]} finite voltages, one vector")
    net = network((cells.shape[0], cells.shape[1]), wires, Boundary() if boundary is None else boundary)
    law = Ohmic() if iv is None else iv
    elements = cell_elements(law, cells)
    # As `solve` has it: an element that does not depend on `g` conducts where `g` is 0, too.
    conducts = np.asarray(law.evaluate(cells, np.zeros_like(cells))[1]) > 0
    found = reached(net, conducts)
    alive = np.ones((2, *cells.shape), bool) if found is None else np.stack([found.word, found.bit])
    out = [f"* {' '.join(title.split())}", f".options {OPTIONS}", *_head(net, alive, elements)]
    out += [*_word_lines(net, alive[0], inputs), *_bit_lines(net, alive[1])]
    for i, j in np.argwhere(conducts & alive[0] & alive[1]):
        out += elements.lines(int(i), int(j))
    return "\n".join([*out, ".op", ".end", ""])


def _head(net: Network, alive: NDArray[np.bool_], elements: CellElements) -> Lines:
    rows, cols = net.shape
    yield f"* {rows} word lines, {cols} bit lines; cell (i, j) joins w<i>_<j> and b<i>_<j>; ohm, volt, ampere"
    sides = (("Vo", net.bottom), ("Vt", net.top))
    ends = (f"i({name}<j>)" for name, side in sides if (side.port & np.isfinite(side.resistance)).any())
    yield f"* current out of bit line j: {' + '.join(ends) or 'none is sensed'}"
    if elements.note:
        yield f"* {elements.note}"
    if not alive.all():
        yield f"* left out: {int((~alive).sum())} nodes that no source reaches; they stand at 0 V"


def _word_lines(net: Network, alive: NDArray[np.bool_], inputs: Floats) -> Lines:
    rows, cols = net.shape
    for i in range(rows):
        if np.isfinite(net.left.resistance[i]):
            yield f"Vs{i} s{i} 0 {_volts(net.left, i, inputs)}"
            near = f"s{i}"
            if net.left.resistance[i]:
                near = f"l{i}"
                yield _wire(f"s{i}", f"s{i}", near, net.left.resistance[i])
            yield _wire(f"w{i}_0", near, f"w{i}_0", net.word[i, 0])
        for j in range(1, cols):
            if alive[i, j] and np.isfinite(net.word[i, j]):
                yield _wire(f"w{i}_{j}", f"w{i}_{j - 1}", f"w{i}_{j}", net.word[i, j])
        if np.isfinite(net.right.resistance[i]):
            yield _wire(f"r{i}", f"w{i}_{cols - 1}", f"r{i}", net.right.resistance[i], "x")
            yield f"Vr{i} r{i} 0 {_volts(net.right, i, inputs)}"


def _bit_lines(net: Network, alive: NDArray[np.bool_]) -> Lines:
    rows, cols = net.shape
    for j in range(cols):
        if np.isfinite(net.top.resistance[j]):
            yield f"Vt{j} t{j} 0 {_number(net.top.volts[j])}"
            yield _wire(f"t{j}", f"t{j}", f"b0_{j}", net.top.resistance[j], "x")
        for i in range(rows - 1):
            if alive[i, j] and np.isfinite(net.bit[i, j]):
                yield _wire(f"b{i}_{j}", f"b{i}_{j}", f"b{i + 1}_{j}", net.bit[i, j])
        if np.isfinite(net.bottom.resistance[j]):
            sense = net.bottom.resistance[j]
            yield _wire(f"b{rows - 1}_{j}", f"b{rows - 1}_{j}", f"m{j}" if sense else f"e{j}", net.bit[-1, j])
            if sense:
                yield _wire(f"o{j}", f"m{j}", f"e{j}", sense)
            yield f"Vo{j} e{j} 0 {_number(net.bottom.volts[j])}"


def _volts(side: SideArrays, line: int, inputs: Floats) -> str:
    return _number(inputs[line] if side.port[line] else side.volts[line])


def _wire(name: str, one: str, two: str, ohm: float, zero: str = "") -> str:
    """Return a resistor, or a source of 0 V, which is exact where a resistor of 0 ohm is not possible.

    `zero` goes before the source's name where that of an end has the same letter.
    """
    return f"R{name} {one} {two} {_number(ohm)}" if ohm else f"V{zero}{name} {one} {two} 0"


def _number(value: float) -> str:
    """Return a number with all its digits; SPICE knows whole numbers, decimals and exponents."""
    return "0" if value == 0 else repr(float(value))
