"""Which crosspoint of the matrix ties which line of the array to which source, found from the cables of a rack file."""

from collections.abc import Iterable
from dataclasses import dataclass

from xbar.bench.settings import Unselected
from xbar.errors import FormatError
from xbar_drivers.instruments.roles import Matrix
from xbar_drivers.rack.rack_file import RackFile, RackInstrument

Channels = tuple[str, ...]
"""One crosspoint for each line."""


@dataclass(frozen=True)
class Wiring:
    """Crosspoints by what they tie together; None where a source does not reach all of the lines."""

    drive: Channels
    """Word lines to the source that drives."""
    sense: Channels
    """Bit lines to the source that senses."""
    ground_word: Channels | None
    ground_bit: Channels | None
    bias_word: Channels | None
    """Word lines to the first bias source."""
    bias_bit: Channels | None
    """Bit lines to the bias source: the first where there is one, the second where there are two."""
    biases: int
    """Bias sources: none, one (V/2), two (V/3)."""

    @property
    def rows(self) -> int:
        """Get the number of word lines."""
        return len(self.drive)

    @property
    def cols(self) -> int:
        """Get the number of bit lines."""
        return len(self.sense)

    def modes(self) -> dict[Unselected, str]:
        """Return why lines that an operation does not use cannot be left in a mode; "" for those that can."""
        grounded = self.ground_word is not None and self.ground_bit is not None
        biased = self.bias_word is not None and self.bias_bit is not None
        reach = "the matrix does not tie every line to the bias source"
        half, third = "", ""
        if self.biases < 1:
            half = "V/2 needs three sources: one drives, one senses, one gives V/2; name a third as `bias`"
        elif not biased:
            half = reach
        if self.biases < 2:
            third = "V/3 needs four sources: drive, sense, V/3 and 2V/3; name two as `bias`"
        elif not biased:
            third = reach
        ground = "" if grounded else "the matrix does not tie every line to ground; wire `gnd` to a row of it"
        return {Unselected.FLOAT: "", Unselected.GROUND: ground, Unselected.HALF: half, Unselected.THIRD: third}


def find_wiring(rack: RackFile, matrix: RackInstrument, kind: type[Matrix]) -> Wiring:
    """Return the crosspoints of a rack.

    Raises `FormatError` for cards that are not known, sources that are not wired to the matrix, and lines that the
    source that drives or senses does not reach.
    """
    nets = _Nets(rack.joints)
    crosspoints = _crosspoints(rack, matrix, kind, nets)

    def reach(source: str, lines: Iterable[str]) -> list[str | None]:
        here = nets.of(source)
        return [crosspoints.get((here, nets.of(line))) for line in lines]

    words, bits = [f"word{i}" for i in range(rack.rows)], [f"bit{j}" for j in range(rack.cols)]
    origin, said = f"rack file {rack.path}", rack.rack
    biases = said.bias
    return Wiring(
        drive=_all(reach(said.drive, words), words, said.drive, origin),
        sense=_all(reach(said.sense, bits), bits, said.sense, origin),
        ground_word=_maybe(reach(said.ground, words)) if said.ground else None,
        ground_bit=_maybe(reach(said.ground, bits)) if said.ground else None,
        bias_word=_maybe(reach(biases[0], words)) if biases else None,
        bias_bit=_maybe(reach(biases[-1], bits)) if biases else None,
        biases=len(biases),
    )


def _all(found: list[str | None], lines: list[str], source: str, origin: str) -> Channels:
    missing = [line for line, channel in zip(lines, found, strict=True) if channel is None]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise FormatError(
            f"{origin}: no crosspoint ties {source} to {', '.join(missing[:3])}{more}; check [wires] and the size of "
            "[array]"
        )
    return tuple(channel for channel in found if channel is not None)


def _maybe(found: list[str | None]) -> Channels | None:
    complete = tuple(channel for channel in found if channel is not None)
    return complete if len(complete) == len(found) else None


class _Nets:
    """Terminals that cables tie together."""

    def __init__(self, joints: Iterable[tuple[str, str]]) -> None:
        self._parent: dict[str, str] = {}
        for first, second in joints:
            self.join(first, second)

    def of(self, name: str) -> str:
        """Return the name of the net of a terminal."""
        while (above := self._parent.get(name, name)) != name:
            self._parent[name] = self._parent.get(above, above)
            name = above
        return name

    def join(self, first: str, second: str) -> None:
        self._parent[self.of(first)] = self.of(second)


def _crosspoints(rack: RackFile, matrix: RackInstrument, kind: type[Matrix], nets: _Nets) -> dict[tuple[str, str], str]:
    """Return the channel that ties two nets together, for either order of them."""
    if matrix.common_rows:
        for slot in range(1, kind.slots + 1):
            for written in (*map(str, range(1, 10)), *"ABCDEFGH"):
                nets.join(f"{matrix.name}.{slot}.row{written}", f"{matrix.name}.row{written}")
    found: dict[tuple[str, str], str] = {}
    try:
        places = kind.crosspoints(matrix.name, matrix.cards, matrix.common_rows)
    except FormatError as error:
        raise FormatError(f"rack file {rack.path}: {error}") from error
    for first, second, channel in places:
        pair = nets.of(first), nets.of(second)
        found.setdefault(pair, channel)
        found.setdefault(pair[::-1], channel)
    return found
