"""Errors of xbar and the exit codes that the command line gives for them.

Every error is an `XbarError` and also of the built-in kind that fits, so that it can be caught by library or by kind.
A message names the quantity, its value with the unit, the limit and the remedy.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the command `xbar`; `docs/reference/exit-codes.md` describes each."""

    OK = 0
    """The command did what was asked."""
    INTERNAL = 1
    """An error inside xbar: please report it with the traceback that `--debug` shows."""
    INPUT = 2
    """An argument, an option or a value is wrong, or a name is unknown."""
    FILE = 3
    """A file cannot be read or written, exists already, or does not hold what it should."""
    UNSUPPORTED = 4
    """This bench, card or network cannot do what was asked."""
    LIMIT = 5
    """The guard refused the operation: a limit of the bench would be passed. Nothing was sent."""
    REPLAY = 6
    """What was asked is not what the trace recorded."""
    TRACE = 7
    """The trace could not be written any further; what it holds up to there is safe."""
    UNSAFE = 8
    """Outputs may still be ON: the message names them."""
    DRIVER = 9
    """The driver or an instrument behind it reported an error."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM: outputs are off, the trace is closed and valid."""


class XbarError(Exception):
    """Base of all errors that xbar raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL


class InputError(XbarError, ValueError):
    """A value, a shape or an option that cannot be meant."""

    exit_code = ExitCode.INPUT


class UnknownNameError(XbarError, LookupError):
    """A card, driver, effect or array name that does not exist; the message lists those that do."""

    exit_code = ExitCode.INPUT


class FileError(XbarError, OSError):
    """A file that cannot be opened, read or written, or that exists already."""

    exit_code = ExitCode.FILE


class FormatError(XbarError, ValueError):
    """A file whose content is not what its kind and version promise."""

    exit_code = ExitCode.FILE


class Unsupported(XbarError, RuntimeError):
    """Something that this driver, card, network or version cannot do; never skipped silently."""

    exit_code = ExitCode.UNSUPPORTED


class LimitError(XbarError, ValueError):
    """The guard refused an operation before anything was sent."""

    exit_code = ExitCode.LIMIT


class ReplayError(XbarError, LookupError):
    """An operation that the trace does not hold at this place."""

    exit_code = ExitCode.REPLAY


class TraceWriteError(XbarError, OSError):
    """The trace could not be written; nothing is appended after the first such error."""

    exit_code = ExitCode.TRACE


class UnsafeError(XbarError, RuntimeError):
    """Outputs that could not be switched off."""

    exit_code = ExitCode.UNSAFE


class DriverError(XbarError, RuntimeError):
    """A driver, or an instrument behind it, failed."""

    exit_code = ExitCode.DRIVER


class Interrupted(XbarError, KeyboardInterrupt):
    """Ctrl-C, Ctrl-Break or SIGTERM, seen between two operations."""

    exit_code = ExitCode.INTERRUPTED
