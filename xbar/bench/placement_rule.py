"""A rule of placement: which layers of a network stand on the arrays of which drivers of a bench."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from xbar.errors import FormatError

TooLarge = Literal["refuse", "split"]


@dataclass(frozen=True)
class PlacementRule:
    """What a section `[[placement]]` of a bench file says."""

    layers: tuple[str, ...]
    """Names of layers; `*` stands for any text. The first rule that names a layer holds for it."""
    drivers: tuple[str, ...]
    """Names of drivers: the tiles take the free arrays of the first, then those of the next."""
    program: bool = True
    """Whether a run writes the tiles; False: they stand on the arrays already."""
    too_large: TooLarge = "refuse"
    """What becomes of a layer that does not fit one array: an error, or `xbar map --bench` cuts it into tiles."""

    def names(self, layer: str) -> bool:
        """Return whether it names a layer; `conv` names `conv[0]` too, the first part of a grouped convolution."""
        whole = layer.partition("[")[0]
        return any(_matches(text, name) for text in self.layers for name in (layer, whole))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "layers": list(self.layers),
            "drivers": list(self.drivers),
            "program": self.program,
            "too_large": self.too_large,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the rule of JSON values. Raises `FormatError` where they are not those of a rule."""
        try:
            lists = [tuple(str(text) for text in list(values[name])) for name in ("layers", "drivers")]
            if values["too_large"] not in get_args(TooLarge):
                raise ValueError(f"too_large {values['too_large']!r}")
            return cls(lists[0], lists[1], bool(values["program"]), values["too_large"])
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"a rule of placement is damaged ({error}); take another copy of the file") from error


def _matches(text: str, name: str) -> bool:
    first, *more = text.split("*")
    if not more:
        return text == name
    if not name.startswith(first):
        return False
    place = len(first)
    for part in more[:-1]:
        found = name.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(name) >= place + len(more[-1]) and name.endswith(more[-1])
