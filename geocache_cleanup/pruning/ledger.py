"""The ledger: one row for each run, written in the transaction of the run itself."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.errors import ConfigError
from geocache_cleanup.times import instants

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


@dataclass(frozen=True)
class Record:
    """One run. Times are UTC; ``retention_days`` is None where the cutoff was given itself."""

    run_id: str
    started_at: dt.datetime
    duration_seconds: float
    table_name: str
    time_column: str
    cutoff: dt.datetime
    retention_days: Optional[int]
    deleted: int
    unreadable: int
    batches: int
    host: str
    version: str


def exists(connection: Connection) -> bool:
    """Tell whether the database has a ledger; raise ConfigError if its name is taken.

    MariaDB and MySQL show it only to accounts with a right on it.
    """
    inspector = sa.inspect(connection)
    if connection.dialect.name in {"mysql", "mariadb"}:
        # An account with no right on it is denied a look, whether or not there is such a table.
        is_there = NAME in inspector.get_table_names()
    else:
        is_there = inspector.has_table(NAME)
    if not is_there:
        return False
    found = {column["name"] for column in inspector.get_columns(NAME)}
    if not found.issuperset(LEDGER.c.keys()):
        raise ConfigError(
            f"{NAME} is not the ledger that this version writes",
            "rename it if it is not ours, then run geocache-cleanup migrate",
        )
    return True


def check_writable(connection: Connection) -> None:
    """Let the database refuse, for want of rights, what ``write`` does; change nothing."""
    columns = [column for column in LEDGER.c if column.name != "id"]
    nothing = sa.select(*columns).where(sa.false())
    connection.execute(sa.insert(LEDGER).from_select([c.name for c in columns], nothing))
    connection.execute(sa.delete(LEDGER).where(sa.false()))


def write(connection: Connection, record: Record) -> int:
    """Add a run, and drop the runs that are older than ``KEPT_DAYS`` days; return the run's id."""
    added = connection.execute(sa.insert(LEDGER).values(**_stored(record)))
    oldest = _naive(record.started_at) - dt.timedelta(days=KEPT_DAYS)
    connection.execute(sa.delete(LEDGER).where(LEDGER.c.started_at < oldest))
    key: Any = added.inserted_primary_key
    return int(key[0])


def update(connection: Connection, number: int, record: Record) -> None:
    """Put a run in the place of what was written of it before, under the id of ``write``."""
    connection.execute(sa.update(LEDGER).where(LEDGER.c.id == number).values(**_stored(record)))


def read(
    connection: Connection, limit: int, table: Optional[str] = None
) -> Sequence[Mapping[str, object]]:
    """Return the latest runs, newest first, each with the fields of ``Record``.

    Times are RFC 3339 text, and what is no time is shown as it is stored. With ``table`` only
    the runs on that table count. Raise ConfigError if there is no ledger.
    """
    if not exists(connection):
        raise ConfigError(
            f"there is no ledger, the table {NAME}", "create it with geocache-cleanup migrate"
        )
    # SQLAlchemy would read SQLite's text itself, and fail on what is no time.
    columns = [
        sa.type_coerce(column, sa.String).label(column.name) if column.name in _TIMES else column
        for column in LEDGER.c
        if column.name != "id"
    ]
    statement = sa.select(*columns).order_by(LEDGER.c.started_at.desc(), LEDGER.c.id.desc())
    if table is not None:
        statement = statement.where(LEDGER.c.table_name == table)
    rows = connection.execute(statement.limit(limit)).mappings()
    return [
        {name: _shown(stored, is_time=name in _TIMES) for name, stored in row.items()}
        for row in rows
    ]


def _shown(stored: object, *, is_time: bool) -> object:
    """Return a stored value for a document: a time as RFC 3339 text, what is none as it is."""
    if isinstance(stored, bytes):
        return repr(stored)
    if not is_time:
        return stored
    if isinstance(stored, dt.datetime):
        return instants.render(instants.of_datetime(_aware(stored)))
    instant = instants.read_instant(stored, dt.UTC) if isinstance(stored, str) else None
    return stored if instant is None else instants.render(instant)


def _stored(record: Record) -> Mapping[str, object]:
    times = {"started_at": _naive(record.started_at), "cutoff": _naive(record.cutoff)}
    return {**vars(record), **times}


def _naive(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(tzinfo=None)


def _aware(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC)
