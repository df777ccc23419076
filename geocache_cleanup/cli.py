"""The command line: the options, and what each command prints."""

import dataclasses
import json
import os
import uuid
from typing import TYPE_CHECKING, Any, Optional

import typer
from typer.core import TyperCommand, TyperGroup

from geocache_cleanup import __version__, instants, render
from geocache_cleanup.edge import Edge, ladder
from geocache_cleanup.errors import CleanupError
from geocache_cleanup.events import Event
from geocache_cleanup.journal import Notifier
from geocache_cleanup.settings import DEFAULT_DATABASE, SETTINGS

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from geocache_cleanup.prune import Result

# Seconds that systemd grants on top of --timeout, for the start-up and the roll-back.
_GRACE = 60


class _AsText:
    """Take options as the text they are, to be read with the settings.

    Typer since 0.26 loads pydantic to turn text into text, and to find that --help was not
    given: a quarter of the time of a nightly run.
    """

    params: list[Any]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if parameter.name in SETTINGS:
                parameter.process_value = _as_given

    def get_help_option(self, context: Any) -> Any:
        """Return the option; it is converted only where it was given."""
        option = super().get_help_option(context)  # type: ignore[misc]  # of the class it is mixed into
        convert = option.process_value
        option.process_value = lambda context, value: value and convert(context, value)
        return option


def _as_given(_context: object, value: Optional[str]) -> Optional[str]:
    return value


class TextCommand(_AsText, TyperCommand):
    """A command that takes its options as text."""


class TextGroup(_AsText, TyperGroup):
    """The group of the commands."""


app = typer.Typer(
    cls=TextGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _option(name: str) -> Any:
    """Declare a setting's option: as text, so that all settings are checked together."""
    setting = SETTINGS[name]
    default = f", default: {setting.default}" if setting.default else ""
    return typer.Option(
        None, setting.option, help=f"{setting.help} [env: {setting.variable}{default}]"
    )


_DATABASE_URL = _option("database_url")
_TABLE = _option("table")
_TIME_COLUMN = _option("time_column")
_RETENTION_DAYS = _option("retention_days")
_BEFORE = _option("before")
_TIME_ZONE = _option("time_zone")
_TIMEOUT = _option("timeout")
_BATCH_SECONDS = _option("batch_seconds")
_MAX_DELETE_PERCENT = _option("max_delete_percent")
_METRICS_FILE = _option("metrics_file")
_LOG_FORMAT = _option("log_format")
_LOG_LEVEL = _option("log_level")
_JSON = typer.Option(False, "--json", help="Print one JSON document.")

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


@app.command(cls=TextCommand)
def run(
    context: typer.Context,
    database_url: Optional[str] = _DATABASE_URL,
    table: Optional[str] = _TABLE,
    time_column: Optional[str] = _TIME_COLUMN,
    retention_days: Optional[str] = _RETENTION_DAYS,
    before: Optional[str] = _BEFORE,
    time_zone: Optional[str] = _TIME_ZONE,
    timeout: Optional[str] = _TIMEOUT,
    batch_seconds: Optional[str] = _BATCH_SECONDS,
    max_delete_percent: Optional[str] = _MAX_DELETE_PERCENT,
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Count the stale rows: delete nothing, write nothing."
    ),
    metrics_file: Optional[str] = _METRICS_FILE,
    log_format: Optional[str] = _LOG_FORMAT,
    log_level: Optional[str] = _LOG_LEVEL,
) -> None:
    """Delete the stale rows in one transaction: what the service does."""
    run_id = os.environ.get("INVOCATION_ID") or uuid.uuid4().hex
    edge = Edge(context.params, {**_RUN_FIELDS, "dry_run": dry_run, "run_id": run_id})
    with ladder(edge):
        _run(edge, dry_run=dry_run, run_id=run_id)


def _run(edge: Edge, *, dry_run: bool, run_id: str) -> None:
    settings = edge.settings
    edge.fields.update(
        table=settings.table,
        time_column=settings.time_column,
        cutoff=instants.render(settings.cutoff),
        retention_days=settings.retention_days,
    )
    url = edge.database_url()
    if _nothing_configured(edge):
        return
    from geocache_cleanup import prune  # imports SQLAlchemy
    from geocache_cleanup.database import open_backend

    notifier = Notifier(os.environ.get("NOTIFY_SOCKET"))
    notifier.extend_timeout(settings.timeout + _GRACE)
    notifier.status(f"Waiting for {edge.fields['database']}")
    rows = f"rows of {settings.table} from before {edge.fields['cutoff']}"

    def started() -> None:
        notifier.status(f"Deleting {rows}")
        edge.emit(Event.STARTED, "debug", f"Looking for {rows}")

    order = prune.Order.of(settings, dry_run=dry_run, run_id=run_id)
    result = prune.prune(open_backend(url, edge.watch), order, edge.watch, started)
    _report(edge, result, dry_run=dry_run)
    notifier.status(f"{result.deleted} rows deleted")


