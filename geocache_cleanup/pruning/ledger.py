"""The ledger: one row for each run, written in the transaction of the run itself."""

import datetime as dt
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup import __version__
from geocache_cleanup.errors import ConfigError, DataError
from geocache_cleanup.result import Result
from geocache_cleanup.times import instants

if TYPE_CHECKING:
    from geocache_cleanup.engines.base import Engine
    from geocache_cleanup.engines.table import Table
    from geocache_cleanup.pruning.job import Job

NAME = "geocache_cleanup_runs"
KEPT_DAYS = 400

# Times are UTC without a zone: SQLite and MySQL have no type that keeps one.
_MOMENT = sa.DateTime()
_TIMES = ("started_at", "cutoff")
LEDGER = sa.Table(
    NAME,
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("started_at", _MOMENT, nullable=False, index=True),
    sa.Column("duration_seconds", sa.Float, nullable=False),
    sa.Column("table_name", sa.String(255), nullable=False),
    sa.Column("time_column", sa.String(255), nullable=False),
    sa.Column("cutoff", _MOMENT, nullable=False),
    sa.Column("retention_days", sa.Integer),
    sa.Column("deleted", sa.BigInteger, nullable=False),
    sa.Column("unreadable", sa.BigInteger, nullable=False),
    sa.Column("batches", sa.Integer, nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
)
_COLUMNS = [column for column in LEDGER.c if column.name != "id"]


class Ledger:
    """The ledger of a database, on one connection."""

    def __init__(self, engine: "Engine", connection: Connection, schema: str | None) -> None:
        self._engine = engine
        self._connection = connection
        self._schema = schema

    @classmethod
    def find(cls, engine: "Engine", connection: Connection) -> Self | None:
        """Return the ledger, None if there is none; raise ConfigError if its name is taken.

        MariaDB and MySQL show it only to accounts with a right on it.
        """
        schema = engine.schema_of(connection, NAME)
        if not engine.has_table(connection, NAME, schema):
            return None
        try:
            columns = sa.inspect(connection).get_columns(NAME, schema=schema)
        except sa.exc.NoSuchTableError:  # somebody has dropped it just now
            return None
        found = {column["name"] for column in columns}
        if not found.issuperset(LEDGER.c.keys()):
            raise ConfigError(
                f"{NAME} is not the ledger that this version writes",
                "rename it if it is not ours, then run geocache-cleanup migrate",
            )
        return cls(engine, connection, schema)

    @classmethod
    def require(cls, engine: "Engine", connection: Connection) -> Self:
        """Return the ledger; raise ConfigError if there is none."""
        found = cls.find(engine, connection)
        if found is None:
            raise ConfigError(
                f"there is no ledger, the table {NAME}", "create it with geocache-cleanup migrate"
            )
        return found

    def outlasts_crash(self) -> bool:
        """Tell whether it keeps what was told if the server crashes."""
        return self._engine.outlasts_crash(self._connection, NAME, self._schema)

    def check_writable(self, table: "Table", job: "Job") -> None:
        """Let the database refuse the record of a run, in a transaction that is to be undone."""
        if table.atomic:
            self._engine.check_beside(self._connection, NAME)
        if self._engine.is_embedded or not self._engine.has_transactions(self._connection, NAME):
            self._write_nothing()
            return
        number = self.write(job, Result())
        if job.batch_seconds:
            self.update(number, job, Result())

    def _write_nothing(self) -> None:
        nothing = sa.select(*_COLUMNS).where(sa.false())
        names = [column.name for column in _COLUMNS]
        self._execute(sa.insert(LEDGER).from_select(names, nothing))
        self._execute(sa.delete(LEDGER).where(sa.false()))

    def write(self, job: "Job", result: Result) -> int:
        """Add a run, and drop those older than ``KEPT_DAYS`` days; return the number it has.

        Raise DataError if a trigger or a rule keeps it out.
        """
        added = self._execute(sa.insert(LEDGER).values(**_entry(job, result)))
        key: Any = added.inserted_primary_key
        # Some drivers do not count what was inserted; of one row too few all tell.
        if added.rowcount == 0 or key is None or key[0] is None:
            raise _refused()
        oldest = _stored(job.now) - dt.timedelta(days=KEPT_DAYS)
        self._execute(sa.delete(LEDGER).where(LEDGER.c.started_at < oldest))
        return int(key[0])

    def update(self, number: int, job: "Job", result: Result) -> int:
        """Put a run in the place of what ``write`` wrote of it before; return its number.

        Add it where somebody has emptied the ledger since: the number may be another run's now.
        """
        is_ours = sa.and_(LEDGER.c.id == number, LEDGER.c.run_id == job.run_id)
        if self._execute(sa.update(LEDGER).where(is_ours).values(**_entry(job, result))).rowcount:
            return number
        if self._execute(sa.select(LEDGER.c.id).where(is_ours)).first():
            raise _refused()
        return self.write(job, result)

    def runs(self, limit: int, table: str | None = None) -> Sequence[Mapping[str, object]]:
        """Return the latest runs, newest first, by the names of the columns.

        Times are RFC 3339 text, and what is no time is shown as it is stored. With ``table`` only
        the runs on that table count.
        """
        # SQLAlchemy would read SQLite's text itself, and fail on what is no time.
        columns = [
            sa.type_coerce(column, sa.String).label(column.name)
            if column.name in _TIMES
            else column
            for column in _COLUMNS
        ]
        statement = sa.select(*columns).order_by(LEDGER.c.started_at.desc(), LEDGER.c.id.desc())
        if table is not None:
            statement = statement.where(LEDGER.c.table_name == table)
        rows = self._execute(statement.limit(limit)).mappings()
        return [
            {name: _shown(stored, is_time=name in _TIMES) for name, stored in row.items()}
            for row in rows
        ]

    def _execute(self, statement: Any) -> Any:
        options = {"schema_translate_map": {None: self._schema}} if self._schema else {}
        return self._connection.execute(statement, execution_options=options)


def _entry(job: "Job", result: Result) -> Mapping[str, object]:
    """Return what is kept of a run: of its result, what there are columns for."""
    return {
        **{name: value for name, value in vars(result).items() if name in LEDGER.c},
        "run_id": job.run_id,
        "started_at": _stored(job.now),
        "table_name": job.table,
        "time_column": job.time_column,
        "cutoff": _stored(job.cutoff),
        "retention_days": job.retention_days,
        "host": socket.gethostname(),
        "version": __version__,
    }


def _refused() -> DataError:
    return DataError(
        f"a trigger or a rule keeps the run from {NAME}", "drop it, or rename the table"
    )


def _stored(instant: int) -> dt.datetime:
    return instants.to_datetime(instant).replace(tzinfo=None)


def _shown(stored: object, *, is_time: bool) -> object:
    """Return a stored value for a document: a time as RFC 3339 text, what is none as it is."""
    if isinstance(stored, bytes):
        return repr(stored)
    if not is_time:
        return stored
    if isinstance(stored, dt.datetime):
        return instants.render(instants.of_datetime(stored.replace(tzinfo=dt.UTC)))
    instant = instants.read_instant(stored, dt.UTC) if isinstance(stored, str) else None
    return stored if instant in {None, instants.UNSET} else instants.render(instant or 0)
