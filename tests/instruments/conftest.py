"""A session whose answers are written down, and pairs of commands and answers from wire transcripts."""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

TRANSCRIPTS = Path(__file__).parents[1] / "data" / "transcripts"

Pairs = Mapping[str, Sequence[str]]
"""Answers by command."""


class Scripted:
    """A session that knows answers by command, or by pattern, and keeps everything that was written.

    A query that it does not know is an `AssertionError`.
    """

    address = "SCRIPTED"

    def __init__(self, answers: Mapping[str, str | Sequence[str]] | None = None) -> None:
        self.answers = {k: [v] if isinstance(v, str) else list(v) for k, v in (answers or {}).items()}
        self.written: list[str] = []
        self.waiting: list[str] = []
        self.blocks: list[bytes] = []

    def write(self, text: str) -> None:
        self.written.append(text)
        for pattern, found in self.answers.items():
            if text == pattern or re.fullmatch(pattern, text):
                self.waiting.append(found[0] if len(found) == 1 else found.pop(0))
                return

    def read(self) -> str:
        assert self.waiting, f"no answer is written down for {self.written[-1]!r}"
        return self.waiting.pop(0)

    def read_bytes(self, count: int) -> bytes:
        block = self.blocks.pop(0)
        assert len(block) == count
        return block

    def ready(self, seconds: float) -> bool:
        return True

    def clear(self) -> None:
        self.waiting.clear()

    def close(self) -> None:
        """Do nothing."""


def pairs(name: str) -> dict[str, list[str]]:
    """Return the answers of a transcript by command, in their order."""
    found: dict[str, list[str]] = {}
    command = ""
    for line in (TRANSCRIPTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        match = re.match(r"\s*[\d.]+ \[\d+\] ([CS])[<>]\s+(b['\"].*)", line)
        if match is None:
            continue
        text = ast.literal_eval(match[2]).decode("latin-1").rstrip("\r\n")
        if match[1] == "C":
            command = text
        else:
            found.setdefault(command, []).append(text)
    return found


@pytest.fixture
def scripted() -> Callable[..., Scripted]:
    return Scripted


@pytest.fixture
def recorded() -> Callable[..., Scripted]:
    """Return sessions that answer as recorded ones did, and to nothing else but what is added."""

    def begin(*names: str, **more: str) -> Scripted:
        del more
        answers: dict[str, list[str]] = {}
        for name in names:
            for command, found in pairs(name).items():
                answers.setdefault(re.escape(command), []).extend(found)
        return Scripted({command: found[0] for command, found in answers.items()})

    return begin
