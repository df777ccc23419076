"""What a session on MariaDB or MySQL is set to, whatever the account or the server say."""

import hashlib
import math
from collections.abc import Iterator, Sequence

from geocache_cleanup.engines.server.engine import Mode, lock_seconds

# What the server and the driver allow on top: this program cancels first and says why.
GRACE_SECONDS = 5
# The server's own mode would decide what a cast may do.
SQL_MODE = "NO_ENGINE_SUBSTITUTION"
# An engine with transactions.
STORAGE = "InnoDB"
# What SQLAlchemy's first questions need as well: it asks them, and ends them with ROLLBACK.
AT_CONNECT = "SET SESSION completion_type = 0, sql_select_limit = 18446744073709551615"
_SETTINGS = (
    "time_zone = '+00:00'",
    "sql_safe_updates = 0",
    "sql_big_selects = 1",
    "sql_quote_show_create = 1",  # SQLAlchemy reads what SHOW CREATE TABLE prints
    "foreign_key_checks = 1",
    "unique_checks = 1",
    # Locks no row that stays; but a binary log of statements does not go with it.
    (
        "{isolation} = IF(@@log_bin AND @@binlog_format = 'STATEMENT',"
        " 'REPEATABLE-READ', 'READ-COMMITTED')"
    ),
)


def preamble(mode: Mode, seconds: float | None, token: str, *, is_mariadb: bool) -> Sequence[str]:
    """Return what to execute first in a transaction that may take so long (None: for ever).

    ``token`` is the name of a lock by which to find the session again.
    """
    isolation = "tx_isolation" if is_mariadb else "transaction_isolation"
    settings = [setting.format(isolation=isolation) for setting in _SETTINGS]
    # What a pattern means; and how long MySQL lets a SELECT take.
    settings.append("default_regex_flags = ''" if is_mariadb else "max_execution_time = 0")
    settings += _limits(seconds, is_mariadb=is_mariadb)
    if mode is Mode.MIGRATE:
        # For the table of revisions, which Alembic makes; our own tables name it.
        settings.append(f"default_storage_engine = {STORAGE}")
    statements = [f"SET SESSION {', '.join(settings)}", f"DO GET_LOCK('{token}', 0)"]
    if mode is not Mode.MIGRATE:
        # Asking for READ WRITE would override what is set read-only on purpose.
        access = " READ ONLY" if mode is Mode.READ else ""
        statements.append(f"START TRANSACTION{access}")
    return statements


def lock_sql(what: str) -> str:
    """Return what takes an advisory lock if it is free; it ends with the connection."""
    # Its name has 64 characters at most, a table's up to twice as many.
    name = hashlib.sha256(what.encode()).hexdigest()[:32]
    return f"GET_LOCK('geocache_cleanup.{name}', 0)"


def _limits(seconds: float | None, *, is_mariadb: bool) -> Iterator[str]:
    if seconds is None:
        return
    lock, idle = max(1, int(lock_seconds(seconds))), math.ceil(seconds) + GRACE_SECONDS
    yield f"lock_wait_timeout = {lock}"
    yield f"innodb_lock_wait_timeout = {lock}"
    yield f"wait_timeout = {idle}"
    if is_mariadb:
        yield f"max_statement_time = {idle}"
