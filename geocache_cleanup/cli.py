"""The command line: the commands and their options; what they do is in ``commands/``.

Those modules are imported inside the error boundary: bad settings are told without SQLAlchemy.
"""

from typing import Optional

import typer

from geocache_cleanup import __version__
from geocache_cleanup.config import options
from geocache_cleanup.error_boundary import error_boundary
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.metrics.recorder import Recorder

_MOST_RUNS = 1_000_000

app = typer.Typer(
    cls=options.TextGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
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
    invocation = Invocation.of_run(context.params, context.args)
    recorder = Recorder(invocation, dry_run=dry_run)
    with error_boundary(invocation):
        from geocache_cleanup.commands.run import run_job

        run_job(invocation, recorder)


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
    invocation = Invocation(context.params, context.args)
    with error_boundary(invocation):
        from geocache_cleanup.commands.check import run_check

        run_check(invocation, as_json=as_json)


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
    invocation = Invocation(context.params, context.args)
    with error_boundary(invocation):
        from geocache_cleanup.commands.history import show_history

        show_history(invocation, limit, as_json=as_json)


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
    invocation = Invocation(context.params, context.args)
    with error_boundary(invocation):
        from geocache_cleanup.commands.migrate import migrate_schema

        migrate_schema(invocation, sql=sql)
