"""What check advises, from documents that are made by hand."""

import dataclasses
import datetime as dt
import shlex
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from geocache_cleanup.engines.connection_info import ConnectionInfo
from geocache_cleanup.engines.sqlite.path import file_path
from geocache_cleanup.report.advice import AdviceContext, advise
from geocache_cleanup.report.document import CheckDocument, LedgerReport, Problem, ShownSetting
from geocache_cleanup.report.preview import RunEstimate, TableReport
from geocache_cleanup.report.statistics import Counts
from geocache_cleanup.report.table_advice import TOO_LARGE
from geocache_cleanup.systemd.service import Service
from geocache_cleanup.systemd.timers import Timer, Timers

CONTEXT = AdviceContext(
    has_secret_in_view=False,
    ignores_service=False,
    timeout=60.0,
    is_root=False,
    service=Service(),
)
TABLE = TableReport(
    "geo_cache", "last_seen", "TEXT", ["ip", "last_seen"], ["ip"], "ix", atomic=True
)
COUNTS = Counts(
    rows=100, unreadable=0, unset=0, nulls=0, future=0, formats=[], ages=[], retentions=[]
)
ESTIMATE = RunEstimate(1.0, 1.0, 0.1, 50_000, 3)
TIMER = Timer("geocache-cleanup.timer", "enabled", "active", None, None)


def setting(option: str, value: str | None, source: str = "default") -> ShownSetting:
    """Return a setting as check shows it."""
    return ShownSetting(option, option.upper(), value, source)


def document(**changes: Any) -> CheckDocument:
    """Return the document of a check at which nothing is to be said, with some changes."""
    now = dt.datetime.now(dt.UTC).isoformat()
    good = CheckDocument(
        version="1",
        settings=[setting("--before", None), setting("--max-delete-percent", "100")],
        cutoff="2026-03-05T12:00:00Z",
        retention_days=90,
        timers=Timers([TIMER]),
        connection=ConnectionInfo("SQLite", "3", "sqlite3", "app", "/srv/geo.db", "app", 1, 0),
        ledger=LedgerReport(exists=True, last_run={"started_at": now}),
        table=TABLE,
        statistics=COUNTS,
        migrate=[],
        would_delete=10,
        unreadable=0,
        lock=ESTIMATE,
        writable=True,
    )
    return dataclasses.replace(good, **changes)


def test_nothing_to_say() -> None:
    """All is as it should be."""
    assert advise(document(), CONTEXT) == []


def ago(**passed: int) -> LedgerReport:
    """Return a ledger whose last run is some time ago."""
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(**passed)
    return LedgerReport(exists=True, last_run={"started_at": moment.isoformat()})


@pytest.mark.parametrize(
    ("changes", "finding", "remedy"),
    [
        ({"table": dataclasses.replace(TABLE, index=None)}, "no index leads", "migrate"),
        ({"table": dataclasses.replace(TABLE, atomic=False)}, "no transactions", "InnoDB"),
        ({"statistics": None, "findings": [TOO_LARGE]}, "too large to be read", "--timeout"),
        ({"statistics": dataclasses.replace(COUNTS, unreadable=3)}, "be read: 3", "examples"),
        ({"statistics": dataclasses.replace(COUNTS, unset=4)}, "without a time", "IS NULL"),
        ({"statistics": dataclasses.replace(COUNTS, unset=100)}, "ever be deleted", "column"),
        ({"statistics": dataclasses.replace(COUNTS, future=5)}, "ahead of", "timedatectl"),
        ({"would_delete": 51}, "more than half", "--max-delete-percent=50"),
        ({"lock": dataclasses.replace(ESTIMATE, seconds=9, run_seconds=9)}, "9 sec", "batch"),
        ({"lock": dataclasses.replace(ESTIMATE, seconds=99, run_seconds=99)}, "stops it", "raise"),
        ({"ledger": LedgerReport(exists=False, last_run=None)}, "no ledger", "migrate"),
        ({"ledger": LedgerReport(exists=True, last_run=None)}, "ever succeeded", "systemctl"),
        ({"ledger": ago(days=3, hours=1)}, "3 days ago", "journalctl"),
        ({"ledger": ago(days=-1)}, "ahead of the clock", "timedatectl"),
        ({"timers": Timers([dataclasses.replace(TIMER, active="inactive")])}, "fire", "start"),
        ({"timers": Timers([dataclasses.replace(TIMER, enabled="static")])}, "ends", "enable"),
        (
            {"timers": Timers([dataclasses.replace(TIMER, enabled="disabled", active="failed")])},
            "nothing starts the job",
            "enable --now",
        ),
        (
            {"settings": [setting("--before", "2026-01-01", "environment")]},
            "fixed moment",
            "--retention-days",
        ),
        ({"settings": [setting("--metrics-file", "/srv/x", "option")]}, ".prom", "rename"),
        ({"connection": None}, "no database is configured", "GEOCACHE_CLEANUP_DATABASE_URL"),
    ],
)
def test_one_finding(changes: dict[str, Any], finding: str, remedy: str) -> None:
    """Each is said once, with what to do."""
    (advice,) = advise(document(**changes), CONTEXT)
    assert finding in advice.finding
    assert remedy in advice.remedy


