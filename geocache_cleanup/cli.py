"""The command line: the options, and what each command prints."""

import json
import os
import uuid
from typing import TYPE_CHECKING, Any, Mapping, Optional

import typer

from geocache_cleanup import __version__
from geocache_cleanup.config import options
from geocache_cleanup.error_boundary import error_boundary
from geocache_cleanup.errors import CleanupError, ConfigError, Interrupted
from geocache_cleanup.events import Event
from geocache_cleanup.invocation import Invocation, nothing_configured
from geocache_cleanup.metrics.recorder import Recorder
from geocache_cleanup.systemd import service_settings
from geocache_cleanup.systemd.notify import Notifier
from geocache_cleanup.times import instants

if TYPE_CHECKING:
    from geocache_cleanup.engines.base import Backend
    from geocache_cleanup.pruning.job import Result

# Seconds that systemd grants on top of --timeout, for the start-up and the roll-back.
_GRACE = 60
_LONGEST_RUN_ID = 64
_MOST_RUNS = 1_000_000


app = typer.Typer(
    cls=options.TextGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# Events of a run have these keys even where it ends before their values are known.
_RUN_FIELDS = dict.fromkeys(
    ("table", "time_column", "database", "cutoff", "retention_days", "dry_run", "run_id")
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"geocache-cleanup {__version__}")
        raise typer.Exit(0)


@app.callback()
def main(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_print_version, help="Print the version."
    ),
) -> None:
    """Prune stale rows from a geo_cache table."""


@app.command(cls=options.TextCommand)
def run(
    context: typer.Context,
    database_url: Optional[str] = options.DATABASE_URL,
    table: Optional[str] = options.TABLE,
    time_column: Optional[str] = options.TIME_COLUMN,
    retention_days: Optional[str] = options.RETENTION_DAYS,
    before: Optional[str] = options.BEFORE,
    time_zone: Optional[str] = options.TIME_ZONE,
    timeout: Optional[str] = options.TIMEOUT,
    batch_seconds: Optional[str] = options.BATCH_SECONDS,
    reclaim: Optional[str] = options.RECLAIM,
    max_delete_percent: Optional[str] = options.MAX_DELETE_PERCENT,
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Count the stale rows: delete nothing, write nothing."
    ),
    metrics_file: Optional[str] = options.METRICS_FILE,
    log_format: Optional[str] = options.LOG_FORMAT,
    log_level: Optional[str] = options.LOG_LEVEL,
) -> None:
    """Delete the stale rows in one transaction: what the service does."""
    run_id = _run_id(os.environ.get("INVOCATION_ID", ""))
    invocation = Invocation(
        context.params, {**_RUN_FIELDS, "dry_run": dry_run, "run_id": run_id}, context.args
    )
    recorder = Recorder(invocation, dry_run=dry_run)
    with error_boundary(invocation):
        _run(invocation, recorder, dry_run=dry_run, run_id=run_id)


def _run_id(given: str) -> str:
    """Return the id that systemd gave, a random one where the ledger could not hold it."""
    return given if given.isascii() and 0 < len(given) <= _LONGEST_RUN_ID else uuid.uuid4().hex


def _run(invocation: Invocation, recorder: Recorder, *, dry_run: bool, run_id: str) -> None:
    settings = invocation.settings
    invocation.fields.update(
        table=settings.table,
        time_column=settings.time_column,
        cutoff=instants.render(settings.cutoff),
        retention_days=settings.retention_days,
    )
    url = invocation.database_url()
    recorder.prepare(url)
    if nothing_configured(invocation):
        return
    from geocache_cleanup.engines.urls import open_backend
    from geocache_cleanup.pruning import batches  # here and below: these import SQLAlchemy
    from geocache_cleanup.pruning.job import Job
    from geocache_cleanup.pruning.progress import ShownProgress

    notifier = Notifier(os.environ.get("NOTIFY_SOCKET"))
    notifier.extend_timeout(settings.timeout + _GRACE)
    notifier.status(f"Waiting for {invocation.fields['database']}")
    rows = f"rows of {settings.table} from before {invocation.fields['cutoff']}"

    def started() -> None:
        invocation.emit(Event.STARTED, "debug", f"Looking for {rows}")

    job = Job.of(settings, dry_run=dry_run, run_id=run_id)
    recorder.prepare_look(url, job)
    backend = open_backend(url, invocation.deadline)
    with ShownProgress(rows, started, notifier, invocation.terminal) as progress:
        result = batches.run(backend, job, invocation.deadline, progress)
    _report(invocation, result, dry_run=dry_run)
    if settings.reclaim and result.deleted and not dry_run:
        notifier.status("Giving free space back")
        _reclaim(invocation, backend)
    notifier.status(f"{result.deleted} rows deleted")


