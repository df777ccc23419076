"""What is to go wrong in a run: which system call, and how. failing_io.c makes it so."""

import enum
import errno
from dataclasses import dataclass


class Kind(enum.IntFlag):
    """Kinds of system calls; the numbers are those of failing_io.c."""

    READ = 1
    WRITE = 2
    SYNC = 4
    TRUNCATE = 8
    UNLINK = 16
    OPEN = 32
    LOCK = 64
    CHANGE = WRITE | SYNC | TRUNCATE | UNLINK


class Action(enum.IntEnum):
    """What happens at the call; the numbers are those of failing_io.c."""

    FAIL = 0
    FAIL_FROM_HERE = 1
    TEAR = 2
    DIE_BEFORE = 3
    DIE_IN_THE_MIDDLE = 4
    DIE_AFTER = 5
    STEP_CLOCK = 6
    CUT_POWER = 7
    STOP = 8


@dataclass(frozen=True)
class Fault:
    """What is to go wrong: the nth call of these kinds on paths that contain ``part``.

    ``clock`` is what the system clock is ahead, in seconds, and what it is from that call on.
    """

    kinds: Kind = Kind.CHANGE
    nth: int = 0
    action: Action = Action.FAIL
    number: int = errno.EIO
    part: str = ""
    clock: tuple[int, int] = (0, 0)
