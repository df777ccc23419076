"""What there is to say of a connection: the engine, its version, the driver, a SQLite file."""

import pwd
from dataclasses import dataclass

_OVERFLOW = 65_534


@dataclass(frozen=True)
class ConnectionInfo:
    """The connection. What follows ``user`` is of SQLite only, and None elsewhere.

    ``user`` is the one of the operating system that the command runs as. ``free_bytes`` of the
    file hold nothing, and are used again before it grows.
    """

    engine: str
    version: str
    driver: str
    user: str
    file: str | None = None
    file_owner: str | None = None
    file_bytes: int | None = None
    free_bytes: int | None = None
    journal_mode: str | None = None


def user_name(number: int) -> str:
    """Return the name of a user, the number itself where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def owner_name(number: int) -> str:
    """Return the name of a file's owner.

    In the sandbox all users but root and that of the job have the number of nobody, see
    user_namespaces(7).
    """
    return "another user" if number == _OVERFLOW else user_name(number)
