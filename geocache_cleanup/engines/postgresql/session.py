"""What a connection to PostgreSQL is set to, whatever its role, database or server say.

In a transaction all settings are local: behind a pooler, the connection is the application's next.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from geocache_cleanup.engines.server.engine import Mode, lock_seconds

# What the server allows itself on top: this program cancels first and says why.
_GRACE_SECONDS = 5
_LOCAL = (
    "TIME ZONE 'UTC'",
    "standard_conforming_strings = on",
    "DateStyle = 'ISO'",
    "extra_float_digits = 1",
    # Rows that a policy would hide are not told from rows that are not there.
    "row_security = off",
)
# Told as done, a run must outlast a crash of the server. What waits for a standby as well may stay.
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', {local})"
    " WHERE current_setting('synchronous_commit') = 'off'"
)
# Since version 17. A new value does not start it anew: it is switched off, as each statement has
# a limit of its own.
_WHOLE = (
    "SELECT set_config('transaction_timeout', '0', {local})"
    " WHERE current_setting('transaction_timeout', true) <> '0'"
)
# A replica says so at once, before anything is searched; asking for READ WRITE would override
# a role that is set read-only on purpose. The other is refused: only a superuser may reset it.
_MUST_WRITE = (
    "DO $$BEGIN IF current_setting('transaction_read_only')::boolean THEN"
    " RAISE read_only_sql_transaction USING MESSAGE ="
    " 'a replica, or default_transaction_read_only of the role, the database or the server';"
    " ELSIF current_setting('session_replication_role') = 'replica' THEN"
    " RAISE object_not_in_prerequisite_state USING MESSAGE ="
    " 'session_replication_role is replica: no trigger and no foreign key would act';"
    " END IF; END$$"
)


def preamble(mode: Mode, seconds: float | None) -> Sequence[str]:
    """Return what to execute first in a transaction that may take so long (None: for ever)."""
    # Of a row that is being refreshed, READ COMMITTED judges what it then holds.
    begin = ["SET TRANSACTION ISOLATION LEVEL READ COMMITTED"]
    begin.append("SET TRANSACTION READ ONLY" if mode is Mode.READ else _MUST_WRITE)
    idle = [] if seconds is None else [f"idle_in_transaction_session_timeout = {_limit(seconds)}"]
    settings = [*_LOCAL, *_limits(seconds), *idle]
    # A limit on the whole transaction has begun to run.
    return [*begin, *_raised(local=True), *(f"SET LOCAL {setting}" for setting in settings)]


def migration_preamble(raw: Any, seconds: float | None) -> Sequence[str]:
    """Return what to execute first where each statement is a transaction of its own.

    Nothing behind a pooler, which would give the settings to others, and the next statement to
    another connection: there the account's own limits hold, and this program's clock.
    """
    if is_pooled(raw):
        return []
    return [*(f"SET {limit}" for limit in _limits(seconds)), *_raised(local=False)]


def _limits(seconds: float | None) -> Iterator[str]:
    if seconds is not None:
        yield f"lock_timeout = {_milliseconds(lock_seconds(seconds))}"
        yield f"statement_timeout = {_limit(seconds)}"


def _raised(*, local: bool) -> Iterator[str]:
    for statement in (_WHOLE, _DURABLE):
        yield statement.format(local=str(local).lower())


def is_pooled(raw: Any) -> bool:
    """Tell whether it is another process that answers than the one that was connected to."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return bool(cursor.fetchone()[0] != raw.info.backend_pid)


def _limit(seconds: float) -> int:
    return _milliseconds(seconds + _GRACE_SECONDS)


def _milliseconds(seconds: float) -> int:
    return min(max(1, math.ceil(seconds * 1_000)), 2**31 - 1)
