"""Card files: find a device card by name or path, read it, and say everything that is wrong with it at once."""

import hashlib
import tomllib
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xbar.devices.card import EFFECTS, DeviceCard
from xbar.devices.card_schema import SCHEMA, CardFile
from xbar.errors import FileError, FormatError, UnknownNameError

LARGEST_FILE = 1_000_000
"""Bytes of the largest card file that is read."""

MOST_DOTS = 200
"""Dots of the longest line that is read: tomllib takes time with the square of the parts of a dotted key."""

MOST_ERRORS = 50
"""Errors that one message lists."""

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
    if len(text) > LARGEST_FILE:
        raise FormatError(f"{origin}: more than {LARGEST_FILE // 1000} kB; a card file is a few kB of TOML")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MOST_DOTS:
            raise FormatError(f"{origin}: line {number} has more than {MOST_DOTS} dots; no card has such keys or text")
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{origin}: not a TOML file: {_short(str(error))}") from error
    version = table.get("schema")
    if isinstance(version, str) and version != SCHEMA:
        raise FormatError(
            f"{origin}: schema is {_short(version)!r}, this version of xbar reads {SCHEMA!r}; "
            "use the version that the card was written for"
        )
    try:
        card = CardFile.model_validate(table)
    except ValidationError as error:
        raise FormatError(_report(origin, error)) from error
    return DeviceCard(
        name=card.name,
        title=card.title,
        source=card.source,
        text=text,
        sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        g_min=card.g_min,
        g_max=card.g_max,
        read_voltage=card.read_voltage,
        **card.laws(),
    )


def _shipped() -> tuple[str, ...]:
    folder = files("xbar.devices").joinpath("cards")
    return tuple(sorted(item.name[: -len(".toml")] for item in folder.iterdir() if item.name.endswith(".toml")))


def _read(path: Path) -> DeviceCard:
    try:
        if path.exists() and not path.is_file():
            raise FileError(f"card {path} is not a file")
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise FileError(f"card {path} does not exist; shipped cards are {', '.join(_shipped())}") from error
    except (OSError, ValueError) as error:
        # ValueError: a name with a NUL character.
        if isinstance(error, FileError):
            raise
        raise FileError(f"card {path} cannot be read: {error}") from error
    if len(data) > LARGEST_FILE:
        raise FormatError(f"{path}: more than {LARGEST_FILE // 1000} kB; a card file is a few kB of TOML")
    try:
        # Windows editors put a byte order mark in front, which "utf-8-sig" drops.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a TOML file: byte {error.start} is not UTF-8") from error
    return parse_card(text, str(path))


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


def _report(origin: str, error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"  {_place(item['loc'])}: {_text(item)}" for item in found[:MOST_ERRORS]]
    if len(found) > MOST_ERRORS:
        lines.append(f"  and {len(found) - MOST_ERRORS} more")
    return f"{origin}: {len(found)} error{'s' * (len(found) > 1)}\n" + "\n".join(lines)


def _place(location: Sequence[int | str]) -> str:
    # The second part of an error inside a block with several kinds is the kind, which is no key of the file.
    parts = [p for i, p in enumerate(location) if i != 1 or location[0] not in EFFECTS or p not in _KINDS]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return _short(text.removeprefix(".")) or "file"


def _text(item: Any) -> str:
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "extra_forbidden":
        return "is not a key of a card; check its spelling"
    return str(item["msg"]).removeprefix("Value error, ")


def _short(text: str, longest: int = 200) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


_KINDS = ("polynomial", "constant", "sqrt", "proportional")
"""Kinds of the blocks that have several."""
