"""TOML files that people write: read within bounds, with everything that is wrong with them in one message."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xbar.errors import FileError, FormatError

LARGEST_FILE = 1_000_000
"""Bytes of the largest file that is read."""

MOST_DOTS = 200
"""Dots of the longest line that is read: tomllib takes time with the square of the parts of a dotted key."""

MOST_ERRORS = 50
"""Errors that one message lists."""


def read_text(path: Path, what: str) -> str:
    """Return the text of a file; `what` names its kind in errors, such as "card".

    Raises `FileError` where it is missing or cannot be read, `FormatError` where it is too large or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise FileError(f"{what} {path} is not a file")
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise FileError(f"{what} {path} does not exist; check the path") from error
    except (OSError, ValueError) as error:
        # ValueError: a name with a NUL character.
        if isinstance(error, FileError):
            raise
        raise FileError(f"{what} {path} cannot be read: {error}") from error
    if len(data) > LARGEST_FILE:
        raise FormatError(f"{path}: more than {LARGEST_FILE // 1000} kB; a {what} is a few kB of TOML")
    try:
        # Windows editors put a byte order mark in front, which "utf-8-sig" drops.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a TOML file: byte {error.start} is not UTF-8") from error


def parse(text: str, origin: str, schema: str) -> dict[str, Any]:
    """Return the table of a TOML text; `origin` names it in errors, `schema` is the version that is read.

    Raises `FormatError` for text that is not TOML, too large, or of another version.
    """
    if len(text) > LARGEST_FILE:
        raise FormatError(f"{origin}: more than {LARGEST_FILE // 1000} kB; it should be a few kB of TOML")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MOST_DOTS:
            raise FormatError(f"{origin}: line {number} has more than {MOST_DOTS} dots; no such file has such lines")
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{origin}: not a TOML file: {short(str(error))}") from error
    version = table.get("schema")
    if isinstance(version, str) and version != schema:
        raise FormatError(
            f"{origin}: schema is {short(version)!r}, this version of xbar reads {schema!r}; "
            "use the version that the file was written for"
        )
    return table


def report(origin: str, error: ValidationError, kinds: Sequence[str] = ()) -> str:
    """Return a message with every error of a file and its place; `kinds` are names of variants, which are no keys."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"  {_place(item['loc'], kinds)}: {_text(item)}" for item in found[:MOST_ERRORS]]
    if len(found) > MOST_ERRORS:
        lines.append(f"  and {len(found) - MOST_ERRORS} more")
    return f"{origin}: {len(found)} error{'s' * (len(found) > 1)}\n" + "\n".join(lines)


def _place(location: Sequence[int | str], kinds: Sequence[str]) -> str:
    # The second part of an error inside a block with several kinds is the kind, which is no key of the file.
    parts = [part for i, part in enumerate(location) if i != 1 or part not in kinds]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return short(text.removeprefix(".")) or "file"


def _text(item: Any) -> str:
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "extra_forbidden":
        return "is not a key of this file; check its spelling"
    return str(item["msg"]).removeprefix("Value error, ")


def short(text: str, longest: int = 200) -> str:
    """Return `text`, cut where it is longer than a message should be."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
