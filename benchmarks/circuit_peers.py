"""Those who solve the same arrays in benchmarks/circuit.py: xbar, and what else is installed.

Each is a function from a problem to the bit-line currents of all its vectors, (vectors, cols). Wiring: one segment
between each source and its first cell, one between each last cell and the ground, far ends open.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from numpy.typing import NDArray

from xbar.circuit import Wires, effective_operator

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Problem:
    """One square array and as many input vectors as it has word lines."""

    g: Floats
    """(rows, cols) [S]"""
    v: Floats
    """(vectors, rows) [V]"""
    ohm: float
    """Of every segment."""


def problem(n: int, ohm: float = 1.0) -> Problem:
    """Return the array of a size: conductances uniform from 1 to 100 uS, inputs uniform from 0 to 0.2 V."""
    rng = np.random.default_rng([0, n, n])
    return Problem(rng.uniform(1e-6, 1e-4, (n, n)), rng.uniform(0, 0.2, (n, n)), ohm)


def xbar64(p: Problem) -> Floats:
    """Take xbar: the effective operator, then one product."""
    return effective_operator(p.g, Wires(p.ohm, p.ohm)).currents(p.v)


def xbar32(p: Problem) -> Floats:
    """Take xbar in single precision."""
    return effective_operator(p.g, Wires(p.ohm, p.ohm), dtype=np.float32).currents(p.v)


def dissection(p: Problem) -> Floats:
    """Take xbar's other way, nested dissection."""
    return effective_operator(p.g, Wires(p.ohm, p.ohm), method="dissection").currents(p.v)


