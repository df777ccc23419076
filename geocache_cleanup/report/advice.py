"""What an admin should look at, in the order of its weight, each with a remedy."""

import datetime as dt
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from geocache_cleanup.engines.connection_info import ConnectionInfo
from geocache_cleanup.report.document import Advice, CheckDocument, LedgerReport
from geocache_cleanup.report.table_advice import MIGRATE, of_estimate, of_table
from geocache_cleanup.systemd.service import NOT_GIVEN, NOT_GIVEN_REMEDY, Service
from geocache_cleanup.systemd.timers import Timers

_LATE_DAYS = 2


@dataclass(frozen=True)
class AdviceContext:
    """What the document does not say: ``timeout`` is in seconds.

    ``has_secret_in_view``: the URL holds a password that others on the host can read.
    ``ignores_service``: the settings of the service were not those of this command.
    """

    has_secret_in_view: bool
    ignores_service: bool
    timeout: float
    is_root: bool
    service: Service


LEDGER_NOT_ATOMIC = Advice(
    "the ledger's engine has no transactions: it may tell of a run that was undone", MIGRATE
)
LEDGER_UNLOGGED = Advice(
    "the ledger is UNLOGGED: the server empties it when it has crashed", MIGRATE
)


def advise(document: CheckDocument, context: AdviceContext) -> Sequence[Advice]:
    """Return all that is to be said of a document; parts that it lacks are passed over."""
    found = list(_of_settings(document, context))
    if document.connection:
        found += [*_of_connection(document.connection, context), *document.findings]
    if document.table:
        found += of_table(document.table, document)
    if document.kept:
        found.append(
            Advice(
                f"{document.kept} stale rows would stay: a trigger or a rule keeps them",
                "drop it, let it delete them, or leave them to it: they are counted each time",
            )
        )
    if document.lock:
        found += of_estimate(document.lock, context.timeout)
    if document.ledger:
        found += _of_ledger(document.ledger)
    return [*found, *_of_timers(document.timers, context.service)]


def _of_settings(document: CheckDocument, context: AdviceContext) -> Iterator[Advice]:
    if context.ignores_service:
        yield Advice(NOT_GIVEN, NOT_GIVEN_REMEDY)
    elif document.connection is None and document.problem is None:
        yield Advice(
            "no database is configured yet",
            f"set GEOCACHE_CLEANUP_DATABASE_URL in {context.service.settings_file}",
        )
    if context.has_secret_in_view:
        yield Advice(
            "the URL holds a password that others on this host can read",
            "hand it over as the credential geocache-cleanup.database-url, mode 0600",
        )
    before = document.setting("--before")
    if before and before.value not in {None, "now"} and before.source == "environment":
        yield Advice(
            "--before is a fixed moment: run after run will delete nothing more",
            "set --retention-days instead, or --before=now for expiry times",
        )
    path = document.setting("--metrics-file")
    if path and path.value is not None and not path.value.endswith(".prom"):
        yield Advice(
            "the name of the metrics file does not end in .prom",
            "rename it: the node exporter reads no other files",
        )


def _of_connection(connection: ConnectionInfo, context: AdviceContext) -> Iterator[Advice]:
    owner, user = connection.file_owner, connection.user
    if owner is None or owner == user:
        return
    file = str(connection.file)
    if context.is_root:
        yield Advice(
            f"the file belongs to {owner}, and root may do anything: this proves nothing of what "
            "the service may do",
            f"check as {owner}: runuser -u {shlex.quote(owner)} -- geocache-cleanup check "
            + shlex.quote(f"--database-url=sqlite:///{_in_url(file)}"),
        )
    else:
        yield Advice(
            f"the file belongs to {owner}, this is {user}: files that SQLite makes "
            "beside it would be in the way of the application",
            f"if no application needs it to be root's, chown {shlex.join([f'{user}:', file])}"
            if owner == "root"
            else f"run as the user and group that stat {shlex.quote(file)} shows: set User= and "
            "Group= in a drop-in, as other-sqlite.conf does",
        )


def _in_url(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3F")


def _of_ledger(ledger: LedgerReport) -> Iterator[Advice]:
    if not ledger.exists:
        yield Advice("no ledger is to be seen: past runs are in the journal only", MIGRATE)
        return
    last = ledger.last_run
    start = "systemctl start geocache-cleanup.service, then journalctl -u geocache-cleanup -x"
    if last is None:
        yield Advice("no run of this table has ever succeeded, by the ledger", start)
        return
    days = _days_since(str(last["started_at"]))
    if days is not None and days > _LATE_DAYS:
        yield Advice(
            f"the last run that succeeded was {days:.0f} days ago",
            "see journalctl -u geocache-cleanup -p warning, and the timer above",
        )
    if days is not None and days < 0:
        yield Advice(
            f"the last run is recorded at {last['started_at']}, which is ahead of the clock",
            "see timedatectl, here and on the host of that run",
        )


def _days_since(moment: str) -> float | None:
    try:
        passed = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(moment)
    except (ValueError, TypeError):  # the ledger holds what is no time
        return None
    return passed / dt.timedelta(days=1)


def _of_timers(timers: Timers, service: Service) -> Iterator[Advice]:
    # Whoever has instances only has no need of the other timer.
    is_needed = service.instance or not any(unit.active == "active" for unit in timers.units)
    for unit in timers.units:
        is_enabled = unit.enabled.startswith("enabled")
        if is_enabled and unit.active != "active":
            yield Advice(
                f"{unit.unit} is enabled but {unit.active}: it does not fire before the next boot",
                f"systemctl start {unit.unit}; see systemctl status {unit.unit}",
            )
        elif not is_enabled and unit.active == "active":
            yield Advice(
                f"{unit.unit} is active but {unit.enabled}: it ends with the next boot",
                f"systemctl enable {unit.unit}",
            )
        elif not is_enabled and is_needed and unit.unit == service.timer:
            yield Advice(
                f"{unit.unit} is {unit.enabled}: nothing starts the job",
                f"systemctl enable --now {unit.unit}",
            )
