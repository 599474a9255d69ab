"""Errors at the edge: one message with the remedy on standard error, and the documented exit code."""

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import typer

from xbar.errors import ExitCode, UnsafeError, XbarError

Command = TypeVar("Command", bound=Callable[..., Any])

_SHOW = "XBAR_DEBUG"


def show_tracebacks() -> None:
    """Show tracebacks of errors from now on, in this process and its children (also: the variable XBAR_DEBUG)."""
    os.environ[_SHOW] = "1"


def fail(message: str, code: ExitCode) -> typer.Exit:
    """Print a message to standard error and return the exit to raise."""
    print(f"xbar: {message}", file=sys.stderr)
    if os.environ.get(_SHOW):
        traceback.print_exc()
    return typer.Exit(int(code))


def _why(error: UnsafeError) -> str:
    """Return what ended the bench with outputs that could not be switched off; nothing where that is not known."""
    first = error.__cause__
    return str(first) if isinstance(first, XbarError) else ""


def _warner(others: Callable[..., None]) -> Callable[..., None]:
    """Return what shows warnings: those of card laws once each, in a line without a place in the code."""
    shown: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if category.__name__ != "ExtrapolationWarning":
            others(message, category, *place, **more)
        elif str(message) not in shown:
            shown.add(str(message))
            print(f"xbar: warning: {message}", file=sys.stderr)

    return show


def reports_errors(command: Command) -> Command:
    """Make a command end with a message and a documented exit code instead of a traceback."""

    @wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _warner(warnings.showwarning)
                return command(*arguments, **options)
        except typer.Exit:
            raise
        except XbarError as error:
            if isinstance(error, UnsafeError) and (why := _why(error)):
                print(f"xbar: {why}", file=sys.stderr)  # what is still ON is said last
            raise fail(str(error), error.exit_code) from error
        except KeyboardInterrupt as error:
            raise fail("stopped", ExitCode.INTERRUPTED) from error
        except BrokenPipeError:
            # Whoever read the output has gone: nothing more to say, and nothing to print at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(int(ExitCode.OK)) from None
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise fail(f"{place}{error.strerror or error}", ExitCode.FILE) from error
        except MemoryError as error:
            raise fail("out of memory; use a smaller --batch or fewer --samples", ExitCode.INTERNAL) from error
        except Exception as error:
            kind = type(error).__name__
            raise fail(
                f"internal error, {kind}: {error} (--debug shows where; please report it)", ExitCode.INTERNAL
            ) from error

    return wrapped  # type: ignore[return-value]  # same parameters as the command
