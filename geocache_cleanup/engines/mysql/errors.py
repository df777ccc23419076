"""What the errors of MariaDB, MySQL and their drivers mean, by number or by their words."""

from collections.abc import Mapping

import sqlalchemy as sa

from geocache_cleanup.engines.server import diagnoses
from geocache_cleanup.errors import CleanupError, ConfigError, Diagnosis

# Errors with a number that says nothing, told by their words.
_WORDS = {
    "writeset size exceeded": diagnoses.TOO_LARGE,
    "wsrep_max_ws": diagnoses.TOO_LARGE,
    "WSREP": diagnoses.CONFLICT,
    "wsrep": diagnoses.CONFLICT,
    "read-only": diagnoses.READ_ONLY,
    "read_only": diagnoses.READ_ONLY,
    "option so it cannot execute": diagnoses.SETTING,
}
MISLEADING = {1105, 1180, 1290}
# What a server answers, or its storage engine does; and of that, what it says of a statement of
# this program's that is wrong.
_SERVERS = {*range(120, 200), *range(1_000, 2_000), *range(3_000, 6_000)}
_BUGS = {1064, 1065, 1149, 1582, 1583, 1630}
# After the table and the ledger were found these are of others, in a trigger.
_MISSING = {1054, 1109, 1146}
_OWN = "geocache_cleanup_"
# Other error numbers are no servers' own: a trigger has chosen them for SIGNAL. Those from
# 32,768 on PyMySQL takes for negative ones.
_OWN_ERRNOS = range(6_000)


# Error numbers of MariaDB and MySQL, server and client; 3nnn are MySQL's, 19nn and 4nnn MariaDB's.
NUMBERS: Mapping[Diagnosis, str] = {
    diagnoses.UNREACHABLE: "2001 2002 2003 2004 2005 2012",
    diagnoses.LOST: "1053 1077 1079 1152 1158 1159 1160 1161 1184 1927 2006 2013 2014 2027 2055"
    " 3169 4031",
    diagnoses.NOT_READY: "1040 1047 1129 1203 1226 3032 3168",
    diagnoses.READ_ONLY: "1792 1836",
    diagnoses.LOCKED: "1205 3572",
    diagnoses.CONFLICT: "1213 1020 1412 3101",
    diagnoses.CANCELLED: "1317 1028 1969 3024 1907 3058",
    diagnoses.OUT_OF_MEMORY: "1037 1038 1041 5 2008",
    diagnoses.REFUSED: "1045 1130 1131 1251 1524 1698 1820 1862 2049 3118 3159 3955 4151",
    diagnoses.FORBIDDEN: "1044 1142 1143 1227 1370 1419",
    diagnoses.NO_DATABASE: "1049 1046",
    diagnoses.NO_TABLE: "1054 1109 1146 1932",
    diagnoses.UNSUPPORTED: "1235 1295 3098",
    diagnoses.BAD_URL: "1115 2019 2026 2054 2059 2061",
    diagnoses.STORAGE: "1 2 3 6 11 12 14 15 16 17 20 21 23 24 27 28 1016 1021 1026"
    " 1030 1036 1114 3019",
    diagnoses.DAMAGED: "126 127 134 144 145 1033 1034 1035 1191 1194 1195 1712 1812 1814 1877",
    # Behind 1644 are errors of a trigger's own code: no statement of this program has them.
    diagnoses.MIXED: "1785",
    diagnoses.CONSTRAINT: "1048 1062 1217 1442 1451 1452 1644 3819 4025"
    " 1136 1172 1242 1264 1292 1305 1318 1329 1339 1364 1365 1366 1406 1424 1456 1690",
    diagnoses.TOO_LARGE: "1197 1206 1534 1705 3100",
}
ERRNOS: Mapping[int, Diagnosis] = {
    int(number): diagnosis for diagnosis, numbers in NUMBERS.items() for number in numbers.split()
}


def diagnose(error: Exception, found: str | None = None) -> CleanupError | None:
    """Return what an error of a driver means, None for a bug; ``found`` is the table, if any is."""
    if isinstance(error, sa.exc.InvalidRequestError):
        if "MariaDB" not in str(error):
            return None
        return ConfigError("the server is MySQL, not MariaDB", "use a mysql:// URL")
    number = error.args[0] if error.args else None
    said = diagnoses.one_line(str(error.args[1] if len(error.args) > 1 else error))
    diagnosis = ERRNOS.get(number) if isinstance(number, int) else None
    if number in MISLEADING:
        diagnosis = next((found for words, found in _WORDS.items() if words in said), None)
    if isinstance(number, int) and number not in _OWN_ERRNOS:
        diagnosis = diagnoses.CONSTRAINT
    if number in _MISSING and found and not any(name in said for name in (found, _OWN)):
        diagnosis = diagnoses.CONSTRAINT
    if diagnosis is None and number in _SERVERS and number not in _BUGS:
        diagnosis = diagnoses.OTHER
    if diagnosis is None and type(error).__name__ == "InterfaceError":
        diagnosis = diagnoses.LOST
    return diagnosis.explain(f"{said} ({number})") if diagnosis else None
