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
    "3F000": diagnoses.NO_TABLE,
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

# libpq gives a refused connection no SQLSTATE: its words are all there is.
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
    "starting up": diagnoses.NOT_READY,
    "shutting down": diagnoses.NOT_READY,
    "recovery mode": diagnoses.NOT_READY,
    "not yet accepting connections": diagnoses.NOT_READY,
    "remaining connection slots": diagnoses.NOT_READY,
    "session is read-only": diagnoses.READ_ONLY,
    'database "': diagnoses.NO_DATABASE,
    "invalid connection option": diagnoses.BAD_URL,
    "invalid URI query parameter": diagnoses.BAD_URL,
    "invalid integer value": diagnoses.BAD_URL,
    "invalid sslmode value": diagnoses.BAD_URL,
    "root certificate file": diagnoses.BAD_URL,
    "server closed the connection": diagnoses.LOST,
}


def diagnose(error: Exception) -> CleanupError | None:
    """Return what an error of a driver means, None for a bug."""
    state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
    context = getattr(error, "diag", None)
    said = getattr(context, "message_primary", None) or diagnoses.one_line(str(error))
    diagnosis = _of_sqlstate(state)
    if diagnosis is None and getattr(context, "context", None):
        # It went wrong inside of a function of the database: that of a trigger.
        diagnosis = diagnoses.CONSTRAINT
    if diagnosis is None and state is None:
        diagnosis = _by_words(error, said)
    return diagnosis.explain(said) if diagnosis else None


def _of_sqlstate(state: str | None) -> Diagnosis | None:
    """Return what a SQLSTATE means, by its class where the code itself is not listed."""
    state = state or ""
    return SQLSTATES.get(state) or SQLSTATES.get(state[:2])


def _by_words(error: Exception, said: str) -> Diagnosis | None:
    for words, diagnosis in WORDS.items():
        if words in said:
            return diagnosis
    kind = type(error).__name__
    if kind == "InterfaceError" or ("connection" in said and "SSL" in said):
        return diagnoses.LOST
    return diagnoses.UNREACHABLE if kind in {"OperationalError", "ConnectionTimeout"} else None
