"""Line resistance of one cell by technology node: copper wires of minimum pitch with their barrier and scattering.

R = rho_eff L / (w^2 AR), rho_eff = rho / (1 - (2 AR + 1) t_b / (AR w)) for a wire of width w, aspect ratio AR and
barrier t_b. A 1T1R cell is 4 w long along the word line and 12 w along the bit line, a cross-point cell 2 w along both.
Source: widths, aspect ratios, resistivities of NeuroSim V1.4 (Param.cpp), at 300 K.
"""

from dataclasses import dataclass

from xbar.errors import UnknownNameError

KINDS = ("1t1r", "crosspoint")
"""Cells: with an access transistor, or without."""


@dataclass(frozen=True)
class TechnologyNode:
    """Resistance of the wire along one cell [ohm] at 300 K."""

    word_1t1r: float
    bit_1t1r: float
    crosspoint: float
    """Along either line of a cell without a transistor."""


NODES = {
    130: TechnologyNode(0.338, 1.013, 0.169),
    90: TechnologyNode(0.657, 1.970, 0.328),
    65: TechnologyNode(0.599, 1.796, 0.299),
    45: TechnologyNode(0.832, 2.495, 0.416),
    32: TechnologyNode(1.277, 3.830, 0.638),
    22: TechnologyNode(1.856, 5.569, 0.928),
    14: TechnologyNode(2.524, 7.573, 1.262),
    10: TechnologyNode(4.65, 13.94, 2.32),
    7: TechnologyNode(5.56, 16.68, 2.78),
    5: TechnologyNode(9.96, 29.9, 4.98),
    3: TechnologyNode(14.1, 42.2, 7.03),
    2: TechnologyNode(15.1, 45.3, 7.55),
    1: TechnologyNode(13.9, 41.8, 6.97),
}
"""By the node's name in nm."""


def technology_names() -> list[str]:
    """Return the names that `technology` knows: "130nm-1t1r", "130nm-crosspoint" and so on."""
    return [f"{node}nm-{kind}" for node in NODES for kind in KINDS]


def technology(name: str) -> tuple[float, float]:
    """Return the resistance of a word-line and of a bit-line segment [ohm] of a node such as "22nm-1t1r".

    Raises `UnknownNameError` that lists the names.
    """
    if name not in technology_names():
        raise UnknownNameError(f"technology {name!r} is not known; known are {', '.join(technology_names())}")
    node, kind = name.split("nm-")
    found = NODES[int(node)]
    return (found.word_1t1r, found.bit_1t1r) if kind == "1t1r" else (found.crosspoint, found.crosspoint)
