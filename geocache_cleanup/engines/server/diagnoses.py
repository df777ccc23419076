"""What the errors of servers amount to: how they end a command, and what the admin should do.

Which code of which server means what is in the ``errors.py`` of each.
"""

from geocache_cleanup.errors import (
    ConfigError,
    DataError,
    Diagnosis,
    PermissionRefusedError,
    StorageError,
    TemporaryError,
    UnavailableError,
)

UNREACHABLE = Diagnosis(
    UnavailableError,
    "the server cannot be reached",
    "see that it runs, and the host, the port or the socket in --database-url",
    "see that it runs, and the host, the port or the socket in --database-url; over TCP, copy the "
    "example network.conf to the unit's drop-ins",
)
LOST = Diagnosis(
    UnavailableError,
    "the connection to the server was lost; the ledger says whether the last transaction was kept",
    "see the log of the server, and of the pooler where there is one; running again is safe",
)
NOT_READY = Diagnosis(
    UnavailableError,
    "the server takes no work now",
    "it is starting, stopping, out of connections, or has no quorum; see its log",
)
READ_ONLY = Diagnosis(
    UnavailableError,
    "the server is read-only",
    "it is a replica: name the primary in --database-url; or it was set so, for the server or for "
    "the account (default_transaction_read_only, tx_read_only)",
)
LOCKED = Diagnosis(
    TemporaryError,
    "another transaction holds a lock on the rows or the table for too long",
    "see what it is in the server's list of processes, or raise --timeout",
)
MIGRATING = Diagnosis(
    TemporaryError, "another migration is at work", "wait for it; running again is safe"
)
CONFLICT = Diagnosis(
    TemporaryError,
    "another transaction was in the way; the transaction was undone",
    "running again is safe; systemd does so",
)
CANCELLED = Diagnosis(
    TemporaryError,
    "the server ended the statement; the transaction was undone",
    "an administrator or a time limit of the server's account ended it; run again, and migrate "
    "and --reclaim without a pooler: behind one such limits hold for them",
)
OUT_OF_MEMORY = Diagnosis(
    TemporaryError, "the server is out of memory or locks", "see the server's log; run again"
)
REFUSED = Diagnosis(
    PermissionRefusedError,
    "the server refuses the user",
    "check user, password and how the server lets this user in (pg_hba.conf; unix_socket)",
)
FORBIDDEN = Diagnosis(
    PermissionRefusedError,
    "the user lacks a privilege",
    "grant SELECT and DELETE on the table, and SELECT, INSERT and DELETE on the ledger "
    "geocache_cleanup_runs (with --batch-seconds UPDATE as well); migrate needs the owner",
)
ROW_SECURITY = Diagnosis(
    PermissionRefusedError,
    "row-level security would hide rows of the table from the user",
    "ALTER ROLE ... BYPASSRLS, or let the owner of the table run it: a policy for the user alone "
    "does not show that it sees all rows",
)
TRIGGER_FORBIDDEN = Diagnosis(
    PermissionRefusedError,
    "a trigger or function of the database lacks a privilege",
    "grant the user what it needs, or make it SECURITY DEFINER",
)
NO_DATABASE = Diagnosis(
    ConfigError, "there is no such database", "check the name in --database-url"
)
NO_TABLE = Diagnosis(
    ConfigError,
    "a table or column is missing",
    "check --table and --time-column; geocache-cleanup migrate brings the ledger up to date",
)
NO_SCHEMA = Diagnosis(
    ConfigError,
    "there is no schema to look in",
    "name the table's own, as in --table=public.geo_cache, or let search_path name one: ALTER ROLE "
    "... SET search_path = public",
)
MIXED = Diagnosis(
    ConfigError,
    "the server lets no transaction change tables with and without transactions",
    "geocache-cleanup migrate moves the ledger to InnoDB; move what triggers write to likewise, by "
    "ALTER TABLE ... ENGINE=InnoDB",
)
UNSUPPORTED = Diagnosis(
    ConfigError, "the server cannot do this", "see which versions the README names"
)
NOT_ALLOWED = Diagnosis(
    ConfigError,
    "the table does not allow it",
    "deletions that are published need a REPLICA IDENTITY; not every type and length can be "
    "indexed: a run works without an index, and without migrate",
)
BAD_URL = Diagnosis(
    ConfigError, "the driver cannot use the URL", "check what follows ? in --database-url"
)
SETTING = Diagnosis(
    ConfigError,
    "a setting of the server does not allow it",
    "change what the server names, for the account or for all",
)
NO_TRANSACTIONS = Diagnosis(
    ConfigError,
    "the pooler takes no transactions",
    "give the database pool_mode = transaction or session in pgbouncer.ini, or connect to the "
    "server itself",
)
STORAGE = Diagnosis(
    StorageError, "the server's storage is full or failing", "see df on the server, and its log"
)
DAMAGED = Diagnosis(
    DataError, "the table or its index is damaged", "check and repair it; restore a backup"
)
CONSTRAINT = Diagnosis(
    DataError,
    "a constraint or trigger of the database refuses the deletion",
    "give the foreign key ON DELETE CASCADE, or change the trigger",
)
OTHER = Diagnosis(
    DataError,
    "the database refuses it",
    "see what it says, its log, and the triggers, policies and rules of the table",
)
TOO_LARGE = Diagnosis(
    DataError,
    "the deletion is larger than the server takes in one transaction",
    "use --batch-seconds, or raise the server's limit "
    "(max_binlog_cache_size, wsrep_max_ws_size, wsrep_max_ws_rows, innodb_buffer_pool_size)",
)


def one_line(text: str) -> str:
    """Return what a driver said, its lines joined."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
