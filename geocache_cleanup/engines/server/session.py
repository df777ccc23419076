"""A connection to a database server that is bounded in time and can be interrupted."""

import abc
import contextlib
import enum
import math
import socket
from typing import Any, Iterator, NoReturn, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.server import drivers, errors
from geocache_cleanup.engines.server.cancellation import Canceller, call_interruptibly
from geocache_cleanup.errors import CleanupError, ConfigError, UnavailableError

# Waiting for a lock ends a little earlier than the run, to be told from other slowness.
_LOCK_SHARE = 0.8
_LONGEST_SECONDS = 86_400
_UNUSABLE = errors.BAD_URL.explain("")


class Mode(enum.Enum):
    """What a connection is for."""

    READ = "read"
    WRITE = "write"
    MIGRATE = "migrate"


class Session(abc.ABC):
    """How one database on a server is reached; engines differ in the methods to override."""

    def __init__(self, url: URL, deadline: Deadline) -> None:
        """Choose the driver; raise ConfigError if there is none, or the URL cannot be used."""
        self.url = drivers.with_driver(url)
        self.deadline = deadline
        self.mode = Mode.READ
        self._raw: Any = None
        self._committing = False
        try:
            self.engine = sa.create_engine(
                self.url, creator=self._open, poolclass=NullPool, future=True
            )
        except (sa.exc.ArgumentError, ImportError, TypeError, ValueError) as error:
            raise ConfigError(
                f"the database URL cannot be used: {type(error).__name__}",
                "check what follows ? in --database-url, and that the driver works",
            ) from None
        self.dialect: Any = self.engine.dialect
        sa.event.listen(self.engine, "begin", self._begin)
        sa.event.listen(self.engine, "commit", self._commit)
        sa.event.listen(self.engine, "before_cursor_execute", self._look)

    @contextlib.contextmanager
    def open(
        self,
        *,
        write: bool,  # noqa: ARG002 - one signature for all engines
    ) -> Iterator[Connection]:
        """See ``backend.Backend.open``."""
        with self._explained(), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def transaction(self, connection: Connection, *, write: bool) -> Iterator[None]:
        """See ``backend.Backend.transaction``. Others are kept out by ``lock``."""
        self.mode = Mode.WRITE if write else Mode.READ
        with connection.begin():
            yield

    @contextlib.contextmanager
    def connect_to_migrate(self) -> Iterator[Connection]:
        """See ``backend.Backend.connect_to_migrate``; each statement is a transaction of its own.

        An index that is built beside writers can be built in no other way.
        """
        self.mode = Mode.MIGRATE
        with self._explained(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        self.deadline.check()
        try:
            with Canceller(self.deadline, self._cancel, self._cut):
                yield
        except (sa.exc.DBAPIError, self.dialect.dbapi.Error) as error:
            self._explain(error)
        except sa.exc.InvalidRequestError as error:
            if "MariaDB" not in str(error):
                raise
            raise ConfigError("the server is MySQL, not MariaDB", "use a mysql:// URL") from None
        finally:
            self._raw = None
            self.engine.dispose()

    def _open(self) -> Any:
        """Connect; a name server or a host that does not answer must not outlast a signal."""
        arguments, options = self.dialect.create_connect_args(self.url)
        seconds = math.ceil(min(self.deadline.remaining, _LONGEST_SECONDS))
        options = {**self.options(seconds), **options}
        try:
            self._raw = call_interruptibly(
                lambda: self.dialect.connect(*arguments, **options), self.deadline
            )
        except (TypeError, ValueError) as error:
            raise _UNUSABLE from error
        except self.dialect.dbapi.ProgrammingError as error:
            # Nothing has been asked of the server yet: it is what the URL says.
            raise self.explain(error) or _UNUSABLE from error
        except RuntimeError as error:  # PyMySQL: a way to log in that needs another package
            raise ConfigError(
                f"the driver cannot log in: {error}", "apt install python3-cryptography"
            ) from None
        return self._raw

    def _begin(self, _: Connection) -> None:
        remaining = self.deadline.remaining if math.isfinite(self.deadline.timeout) else None
        self._committing = False
        cursor = self._raw.cursor()
        for statement in self.preamble(self.mode, remaining):
            cursor.execute(statement)
        cursor.close()

    def _look(self, *_: object) -> None:
        self.deadline.check()

    def _commit(self, _: Connection) -> None:
        self._committing = self.mode is Mode.WRITE

    def _cancel(self) -> None:
        if self._raw is not None:
            self.cancel(self._raw)

    def _cut(self) -> None:
        number = self.descriptor(self._raw)
        if number is not None:
            with socket.socket(fileno=socket.dup(number)) as copy:
                copy.shutdown(socket.SHUT_RDWR)

    def _explain(self, error: Exception) -> NoReturn:
        """Raise what an error means to the admin; a bug stays what it is."""
        original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        assert isinstance(original, Exception)
        explained = self.explain(original)
        if self._committing and isinstance(explained, UnavailableError):
            raise explained.of_commit() from None
        if self.deadline.expired():
            self.deadline.check()
        if explained is None:
            raise error
        raise explained from None

    @abc.abstractmethod
    def options(self, seconds: int) -> dict[str, object]:
        """Return the driver's options for a connection that may take so long."""

    @abc.abstractmethod
    def preamble(self, mode: Mode, seconds: Optional[float]) -> Sequence[str]:
        """Return what to execute first in a transaction that may take so long (None: for ever)."""

    @abc.abstractmethod
    def cancel(self, raw: Any) -> None:
        """Ask the server to end the statement that the driver's connection waits for."""

    @abc.abstractmethod
    def descriptor(self, raw: Any) -> Optional[int]:
        """Return the socket of the driver's connection, None if it does not tell."""

    @abc.abstractmethod
    def explain(self, error: Exception) -> Optional[CleanupError]:
        """Return what an error of the driver means, None for a bug."""


def lock_seconds(seconds: float) -> float:
    """Return how long to wait for one lock in a run that may take so long."""
    return max(seconds * _LOCK_SHARE, 0.001)


def one_line(text: str) -> str:
    """Return what a driver said, its lines joined."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
