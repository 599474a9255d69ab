"""Write docs/reference/commands.md from the command line itself: what every `xbar COMMAND --help` prints.

python scripts/write_command_reference.py            # writes the page
python scripts/write_command_reference.py --check    # exit code 1 where the page is not what would be written
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from xbar.cli.app import app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "commands.md"
WIDTH = 100
"""Width of the help texts: fixed, so that the page does not depend on the terminal."""

HEAD = """# Commands

Written by `python scripts/write_command_reference.py` from the command line itself; do not edit it by hand.

A mistake of yours is one message with the remedy, and an exit code from [this table](exit-codes.md). `--debug`,
anywhere in the line, shows the traceback. Results go to standard output, all else to standard error. `--json` prints
the same figures as JSON; a number that JSON does not have (NaN, infinity) becomes null. A quantity is text with its
unit: `"1 day"`, `"10 uS"`, `"0.2 V"`.
"""


def command_reference() -> str:
    """Return the page."""
    root: Any = typer.main.get_command(app)
    context = root.make_context("xbar", [], resilient_parsing=True, terminal_width=WIDTH)
    return "\n".join([HEAD, *_sections("xbar", root, context)])


def _sections(title: str, command: Any, context: Any) -> Iterator[str]:
    """Give the section of a command, and those of the commands inside it."""
    yield _section(title, command.get_help(context))
    for name, inner in getattr(command, "commands", {}).items():
        below = inner.make_context(name, [], parent=context, resilient_parsing=True, terminal_width=WIDTH)
        yield from _sections(f"{title} {name}", inner, below)


def _section(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return f"## `{title}`\n\n```text\n{lines}\n```\n"


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare the page instead of writing it")
    page = command_reference()
    if parser.parse_args().check:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
            raise SystemExit(f"{PAGE.name} is not up to date; run python scripts/write_command_reference.py")
        return
    PAGE.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