def _nothing_configured(edge: Edge) -> bool:
    """Tell, in one event, that nobody has named a database yet and there is no default one."""
    if edge.settings.configured:
        return False
    try:
        os.stat(DEFAULT_DATABASE)
    except FileNotFoundError:
        edge.emit(
            Event.SKIPPED,
            "info",
            f"Nothing to do: no database is configured and there is no {DEFAULT_DATABASE}; set "
            f"{SETTINGS['database_url'].variable} in /etc/default/geocache-cleanup",
        )
        return True
    except OSError:
        return False  # a run reports what is wrong with it
    return False


def _report(edge: Edge, result: "Result", *, dry_run: bool) -> None:
    event, level = Event.RAN, "info" if result.deleted else "debug"
    if dry_run:
        event, level = Event.WOULD_RUN, "info"
    elif result.unreadable:
        level = "warning"
    verb = "Would delete" if dry_run else "Deleted"
    unread = f"; {result.unreadable} times could not be read" if result.unreadable else ""
    message = f"{verb} {result.deleted} rows of {edge.settings.table} from before"
    edge.emit(event, level, f"{message} {edge.fields['cutoff']}{unread}", **vars(result))


@app.command(cls=TextCommand)
def check(
    context: typer.Context,
    database_url: Optional[str] = _DATABASE_URL,
    table: Optional[str] = _TABLE,
    time_column: Optional[str] = _TIME_COLUMN,
    retention_days: Optional[str] = _RETENTION_DAYS,
    before: Optional[str] = _BEFORE,
    time_zone: Optional[str] = _TIME_ZONE,
    timeout: Optional[str] = _TIMEOUT,
    batch_seconds: Optional[str] = _BATCH_SECONDS,
    max_delete_percent: Optional[str] = _MAX_DELETE_PERCENT,
    log_format: Optional[str] = _LOG_FORMAT,
    log_level: Optional[str] = _LOG_LEVEL,
    as_json: bool = _JSON,
) -> None:
    """Show the settings, the table, and what a run would delete; change nothing."""
    edge = Edge(context.params, {})
    with ladder(edge):
        _check(edge, as_json=as_json)


def _check(edge: Edge, *, as_json: bool) -> None:
    url = edge.database_url()
    document: dict[str, Any] = {
        "version": __version__,
        "settings": edge.shown_settings(),
        "cutoff": instants.render(edge.settings.cutoff),
    }
    try:
        if not _nothing_configured(edge):
            _examine(edge, url, document)
    except CleanupError as error:
        document["problem"] = {
            "reason": edge.redact(error.reason),
            "hint": error.hint,
            "exit_status": int(error.status),
        }
        raise
    finally:
        typer.echo(json.dumps(document) if as_json else render.check(document))


def _examine(edge: Edge, url: "URL", document: dict[str, Any]) -> None:
    from geocache_cleanup import check as work  # imports SQLAlchemy
    from geocache_cleanup.database import open_backend
    from geocache_cleanup.prune import Order

    backend = open_backend(url, edge.watch)
    order = Order.of(edge.settings, dry_run=True, run_id="")
    document["table"] = dataclasses.asdict(work.inspect(backend, order))
    result = work.rehearse(backend, order, edge.watch)
    document["would_delete"], document["unreadable"] = result.deleted, result.unreadable


@app.command(cls=TextCommand)
def history(
    context: typer.Context,
    database_url: Optional[str] = _DATABASE_URL,
    timeout: Optional[str] = _TIMEOUT,
    log_format: Optional[str] = _LOG_FORMAT,
    log_level: Optional[str] = _LOG_LEVEL,
    limit: int = typer.Option(20, "--limit", min=1, help="How many runs to show, newest first."),
    as_json: bool = _JSON,
) -> None:
    """Show past runs from the ledger."""
    edge = Edge(context.params, {})
    with ladder(edge):
        url = edge.database_url()
        if _nothing_configured(edge):
            return
        from geocache_cleanup import ledger  # imports SQLAlchemy
        from geocache_cleanup.database import open_backend

        with open_backend(url, edge.watch).connect(write=False) as connection:
            records = ledger.read(connection, limit)
        rows = [record.as_json() for record in records]
        typer.echo(json.dumps({"runs": rows}) if as_json else render.history(rows))


@app.command(cls=TextCommand)
def migrate(
    context: typer.Context,
    database_url: Optional[str] = _DATABASE_URL,
    table: Optional[str] = _TABLE,
    time_column: Optional[str] = _TIME_COLUMN,
    timeout: Optional[str] = _TIMEOUT,
    log_format: Optional[str] = _LOG_FORMAT,
    log_level: Optional[str] = _LOG_LEVEL,
    sql: bool = typer.Option(False, "--sql", help="Print the SQL instead of executing it."),
) -> None:
    """Create what is missing: the table, an index on the time column, the ledger."""
    edge = Edge(context.params, {})
    with ladder(edge):
        url = edge.database_url()
        from geocache_cleanup import migrate as work  # imports SQLAlchemy and Alembic

        names = work.Names(edge.settings.table, edge.settings.time_column)
        for line in work.print_sql(url, names) if sql else work.upgrade(url, names, edge.watch):
            typer.echo(line)
