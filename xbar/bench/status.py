"""Status of a reading, common to all drivers; the instrument's own word is kept beside it where there is one."""

from enum import IntFlag


class Status(IntFlag):
    """Flags of one reading; 0 is a good reading."""

    OK = 0
    COMPLIANCE = 1
    """The source stood at its current limit."""
    OVERRANGE = 2
    """A converter or a range was at its end: the true value may be larger."""
    OTHER_COMPLIANCE = 4
    """Another source of the same bench stood at its limit."""
    OSCILLATION = 8
    UNSETTLED = 16
    INTERLOCK = 32
    ABORTED = 64
    """The operation was stopped before this reading was complete."""
    STALE = 128
    INPUT_OVERRANGE = 256
    """An input converter was at its end: a word line got less than was asked for."""