OWN = dataclasses.replace(TIMER, unit="geocache-cleanup@eu.timer")
OFF = {"enabled": "disabled", "active": "inactive"}


def test_the_timer_of_another_service_starts_no_instance() -> None:
    """An instance has need of its own, and the plain timer of none where only instances are."""
    context = dataclasses.replace(CONTEXT, service=Service("eu"))
    own_is_off = document(timers=Timers([dataclasses.replace(OWN, **OFF), TIMER]))
    (advice,) = advise(own_is_off, context)
    assert advice.finding == f"{OWN.unit} is disabled: nothing starts the job"
    assert advice.remedy == f"systemctl enable --now {OWN.unit}"
    plain_is_off = document(timers=Timers([OWN, dataclasses.replace(TIMER, **OFF)]))
    assert advise(plain_is_off, context) == advise(plain_is_off, CONTEXT) == []


@pytest.mark.parametrize(
    ("context", "finding"),
    [
        ({"has_secret_in_view": True}, "password"),
        ({"ignores_service": True}, "settings of a service"),
    ],
)
def test_what_the_document_does_not_say(context: dict[str, Any], finding: str) -> None:
    """Where the settings came from, and what others can see of them."""
    (advice,) = advise(document(), dataclasses.replace(CONTEXT, **context))
    assert finding in advice.finding


@pytest.mark.parametrize(
    ("owner", "is_root", "words"),
    [("web", True, "runuser -u web"), ("web", False, "User="), ("root", False, "chown app:")],
)
def test_the_file_of_another_user(owner: str, is_root: bool, words: str) -> None:
    """What helps depends on who looks, and on whose it is."""
    info = ConnectionInfo("SQLite", "3", "sqlite3", "app", "/srv/geo.db", owner, 1, 0)
    context = dataclasses.replace(CONTEXT, is_root=is_root)
    (advice,) = advise(document(connection=info), context)
    assert words in advice.remedy


@pytest.mark.parametrize("name", ["my geo;id.db", "what?.db", "100%25.db"])
@pytest.mark.parametrize(("owner", "is_root"), [("web", True), ("web", False), ("root", False)])
def test_a_path_in_a_command_is_one_word(
    tmp_path: Path, name: str, owner: str, is_root: bool
) -> None:
    """A shell that is given the command, and the URL in it, find the very file."""
    (tmp_path / name).touch()
    path = str(tmp_path / name)
    info = ConnectionInfo("SQLite", "3", "sqlite3", r"AD\app", path, owner, 1, 0)
    context = dataclasses.replace(CONTEXT, is_root=is_root)
    (advice,) = advise(document(connection=info), context)
    words = shlex.split(advice.remedy.replace("root's", "its"))
    urls = [make_url(word.partition("=")[2]) for word in words if "sqlite://" in word]
    assert (file_path(urls[0]) if urls else path) == path
    assert urls or path in words
    assert ("chown" in words) == (r"AD\app:" in words)


def test_a_table_that_was_not_read_is_not_called_too_large() -> None:
    """Damage, a refusal or a signal may have ended the look before."""
    early = document(statistics=None, lock=None, would_delete=None)
    early.problem = Problem("the file is damaged", "restore a backup", 65)
    assert advise(early, CONTEXT) == []


def test_a_problem_alone_is_no_advice() -> None:
    """It is said by itself, with its own remedy."""
    early = document(
        connection=None, ledger=None, table=None, statistics=None, lock=None, would_delete=None
    )
    early.problem = Problem("there is no table", "set --table", 78)
    assert advise(early, CONTEXT) == []
