"""Card files: find a device card by name or path, read it, and say everything that is wrong with it at once."""

import hashlib
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from xbar import toml_file
from xbar.devices.card import DeviceCard
from xbar.devices.card_schema import SCHEMA, CardFile
from xbar.errors import FileError, FormatError, UnknownNameError

KINDS = (
    "polynomial",
    "absolute_polynomial",
    "constant",
    "saturating",
    "table",
    "sqrt",
    "proportional",
    "density",
    "accumulated",
    "fitted",
    "log_conductance",
    "spectrum",
    "power_law",
    "power_law_in_pieces",
    "log_time",
    "linear",
    "arrhenius",
    "constant_step",
    "soft_bounds",
    "linear_step",
    "exponential_step",
    "power_step",
    "lookup",
    "sinh",
    "cubic",
    "poole_frenkel",
    "vteam",
    "ion_drift",
    "stanford_pku",
    "yakopcic",
    "data_driven",
)
"""Kinds of the blocks that have several."""

ENTRY_POINTS = "xbar.cards"
"""Group in which other packages offer cards: each entry point names the path of a card file (str or Path)."""


def load_card(name_or_path: str | Path) -> DeviceCard:
    """Return the card of a shipped name, of a file, or of another package.

    A path is anything that holds a separator or ends in ".toml". Other packages offer cards as entry points of the
    group "xbar.cards", which are asked only for a name that is not shipped. Raises `UnknownNameError` for an unknown
    name, `FileError` for a file that cannot be read, `FormatError` with every error of a file that is not a card.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.lower().endswith(".toml"):
        return _read(Path(name_or_path))
    if text in _shipped():
        source = files("xbar.devices").joinpath("cards", f"{text}.toml").read_text(encoding="utf-8")
        return parse_card(source, f"card {text!r}")
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == text:
            return _read(_path_of(entry))
    raise UnknownNameError(
        f"unknown card {text!r}; known are {', '.join(card_names())}. A card file of one's own is given by its path, "
        "ending in .toml"
    )


def card_names() -> tuple[str, ...]:
    """Return the names of all cards, shipped ones first; nothing of other packages is imported."""
    shipped = _shipped()
    others = {entry.name for entry in entry_points(group=ENTRY_POINTS)} - set(shipped)
    return (*shipped, *sorted(others))


def parse_card(text: str, origin: str) -> DeviceCard:
    """Return the card that a TOML text describes; `origin` names it in errors.

    Raises `FormatError` that lists every error with its place in the file.
    """
    text = text.replace("\r\n", "\n")
    table = toml_file.parse(text, origin, SCHEMA)
    try:
        card = CardFile.model_validate(table)
    except ValidationError as error:
        raise FormatError(toml_file.report(origin, error, KINDS)) from error
    return DeviceCard(
        name=card.name,
        title=card.title,
        source=card.source,
        text=text,
        sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        g_min=card.g_min,
        g_max=card.g_max,
        read_voltage=card.read_voltage,
        valid=card.validity(),
        **card.laws(),
    )


def _shipped() -> tuple[str, ...]:
    folder = files("xbar.devices").joinpath("cards")
    return tuple(sorted(item.name[: -len(".toml")] for item in folder.iterdir() if item.name.endswith(".toml")))


def _read(path: Path) -> DeviceCard:
    if not path.exists():
        raise FileError(f"card {path} does not exist; shipped cards are {', '.join(_shipped())}")
    return parse_card(toml_file.read_text(path, "card"), str(path))


def _path_of(entry: EntryPoint) -> Path:
    package = entry.dist.name if entry.dist is not None else entry.value
    try:
        path = entry.load()
    except Exception as error:
        # Code of another package: whatever goes wrong in it is told with the package's name.
        raise FormatError(f"card {entry.name!r} of package {package} cannot be loaded: {error}") from error
    if not isinstance(path, str | Path):
        raise FormatError(f"card {entry.name!r} of package {package} is {type(path).__name__}, not the path of a file")
    return Path(path)
