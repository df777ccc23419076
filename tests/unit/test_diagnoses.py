"""What the codes of errors mean, without the servers that send them."""

import sqlite3

import pytest

from geocache_cleanup.engines.mysql import errors as mysql_errors
from geocache_cleanup.engines.postgresql import errors as postgresql_errors
from geocache_cleanup.engines.sqlite import errors as sqlite_errors
from geocache_cleanup.errors import ExitStatus


class DriverError(Exception):
    """An error of a driver of PostgreSQL's: its SQLSTATE is an attribute."""

    def __init__(self, said: str, sqlstate: str | None) -> None:
        super().__init__(said)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("40001", ExitStatus.TEMPFAIL),
        ("55P03", ExitStatus.TEMPFAIL),
        ("57P01", ExitStatus.UNAVAILABLE),
        ("53300", ExitStatus.UNAVAILABLE),
        ("53100", ExitStatus.IOERR),
        ("42501", ExitStatus.NOPERM),
        ("42P01", ExitStatus.CONFIG),
        ("23503", ExitStatus.DATAERR),
    ],
)
def test_postgresql_by_state_and_class(state: str, status: ExitStatus) -> None:
    """A state that is listed counts before its class."""
    found = postgresql_errors.diagnose(DriverError("said", state))
    assert found is not None
    assert (found.status, found.reason.endswith(": said")) == (status, True)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (1205, ExitStatus.TEMPFAIL),
        (2003, ExitStatus.UNAVAILABLE),
        (1021, ExitStatus.IOERR),
        (1142, ExitStatus.NOPERM),
        (1146, ExitStatus.CONFIG),
        (1451, ExitStatus.DATAERR),
        # A trigger has chosen these for SIGNAL.
        (45_000, ExitStatus.DATAERR),
        (-20_000, ExitStatus.DATAERR),
    ],
)
def test_mysql_by_number(number: int, status: ExitStatus) -> None:
    """The number is told, as it is what one looks up."""
    found = mysql_errors.diagnose(Exception(number, "said"))
    assert found is not None
    assert (found.status, found.reason.endswith(f": said ({number})")) == (status, True)


def test_no_number_has_two_meanings() -> None:
    """And what only words tell is told by them alone."""
    listed = " ".join(mysql_errors.NUMBERS.values()).split()
    assert len(listed) == len(mysql_errors.ERRNOS)
    assert not mysql_errors.ERRNOS.keys() & mysql_errors.MISLEADING


def test_our_own_statement_that_is_wrong_is_a_bug() -> None:
    """No admin can do anything about it."""
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(":memory:").execute("SELEC 1")
    assert sqlite_errors.diagnose(caught.value, "/srv/geo.db") is None
    assert postgresql_errors.diagnose(DriverError("syntax error", "42601")) is None
    assert mysql_errors.diagnose(Exception(1064, "syntax error")) is None