def _reclaim(invocation: Invocation, backend: "Backend") -> None:
    """Give space back; the run is done and told, so that a failure is no more than a warning."""
    began = invocation.deadline.elapsed
    try:
        freed = backend.reclaim(invocation.settings.table, invocation.settings.time_column)
    except (CleanupError, Interrupted) as error:
        reason = invocation.redact(getattr(error, "reason", f"stopped by {error}"))
        fields = {"reclaimed_bytes": None, "reason": reason, "hint": getattr(error, "hint", None)}
        level, message = "warning", f"Gave no space back: {reason}"
    else:
        fields = {"reclaimed_bytes": freed}
        level, message = "info", f"Gave back {'space' if freed is None else f'{freed} bytes'}"
    fields["duration_seconds"] = round(invocation.deadline.elapsed - began, 3)
    invocation.emit(Event.RECLAIMED, level, message, **fields)


def _report(invocation: Invocation, result: "Result", *, dry_run: bool) -> None:
    event, level = Event.RAN, "info" if result.deleted else "debug"
    if dry_run:
        event, level = Event.WOULD_RUN, "info"
    elif result.unreadable or not result.atomic:
        level = "warning"
    verb = "Would delete" if dry_run else "Deleted"
    notes = f"; {result.unreadable} times could not be read" if result.unreadable else ""
    if not result.atomic:
        notes += (
            "; the table's engine has no transactions: a run that is stopped leaves a part done"
        )
    message = f"{verb} {result.deleted} rows of {invocation.settings.table} from before"
    invocation.emit(
        event, level, f"{message} {invocation.fields['cutoff']}{notes}", **result.as_fields()
    )


@app.command(cls=options.TextCommand)
def check(
    context: typer.Context,
    database_url: Optional[str] = options.DATABASE_URL,
    table: Optional[str] = options.TABLE,
    time_column: Optional[str] = options.TIME_COLUMN,
    retention_days: Optional[str] = options.RETENTION_DAYS,
    before: Optional[str] = options.BEFORE,
    time_zone: Optional[str] = options.TIME_ZONE,
    timeout: Optional[str] = options.TIMEOUT,
    batch_seconds: Optional[str] = options.BATCH_SECONDS,
    reclaim: Optional[str] = options.RECLAIM,
    max_delete_percent: Optional[str] = options.MAX_DELETE_PERCENT,
    metrics_file: Optional[str] = options.METRICS_FILE,
    log_format: Optional[str] = options.LOG_FORMAT,
    log_level: Optional[str] = options.LOG_LEVEL,
    as_json: bool = options.JSON,
) -> None:
    """Show the settings, the table, and what a run would delete; change nothing."""
    invocation = Invocation(context.params, {}, context.args)
    with error_boundary(invocation):
        _check(invocation, as_json=as_json)


def _check(invocation: Invocation, *, as_json: bool) -> None:
    # For people: a nightly run needs neither.
    from geocache_cleanup.report import check_text
    from geocache_cleanup.report import document as report

    url = invocation.database_url()
    document: Mapping[str, Any] = {}
    try:
        with report.checking(invocation) as document:
            if not nothing_configured(invocation):
                report.examine(invocation, url, document)
    finally:
        invocation.show(json.dumps(document) if as_json else check_text.check(document))


@app.command(cls=options.TextCommand)
def history(
    context: typer.Context,
    database_url: Optional[str] = options.DATABASE_URL,
    timeout: Optional[str] = options.TIMEOUT,
    log_format: Optional[str] = options.LOG_FORMAT,
    log_level: Optional[str] = options.LOG_LEVEL,
    limit: int = typer.Option(
        20, "--limit", min=1, max=_MOST_RUNS, help="How many runs to show, newest first."
    ),
    as_json: bool = options.JSON,
) -> None:
    """Show past runs from the ledger."""
    invocation = Invocation(context.params, {}, context.args)
    with error_boundary(invocation):
        from geocache_cleanup.report import document as report  # see _check
        from geocache_cleanup.report import layout

        url = invocation.database_url()
        rows = [] if nothing_configured(invocation) else report.past_runs(invocation, url, limit)
        invocation.show(json.dumps({"runs": rows}) if as_json else layout.history(rows))


@app.command(cls=options.TextCommand)
def migrate(
    context: typer.Context,
    database_url: Optional[str] = options.DATABASE_URL,
    table: Optional[str] = options.TABLE,
    time_column: Optional[str] = options.TIME_COLUMN,
    timeout: Optional[str] = options.TIMEOUT,
    log_format: Optional[str] = options.LOG_FORMAT,
    log_level: Optional[str] = options.LOG_LEVEL,
    sql: bool = typer.Option(False, "--sql", help="Print the SQL instead of executing it."),
) -> None:
    """Create what is missing: the table, an index on the time column, the ledger."""
    invocation = Invocation(context.params, {}, context.args)
    with error_boundary(invocation):
        if not invocation.settings.configured and service_settings.is_ignored(invocation.given):
            # It would make the default database, and the service would find one.
            raise ConfigError(
                service_settings.NOT_GIVEN, f"{service_settings.REMEDY}, or give --database-url"
            )
        url = invocation.database_url()
        from geocache_cleanup.schema import migrate as work  # imports SQLAlchemy and Alembic

        names = work.TableNames(invocation.settings.table, invocation.settings.time_column)
        for line in (
            work.print_sql(url, names) if sql else work.upgrade(url, names, invocation.deadline)
        ):
            invocation.show(line)