def splu(p: Problem) -> Floats:
    """Take SciPy's sparse direct solver, SuperLU, in its symmetric mode with minimum degree ordering."""
    options = {"SymmetricMode": True}
    lu = spl.splu(nodal_matrix(p), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    return cell_currents(p, lu.solve(sources(p)))


def splu_default(p: Problem) -> Floats:
    """Take SciPy's sparse direct solver with its defaults: column ordering COLAMD."""
    return cell_currents(p, spl.splu(nodal_matrix(p)).solve(sources(p)))


def cholmod(p: Problem) -> Floats:
    """Take CHOLMOD through scikit-sparse 0.4."""
    factor = import_module("sksparse.cholmod").cholesky(nodal_matrix(p))
    return cell_currents(p, factor(sources(p)))


def badcrossbar(p: Problem) -> Floats:
    """Ask badcrossbar for output currents alone."""
    logging.disable(logging.CRITICAL)
    compute: Any = import_module("badcrossbar").compute
    found = compute(np.ascontiguousarray(p.v.T), 1 / p.g, r_i=p.ohm, node_voltages=False, all_currents=False)
    return np.asarray(found.currents.output)


def crosssim(p: Problem) -> Floats:
    """Ask CrossSim at a tolerance of 1e-9; its default, 1e-3, is the error of the currents too."""
    simulator: Any = import_module("simulator")
    import_module("simulator.backend").ComputeBackend(use_gpu=False)
    place = "simulator.cores.physical.numeric_core"
    core_module: Any = import_module(place if find_spec("simulator.cores.physical") else "simulator.cores.numeric_core")
    g_max, v_max = float(p.g.max()), float(p.v.max())
    params = simulator.CrossSimParameters()
    params.core.style = "OFFSET"
    params.xbar.device.Rmin = 1 / g_max
    parasitics = params.xbar.array.parasitics
    parasitics.enable, parasitics.Rp_row, parasitics.Rp_col = True, p.ohm, p.ohm
    params.simulation.Verr_th_mvm, params.simulation.Niters_max_parasitics = 1e-9, 5000
    core = core_module.NumericCore(params)
    core.set_matrix(p.g.T / g_max)
    return np.array([core.run_xbar_mvm(v / v_max) for v in p.v]) * g_max * v_max


@dataclass(frozen=True)
class Peer:
    """One way to the currents."""

    call: Callable[[Problem], Floats]
    module: str
    """What has to be installed."""
    largest: int
    """Largest size at which it is asked: above it one call takes half a minute or gigabytes."""


PEERS = {
    "xbar": Peer(xbar64, "xbar", 1024),
    "xbar float32": Peer(xbar32, "xbar", 1024),
    "xbar dissection": Peer(dissection, "xbar", 512),
    "splu": Peer(splu, "scipy", 256),
    "splu COLAMD": Peer(splu_default, "scipy", 256),
    "CHOLMOD": Peer(cholmod, "sksparse", 256),
    "badcrossbar": Peer(badcrossbar, "badcrossbar", 256),
    "CrossSim": Peer(crosssim, "simulator", 64),
}
"""By name, in the order of the columns."""


def installed() -> dict[str, Peer]:
    """Return those whose package is here."""
    return {name: peer for name, peer in PEERS.items() if find_spec(peer.module) is not None}


def nodal_matrix(p: Problem) -> Any:
    """Return the assembled nodal admittance matrix, word nodes first."""
    n, m = p.g.shape
    y = 1 / p.ohm
    word, bit = np.arange(n * m).reshape(n, m), n * m + np.arange(n * m).reshape(n, m)
    diagonal = np.full((2, n, m), 2 * y) + p.g
    diagonal[0, :, -1] -= y
    diagonal[1, 0] -= y
    pairs: list[tuple[Any, Any, Any]] = [(word, bit, p.g), (word[:, 1:], word[:, :-1], y), (bit[1:], bit[:-1], y)]
    rows = np.concatenate([np.arange(2 * n * m), *(part.ravel() for a, b, _ in pairs for part in (a, b))])
    cols = np.concatenate([np.arange(2 * n * m), *(part.ravel() for a, b, _ in pairs for part in (b, a))])
    weights = [-np.broadcast_to(c, a.shape).ravel() for a, _, c in pairs]
    values = np.concatenate([diagonal.ravel(), *(part for part in weights for _ in (0, 1))])
    return sp.csc_matrix((values, (rows, cols)))


def sources(p: Problem) -> Floats:
    """Return the right-hand sides (nodes, vectors)."""
    n, m = p.g.shape
    found = np.zeros((2, n, m, len(p.v)))
    found[0, :, 0] = p.v.T / p.ohm
    return found.reshape(2 * n * m, len(p.v))


def cell_currents(p: Problem, x: Floats) -> Floats:
    """Return the currents (vectors, cols) of node voltages (nodes, vectors)."""
    word, bit = x.reshape(2, *p.g.shape, -1)
    return np.asarray(np.einsum("ij,ijk->kj", p.g, word - bit))


def exact(p: Problem) -> Floats:
    """Return the currents of the first vector, (cols,), to more than double precision.

    Iterative refinement with the residual of Kirchhoff's law in long double, summed over the elements at each node:
    an assembled matrix has already rounded the cells away beside the segments, to 1e-13 of the currents.
    """
    lu = spl.splu(nodal_matrix(p), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    n, m = p.g.shape
    g, y, v = p.g.astype(np.longdouble), 1 / np.longdouble(p.ohm), p.v[0].astype(np.longdouble)
    word, bit = np.zeros((2, n, m), np.longdouble)
    for _ in range(8):
        cells = g * (word - bit)
        along = y * (np.concatenate([v[:, None], word[:, :-1]], axis=1) - word)
        down = y * (bit - np.concatenate([bit[1:], np.zeros((1, m), np.longdouble)]))
        into_word = along - cells
        into_word[:, :-1] -= along[:, 1:]
        into_bit = cells - down
        into_bit[1:] += down[:-1]
        step = lu.solve(np.concatenate([into_word.ravel(), into_bit.ravel()]).astype(float)).reshape(2, n, m)
        word, bit = word + step[0], bit + step[1]
    return np.asarray((g * (word - bit)).sum(axis=0), float)
