"""What the errors of servers mean to the admin, in tables: the exit status and what to do."""

from dataclasses import dataclass
from typing import Mapping, Optional

from geocache_cleanup.errors import (
    CleanupError,
    ConfigError,
    DataError,
    PermissionRefusedError,
    StorageError,
    TemporaryError,
    UnavailableError,
)


@dataclass(frozen=True)
class Meaning:
    """What an error of a server amounts to: how it ends a run, why, and what helps."""

    error: type[CleanupError]
    reason: str
    hint: str

    def explain(self, text: str) -> CleanupError:
        """Return the error to raise, with what the server said."""
        return self.error(f"{self.reason}: {text}" if text else self.reason, self.hint)


UNREACHABLE = Meaning(
    UnavailableError,
    "the server cannot be reached",
    "see that it runs, and the host, the port or the socket in --database-url; under systemd the "
    "unit needs the drop-in that lets it use the network",
)
LOST = Meaning(
    UnavailableError,
    "the connection to the server was lost; the ledger says whether the last transaction was kept",
    "see the server's log; running again is safe",
)
NOT_READY = Meaning(
    UnavailableError,
    "the server takes no work now",
    "it is starting, stopping, out of connections, or has no quorum; see its log",
)
READ_ONLY = Meaning(
    UnavailableError,
    "the server is read-only",
    "it is a replica or was set so: name the primary in --database-url",
)
LOCKED = Meaning(
    TemporaryError,
    "another transaction holds a lock on the rows or the table for too long",
    "see what it is in the server's list of processes, or raise --timeout",
)
CONFLICT = Meaning(
    TemporaryError,
    "another transaction was in the way; the transaction was undone",
    "running again is safe; systemd does so",
)
CANCELLED = Meaning(
    TemporaryError,
    "the server ended the statement; the transaction was undone",
    "an administrator or a time limit of the server's account ended it; run again",
)
OUT_OF_MEMORY = Meaning(
    TemporaryError, "the server is out of memory or locks", "see the server's log; run again"
)
REFUSED = Meaning(
    PermissionRefusedError,
    "the server refuses the user",
    "check user, password and how the server lets this user in (pg_hba.conf; unix_socket)",
)
FORBIDDEN = Meaning(
    PermissionRefusedError,
    "the user lacks a privilege",
    "grant SELECT and DELETE on the table, and SELECT, INSERT and DELETE on the ledger "
    "geocache_cleanup_runs (with --batch-seconds UPDATE as well); migrate needs the owner",
)
NO_DATABASE = Meaning(ConfigError, "there is no such database", "check the name in --database-url")
NO_TABLE = Meaning(
    ConfigError,
    "a table or column is missing",
    "check --table and --time-column; geocache-cleanup migrate brings the ledger up to date",
)
UNSUPPORTED = Meaning(
    ConfigError, "the server cannot do this", "see which versions the README names"
)
NOT_ALLOWED = Meaning(
    ConfigError,
    "the table does not allow it",
    "deletions that are published need a REPLICA IDENTITY; not every type and length can be "
    "indexed: a run works without an index, and without migrate",
)
BAD_URL = Meaning(
    ConfigError, "the driver cannot use the URL", "check what follows ? in --database-url"
)
STORAGE = Meaning(
    StorageError, "the server's storage is full or failing", "see df on the server, and its log"
)
DAMAGED = Meaning(
    DataError, "the table or its index is damaged", "check and repair it; restore a backup"
)
CONSTRAINT = Meaning(
    DataError,
    "a constraint or trigger of the database refuses the deletion",
    "give the foreign key ON DELETE CASCADE, or change the trigger",
)
TOO_LARGE = Meaning(
    DataError,
    "the deletion is larger than the server takes in one transaction",
    "use --batch-seconds, or raise the server's limit "
    "(max_binlog_cache_size, wsrep_max_ws_size, wsrep_max_ws_rows, innodb_buffer_pool_size)",
)

