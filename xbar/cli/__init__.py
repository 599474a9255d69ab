"""The command `xbar`: one file for each subcommand. Heavy packages are imported by the command that needs them."""

import sys
from typing import NoReturn

DEBUG = "--debug"


def main() -> NoReturn:
    """Run the command line; `--debug`, anywhere in it, shows tracebacks."""
    from xbar.cli.app import app
    from xbar.cli.errors import show_tracebacks

    arguments = sys.argv[1:]
    if DEBUG in arguments:
        show_tracebacks()
        arguments = [argument for argument in arguments if argument != DEBUG]
    app(arguments, prog_name="xbar")
    raise SystemExit(0)
