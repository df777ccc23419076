"""What settings of a MariaDB or MySQL server, which no session can change, let a crash undo."""

from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_VARIABLES = sa.text(
    "SHOW GLOBAL VARIABLES WHERE variable_name IN"
    " ('innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'wsrep_on')"
)


def findings(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield each of them that is not as it should be, with a remedy."""
    rows = connection.execute(_VARIABLES)
    values: Mapping[str, str] = {str(name).lower(): str(value) for name, value in rows}
    if values.get("wsrep_on") == "ON":
        return  # the other nodes of the cluster have what one loses
    flush, sync = "innodb_flush_log_at_trx_commit", "sync_binlog"
    if values.get(flush) in {"0", "2"}:
        yield _finding(flush, values[flush])
    # With a binary log it is that log which tells, after a crash, what was committed.
    if values.get("log_bin") == "ON" and values.get(sync) == "0":
        yield _finding(sync, values[sync])


def _finding(name: str, value: str) -> tuple[str, str]:
    return (
        f"{name} of the server is {value}: a power cut may undo a run that was told as done",
        f"set {name} = 1 in the server's configuration; the next run deletes such rows again",
    )
