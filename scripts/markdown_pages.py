"""The pages of the documentation, and the blocks of code in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class CodeBlock:
    """One fenced block of a page."""

    language: str
    mark: str
    """What follows the language: "torch" for code that needs PyTorch."""
    text: str
    line: int
    """Line of the page on which the text begins."""


def read_page(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[CodeBlock]:
    """Return the fenced blocks of a page in order."""
    text = read_page(page)
    return [CodeBlock(m[1], m[2].strip(), m[3], text.count("\n", 0, m.start()) + 2) for m in re.finditer(FENCE, text)]


def command_lines(page: Path, *languages: str) -> list[str]:
    """Return the lines `xbar ...` of the blocks in these languages, without comments."""
    lines = [line for block in blocks(page) if block.language in languages for line in block.text.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.startswith("xbar ")]
