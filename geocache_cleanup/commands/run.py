"""The command ``run``: prune the table, tell it in one event, give space back if that is set."""

import contextlib
from typing import TYPE_CHECKING

from geocache_cleanup.commands.progress import ShownProgress
from geocache_cleanup.engines.urls import open_engine
from geocache_cleanup.errors import CleanupError, Interrupted
from geocache_cleanup.events import Event
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.pruning import batches, prune
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.result import NOT_ATOMIC
from geocache_cleanup.times import instants

if TYPE_CHECKING:
    from geocache_cleanup.engines.base import Engine
    from geocache_cleanup.metrics.recorder import Recorder
    from geocache_cleanup.result import Result

# Seconds that systemd grants on top of --timeout, for the start-up and the roll-back.
_GRACE = 60


def run_job(invocation: Invocation, recorder: "Recorder", *, dry_run: bool) -> None:
    """Run the job as it is configured; raise CleanupError or Interrupted if it ends early."""
    settings, fields = invocation.settings, invocation.fields
    fields.update(
        table=settings.table,
        time_column=settings.time_column,
        cutoff=instants.render(settings.cutoff),
        retention_days=settings.retention_days,
    )
    url = invocation.database_url()
    recorder.prepare(url)
    if invocation.nothing_configured():
        return
    job = Job.of(settings, dry_run=dry_run, run_id=str(fields["run_id"]))
    recorder.prepare_look(url, job)
    engine = open_engine(url, invocation.deadline)
    result = _prune(invocation, engine, job)
    _report(invocation, result, dry_run=dry_run)
    if settings.reclaim and result.deleted and not dry_run:
        invocation.notifier.status("Giving free space back")
        _reclaim(invocation, engine)
    invocation.notifier.status(f"{result.deleted} rows deleted")


def _prune(invocation: Invocation, engine: "Engine", job: Job) -> "Result":
    notifier = invocation.notifier
    notifier.extend_timeout(invocation.settings.timeout + _GRACE)
    notifier.status(f"Waiting for {invocation.fields['database']}")
    rows = f"rows of {job.table} from before {invocation.fields['cutoff']}"

    def started() -> None:
        invocation.emit(Event.STARTED, "debug", f"Looking for {rows}")

    with ShownProgress(rows, started, notifier, invocation.terminal) as progress:
        result = batches.run(engine, job, invocation.deadline, progress)
        if job.dry_run:
            # Whatever would stop a run is for check to say.
            with contextlib.suppress(CleanupError):
                return prune.foresee(engine, job, result)
        return result


def _report(invocation: Invocation, result: "Result", *, dry_run: bool) -> None:
    event, level = Event.RAN, "info" if result.deleted else "debug"
    if dry_run:
        event, level = Event.WOULD_RUN, "info"
    elif result.unreadable or result.kept or not result.atomic:
        level = "warning"
    verb = "Would delete" if dry_run else "Deleted"
    notes = f"; {result.unreadable} times could not be read" if result.unreadable else ""
    if result.kept:
        notes += f"; {result.kept} stale rows stay, as a trigger or a rule keeps them"
    if not result.atomic:
        notes += f"; {NOT_ATOMIC}"
    message = f"{verb} {result.deleted} rows of {invocation.settings.table} from before"
    text = f"{message} {invocation.fields['cutoff']}{notes}"
    invocation.emit(event, level, text, **result.as_fields())


def _reclaim(invocation: Invocation, engine: "Engine") -> None:
    """Give space back; the run is done and told, so that a failure is no more than a warning."""
    began = invocation.deadline.elapsed
    settings = invocation.settings
    try:
        freed = engine.reclaim(settings.table, settings.time_column)
    except (CleanupError, Interrupted) as error:
        reason = invocation.redact(getattr(error, "reason", f"stopped by {error}"))
        fields = {"reclaimed_bytes": None, "reason": reason, "hint": getattr(error, "hint", None)}
        level, message = "warning", f"Gave no space back: {reason}"
    else:
        fields = {"reclaimed_bytes": freed}
        level, message = "info", f"Gave back {'space' if freed is None else f'{freed} bytes'}"
    fields["duration_seconds"] = round(invocation.deadline.elapsed - began, 3)
    invocation.emit(Event.RECLAIMED, level, message, **fields)
