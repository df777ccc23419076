"""The command line: the commands and their options; what they do is in ``commands/``.

Those modules are imported inside the error boundary: bad settings are told without SQLAlchemy.
"""

from typing import Any

import typer

from geocache_cleanup import __version__, output
from geocache_cleanup.config import options
from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.error_boundary import error_boundary
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.metrics.recorder import Recorder

_MOST_RUNS = 1_000_000
_JSON = typer.Option(False, "--json", help="Print one JSON document.")
# All settings, and beside what guards a run the switch that lets it only count.
_RUN_OPTIONS = [*SETTINGS]
_RUN_OPTIONS.insert(_RUN_OPTIONS.index("metrics_file"), "dry_run")

app = typer.Typer(
    cls=options.TextGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"geocache-cleanup {__version__}")
        raise typer.Exit(0)


def _as_service(invocation: Invocation, context: Any) -> None:
    """End a command that the service is to run, with the status it has there."""
    is_for_itself = context.params["instance"] is None and invocation.settings.configured
    if invocation.service or is_for_itself:
        return
    from geocache_cleanup.commands.as_service import run_as_service

    status = run_as_service(invocation, context)
    if status is not None:
        raise typer.Exit(status)


@app.callback()
def main(
    context: typer.Context,
    version: bool = typer.Option(  # noqa: ARG001 - its callback prints it
        False, "--version", is_eager=True, callback=_print_version, help="Print the version."
    ),
) -> None:
    """Prune stale rows from a geo_cache table."""
    if context.invoked_subcommand is None:
        output.show(context.get_help())


@app.command(cls=options.TextCommand)
@options.with_settings(*_RUN_OPTIONS)
def run(
    context: typer.Context,
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Count the stale rows: delete nothing, write nothing."
    ),
    **_: object,
) -> None:
    """Delete the stale rows in one transaction: what the service does."""
    invocation = Invocation.of_run(context.params, context.args)
    recorder = Recorder(invocation, dry_run=dry_run)
    with error_boundary(invocation):
        _as_service(invocation, context)
        from geocache_cleanup.commands.run import run_job

        run_job(invocation, recorder, dry_run=dry_run)


@app.command(cls=options.TextCommand)
@options.with_settings(*SETTINGS)
def check(context: typer.Context, as_json: bool = _JSON, **_: object) -> None:
    """Show what a run would meet and delete; change nothing."""
    invocation = Invocation(context.params, context.args)
    with error_boundary(invocation):
        _as_service(invocation, context)
        from geocache_cleanup.commands.check import run_check

        run_check(invocation, as_json=as_json)


@app.command(cls=options.TextCommand)
@options.with_settings("database_url", "timeout", "log_format", "log_level")
def history(
    context: typer.Context,
    limit: int = typer.Option(
        20,
        "--limit",
        min=1,
        max=_MOST_RUNS,
        metavar="N",
        help="How many runs to show, newest first.",
    ),
    as_json: bool = _JSON,
    **_: object,
) -> None:
    """Show past runs from the ledger."""
    invocation = Invocation(context.params, context.args)
    with error_boundary(invocation):
        _as_service(invocation, context)
        from geocache_cleanup.commands.history import show_history

        show_history(invocation, limit, as_json=as_json)


@app.command(cls=options.TextCommand)
@options.with_settings("log_format", "log_level")
def status(
    context: typer.Context,
    max_age: float = typer.Option(
        26.0,
        "--max-age",
        min=0.0,
        metavar="HOURS",
        help="How long ago a service may have succeeded before it is late.",
    ),
    as_json: bool = _JSON,
    **_: object,
) -> None:
    """Show each service's last run and result, and when it is due next."""
    invocation = Invocation(context.params, context.args)
    with error_boundary(invocation):
        from geocache_cleanup.commands.status import show_status

        instance = context.params["instance"]
        raise typer.Exit(show_status(invocation, instance, max_age, as_json=as_json))


@app.command(cls=options.TextCommand)
@options.with_settings("database_url", "table", "time_column", "timeout", "log_format", "log_level")
def migrate(
    context: typer.Context,
    sql: bool = typer.Option(False, "--sql", help="Print the SQL instead of executing it."),
    **_: object,
) -> None:
    """Create what is missing: table, index on the time column, ledger."""
    invocation = Invocation(context.params, context.args)
    with error_boundary(invocation):
        _as_service(invocation, context)
        from geocache_cleanup.commands.migrate import migrate_schema

        migrate_schema(invocation, sql=sql)
