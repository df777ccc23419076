"""The command line: the options, and what each command prints."""

import json
import os
import uuid
from typing import TYPE_CHECKING, Any, Mapping, Optional

import typer

from geocache_cleanup import __version__
from geocache_cleanup.config import options
from geocache_cleanup.error_boundary import ladder
from geocache_cleanup.errors import CleanupError, ConfigError, Interrupted
from geocache_cleanup.events import Event
from geocache_cleanup.invocation import Edge, nothing_configured
from geocache_cleanup.metrics.recorder import Recorder
from geocache_cleanup.systemd import service_settings
from geocache_cleanup.systemd.journal import Notifier
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
    edge = Edge(context.params, {**_RUN_FIELDS, "dry_run": dry_run, "run_id": run_id}, context.args)
    recorder = Recorder(edge, dry_run=dry_run)
    with ladder(edge):
        _run(edge, recorder, dry_run=dry_run, run_id=run_id)


def _run_id(given: str) -> str:
    """Return the id that systemd gave, a random one where the ledger could not hold it."""
    return given if given.isascii() and 0 < len(given) <= _LONGEST_RUN_ID else uuid.uuid4().hex


def _run(edge: Edge, recorder: Recorder, *, dry_run: bool, run_id: str) -> None:
    settings = edge.settings
    edge.fields.update(
        table=settings.table,
        time_column=settings.time_column,
        cutoff=instants.render(settings.cutoff),
        retention_days=settings.retention_days,
    )
    url = edge.database_url()
    recorder.prepare(url)
    if nothing_configured(edge):
        return
    from geocache_cleanup.engines.urls import open_backend
    from geocache_cleanup.pruning import batches  # here and below: these import SQLAlchemy
    from geocache_cleanup.pruning.job import Order
    from geocache_cleanup.pruning.progress import ShownProgress

    notifier = Notifier(os.environ.get("NOTIFY_SOCKET"))
    notifier.extend_timeout(settings.timeout + _GRACE)
    notifier.status(f"Waiting for {edge.fields['database']}")
    rows = f"rows of {settings.table} from before {edge.fields['cutoff']}"

    def started() -> None:
        edge.emit(Event.STARTED, "debug", f"Looking for {rows}")

    order = Order.of(settings, dry_run=dry_run, run_id=run_id)
    recorder.prepare_look(url, order)
    backend = open_backend(url, edge.watch)
    with ShownProgress(rows, started, notifier, edge.terminal) as progress:
        result = batches.run(backend, order, edge.watch, progress)
    _report(edge, result, dry_run=dry_run)
    if settings.reclaim and result.deleted and not dry_run:
        notifier.status("Giving free space back")
        _reclaim(edge, backend)
    notifier.status(f"{result.deleted} rows deleted")


def _reclaim(edge: Edge, backend: "Backend") -> None:
    """Give space back; the run is done and told, so that a failure is no more than a warning."""
    began = edge.watch.elapsed
    try:
        freed = backend.reclaim(edge.settings.table, edge.settings.time_column)
    except (CleanupError, Interrupted) as error:
        reason = edge.redact(getattr(error, "reason", f"stopped by {error}"))
        fields = {"reclaimed_bytes": None, "reason": reason, "hint": getattr(error, "hint", None)}
        level, message = "warning", f"Gave no space back: {reason}"
    else:
        fields = {"reclaimed_bytes": freed}
        level, message = "info", f"Gave back {'space' if freed is None else f'{freed} bytes'}"
    fields["duration_seconds"] = round(edge.watch.elapsed - began, 3)
    edge.emit(Event.RECLAIMED, level, message, **fields)


def _report(edge: Edge, result: "Result", *, dry_run: bool) -> None:
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
    message = f"{verb} {result.deleted} rows of {edge.settings.table} from before"
    edge.emit(event, level, f"{message} {edge.fields['cutoff']}{notes}", **result.as_fields())


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
    edge = Edge(context.params, {}, context.args)
    with ladder(edge):
        _check(edge, as_json=as_json)


def _check(edge: Edge, *, as_json: bool) -> None:
    # For people: a nightly run needs neither.
    from geocache_cleanup.report import check_text
    from geocache_cleanup.report import document as report

    url = edge.database_url()
    document: Mapping[str, Any] = {}
    try:
        with report.checking(edge) as document:
            if not nothing_configured(edge):
                report.examine(edge, url, document)
    finally:
        edge.show(json.dumps(document) if as_json else check_text.check(document))


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
    edge = Edge(context.params, {}, context.args)
    with ladder(edge):
        from geocache_cleanup.report import document as report  # see _check
        from geocache_cleanup.report import layout

        url = edge.database_url()
        rows = [] if nothing_configured(edge) else report.past_runs(edge, url, limit)
        edge.show(json.dumps({"runs": rows}) if as_json else layout.history(rows))


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
    edge = Edge(context.params, {}, context.args)
    with ladder(edge):
        if not edge.settings.configured and service_settings.is_ignored(edge.given):
            # It would make the default database, and the service would find one.
            raise ConfigError(
                service_settings.NOT_GIVEN, f"{service_settings.REMEDY}, or give --database-url"
            )
        url = edge.database_url()
        from geocache_cleanup.schema import migrate as work  # imports SQLAlchemy and Alembic

        names = work.Names(edge.settings.table, edge.settings.time_column)
        for line in work.print_sql(url, names) if sql else work.upgrade(url, names, edge.watch):
            edge.show(line)