# SQLSTATE of PostgreSQL, by code or by class; see its manual, appendix A.
SQLSTATES: Mapping[str, Meaning] = {
    "08": LOST,
    "57P01": LOST,
    "57P02": LOST,
    "57P03": NOT_READY,
    "53300": NOT_READY,
    "57P04": NO_DATABASE,
    "57P05": LOST,
    "25006": READ_ONLY,
    "55P03": LOCKED,
    "40": CONFLICT,
    "25P03": CANCELLED,
    "25P04": CANCELLED,
    "57014": CANCELLED,
    "53200": OUT_OF_MEMORY,
    "53": STORAGE,
    "58": STORAGE,
    "28": REFUSED,
    "42501": FORBIDDEN,
    "3D000": NO_DATABASE,
    "3F000": NO_TABLE,
    "42P01": NO_TABLE,
    "42703": NO_TABLE,
    "0A000": UNSUPPORTED,
    "42704": NOT_ALLOWED,
    "54000": NOT_ALLOWED,
    "55000": NOT_ALLOWED,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
    "23": CONSTRAINT,
    "P0001": CONSTRAINT,
}

# libpq gives a refused connection no SQLSTATE: its words are all there is.
POSTGRESQL_WORDS: Mapping[str, Meaning] = {
    "too many": NOT_READY,
    "authentication failed": REFUSED,
    "no pg_hba.conf entry": REFUSED,
    "rejects connection": REFUSED,
    "is not permitted to log in": REFUSED,
    "no password supplied": REFUSED,
    "Permission denied": REFUSED,
    "permission denied for database": FORBIDDEN,
    'role "': REFUSED,
    "starting up": NOT_READY,
    "shutting down": NOT_READY,
    "recovery mode": NOT_READY,
    "not yet accepting connections": NOT_READY,
    "remaining connection slots": NOT_READY,
    "session is read-only": READ_ONLY,
    'database "': NO_DATABASE,
    "invalid connection option": BAD_URL,
    "invalid URI query parameter": BAD_URL,
    "invalid integer value": BAD_URL,
    "invalid sslmode value": BAD_URL,
    "root certificate file": BAD_URL,
    "server closed the connection": LOST,
}


def of_errnos(table: Mapping[Meaning, str]) -> Mapping[int, Meaning]:
    """Return a table by error number from one that lists them."""
    return {
        int(number): meaning for meaning, numbers in table.items() for number in numbers.split()
    }


# Error numbers of MariaDB and MySQL, server and client; 3nnn are MySQL's, 19nn and 4nnn MariaDB's.
ERRNOS: Mapping[int, Meaning] = of_errnos(
    {
        UNREACHABLE: "2001 2002 2003 2004 2005 2012",
        LOST: "1053 1077 1079 1152 1158 1159 1160 1161 1184 1927 2006 2013 2014 2027 2055 3169"
        " 4031",
        NOT_READY: "1040 1047 1129 1203 1226 3032 3168",
        READ_ONLY: "1290 1792 1836",
        LOCKED: "1205 3572",
        CONFLICT: "1213 1020 3101",
        CANCELLED: "1317 1028 1969 3024 1907 3058",
        OUT_OF_MEMORY: "1037 1038 1041 5 2008",
        REFUSED: "1045 1130 1131 1251 1524 1698 1820 1862 2049 3118 3159 3955 4151",
        FORBIDDEN: "1044 1142 1143 1227 1370 1419",
        NO_DATABASE: "1049 1046",
        NO_TABLE: "1054 1109 1146 1932",
        UNSUPPORTED: "1235 1295 3098",
        BAD_URL: "1115 2019 2026 2054 2059 2061",
        STORAGE: "1 2 3 6 11 12 14 15 16 17 20 21 23 24 27 28 1016 1021 1026 1030 1036 1114 3019",
        DAMAGED: "126 127 134 144 145 1033 1034 1035 1191 1194 1195 1712 1812 1814 1877",
        # Behind 1644 are errors of a trigger's own code: no statement of this program has them.
        CONSTRAINT: "1048 1062 1217 1442 1451 1452 1644 1785 3819 4025"
        " 1136 1172 1242 1264 1292 1305 1318 1329 1339 1364 1365 1366 1406 1424 1456 1690",
        TOO_LARGE: "1197 1206 1534 1705 3100",
    }
)


def of_sqlstate(state: Optional[str]) -> Optional[Meaning]:
    """Return what a SQLSTATE means, by its class where the code itself is not listed."""
    state = state or ""
    return SQLSTATES.get(state) or SQLSTATES.get(state[:2])
