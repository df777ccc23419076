"""What the errors of PostgreSQL and its drivers mean, by SQLSTATE or by their words."""

from collections.abc import Mapping

from geocache_cleanup.engines.server import diagnoses
from geocache_cleanup.errors import CleanupError, Diagnosis

# SQLSTATE of PostgreSQL, by code or by class; see its manual, appendix A.
SQLSTATES: Mapping[str, Diagnosis] = {
    "08": diagnoses.LOST,
    "57P01": diagnoses.LOST,
    "57P02": diagnoses.LOST,
    "57P03": diagnoses.NOT_READY,
    "53300": diagnoses.NOT_READY,
    "57P04": diagnoses.NO_DATABASE,
    "57P05": diagnoses.LOST,
    "25006": diagnoses.READ_ONLY,
    "55P03": diagnoses.LOCKED,
    "40": diagnoses.CONFLICT,
    "25P03": diagnoses.CANCELLED,
    "25P04": diagnoses.CANCELLED,
    "57014": diagnoses.CANCELLED,
    "53200": diagnoses.OUT_OF_MEMORY,
    "53": diagnoses.STORAGE,
    "58": diagnoses.STORAGE,
    "28": diagnoses.REFUSED,
    "42501": diagnoses.FORBIDDEN,
    "3D000": diagnoses.NO_DATABASE,
    "3F000": diagnoses.NO_SCHEMA,
    "42P01": diagnoses.NO_TABLE,
    "42703": diagnoses.NO_TABLE,
    "0A000": diagnoses.UNSUPPORTED,
    "42704": diagnoses.NOT_ALLOWED,
    "54000": diagnoses.NOT_ALLOWED,
    "55000": diagnoses.NOT_ALLOWED,
    "XX001": diagnoses.DAMAGED,
    "XX002": diagnoses.DAMAGED,
    "23": diagnoses.CONSTRAINT,
    "P0001": diagnoses.CONSTRAINT,
}

# libpq gives a refused connection no SQLSTATE, and a pooler this one to all that it says itself:
# the words are all there is.
_OF_POOLER = "08P01"
WORDS: Mapping[str, Diagnosis] = {
    "too many": diagnoses.NOT_READY,
    "authentication failed": diagnoses.REFUSED,
    "no pg_hba.conf entry": diagnoses.REFUSED,
    "rejects connection": diagnoses.REFUSED,
    "is not permitted to log in": diagnoses.REFUSED,
    "no password supplied": diagnoses.REFUSED,
    "Permission denied": diagnoses.REFUSED,
    "permission denied for database": diagnoses.FORBIDDEN,
    'role "': diagnoses.REFUSED,
    "no such user": diagnoses.REFUSED,
    "starting up": diagnoses.NOT_READY,
    "shutting down": diagnoses.NOT_READY,
    "recovery mode": diagnoses.NOT_READY,
    "not yet accepting connections": diagnoses.NOT_READY,
    "remaining connection slots": diagnoses.NOT_READY,
    "no more connections allowed": diagnoses.NOT_READY,
    "query_wait_timeout": diagnoses.NOT_READY,
    "server login has been failing": diagnoses.NOT_READY,
    "session is read-only": diagnoses.READ_ONLY,
    'database "': diagnoses.NO_DATABASE,
    "no such database": diagnoses.NO_DATABASE,
    "bouncer config error": diagnoses.NO_DATABASE,
    "in statement pooling mode": diagnoses.NO_TRANSACTIONS,
    "unsupported startup parameter": diagnoses.BAD_URL,
    "invalid connection option": diagnoses.BAD_URL,
    "invalid URI query parameter": diagnoses.BAD_URL,
    "invalid integer value": diagnoses.BAD_URL,
    "invalid sslmode value": diagnoses.BAD_URL,
    "root certificate file": diagnoses.BAD_URL,
    "server closed the connection": diagnoses.LOST,
}


# What the server answers to a statement of this program's that is wrong.
_BUGS = {"42601", "42702", "42725", "42804", "42846", "42883", "42P02", "42P18"}


def diagnose(error: Exception) -> CleanupError | None:
    """Return what an error of a driver means, None for a bug."""
    state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
    context = getattr(error, "diag", None)
    said = getattr(context, "message_primary", None) or diagnoses.one_line(str(error))
    if state in {None, _OF_POOLER}:
        diagnosis = _by_words(error, said)
    elif getattr(context, "context", None):
        diagnosis = _in_function(state)
    elif "row-level security" in said:
        diagnosis = diagnoses.ROW_SECURITY
    else:
        diagnosis = _of_sqlstate(state)
    if diagnosis is diagnoses.BAD_URL and "connection option" in said:
        said = ""  # it names what may be a password in the wrong place
    return diagnosis.explain(said) if diagnosis else None


def _in_function(state: str) -> Diagnosis:
    """Return what an error means that arose inside a function of the database: a trigger's."""
    if state == "42501":
        return diagnoses.TRIGGER_FORBIDDEN
    is_its_own = state[:2] in {"0A", "22", "3F", "42"}
    return diagnoses.CONSTRAINT if is_its_own else _of_sqlstate(state) or diagnoses.CONSTRAINT


def _of_sqlstate(state: str) -> Diagnosis | None:
    """Return what a SQLSTATE means, by its class where the code itself is not listed."""
    other = None if state in _BUGS else diagnoses.OTHER
    return SQLSTATES.get(state) or SQLSTATES.get(state[:2]) or other


def _by_words(error: Exception, said: str) -> Diagnosis | None:
    for words, diagnosis in WORDS.items():
        if words in said:
            return diagnosis
    kind = type(error).__name__
    if kind == "InterfaceError" or ("connection" in said and "SSL" in said):
        return diagnoses.LOST
    return diagnoses.UNREACHABLE if kind in {"OperationalError", "ConnectionTimeout"} else None
