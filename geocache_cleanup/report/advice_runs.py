"""What an admin should look at of past runs and of the next: times, the ledger, the timers."""

import datetime as dt
from typing import Iterator, Optional

from geocache_cleanup.report.finding import MIGRATE, Advice, AdviceContext, Document

_LATE_DAYS = 2
_LONG_SECONDS = 5


def of_lock(lock: Document, around: AdviceContext) -> Iterator[Advice]:
    """Look at the times of the next run."""
    batches = "set --batch-seconds=1, which deletes in a series of short transactions"
    is_whole = lock["seconds"] == lock["run_seconds"]
    if is_whole and lock["seconds"] > around.timeout:
        yield Advice(
            f"a run may take {lock['seconds']:.0f} seconds, and --timeout stops it after "
            f"{around.timeout:g}: it would delete nothing, each time",
            f"raise --timeout, or {batches}, or prune in steps, --retention-days=365 first",
        )
    elif lock["seconds"] > _LONG_SECONDS:
        yield Advice(
            f"the write lock may be held for {lock['seconds']:.0f} seconds: the application "
            "cannot write for so long",
            f"{batches}, or prune in steps, --retention-days=365 first",
        )


def of_ledger(ledger: Document) -> Iterator[Advice]:
    """Look at whether runs happen."""
    if not ledger["exists"]:
        yield Advice("no ledger is to be seen: past runs are in the journal only", MIGRATE)
        return
    last = ledger["last_run"]
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


def _days_since(moment: str) -> Optional[float]:
    try:
        passed = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(moment)
    except (ValueError, TypeError):  # the ledger holds what is no time
        return None
    return passed / dt.timedelta(days=1)


def of_timers(timers: Document) -> Iterator[Advice]:
    """Look at whether anything starts the job."""
    # Whoever has instances only has no need of the other timer.
    is_any_active = any(unit["active"] == "active" for unit in timers["units"])
    for unit in timers["units"]:
        name = unit["unit"]
        is_enabled = unit["enabled"].startswith("enabled")
        if is_enabled and unit["active"] != "active":
            yield Advice(
                f"{name} is enabled but {unit['active']}: it does not fire before the next boot",
                f"systemctl start {name}; see systemctl status {name}",
            )
        elif not is_enabled and unit["active"] == "active":
            yield Advice(
                f"{name} is active but {unit['enabled']}: it ends with the next boot",
                f"systemctl enable {name}",
            )
        elif not is_enabled and not is_any_active:
            yield Advice(
                f"{name} is {unit['enabled']}: nothing starts the job",
                f"systemctl enable --now {name}",
            )
