"""What an admin should look at, in the order of its weight, each with a remedy."""

from typing import Callable, Iterator, Sequence

from geocache_cleanup.report.advice_runs import of_ledger, of_lock, of_timers
from geocache_cleanup.report.finding import MIGRATE, Advice, AdviceContext, Document
from geocache_cleanup.systemd import service_settings


def advise(document: Document, around: AdviceContext) -> Sequence[Advice]:
    """Return all that is to be said of a document; parts that it lacks are passed over."""
    found = list(_of_settings(document, around))
    parts: Sequence[tuple[str, Callable[[Document], Iterator[Advice]]]] = (
        ("connection", lambda part: _of_connection(part, around)),
        ("table", lambda part: _of_table(part, document)),
        ("lock", lambda part: of_lock(part, around)),
        ("ledger", of_ledger),
        ("timers", of_timers),
    )
    for name, look in parts:
        if name in document:
            found += look(document[name])
    return found


def _of_settings(document: Document, around: AdviceContext) -> Iterator[Advice]:
    settings = {row["option"]: row for row in document["settings"]}
    if around.ignores_service:
        yield Advice(service_settings.NOT_GIVEN, service_settings.REMEDY)
    elif "connection" not in document and "problem" not in document:
        yield Advice(
            "no database is configured yet",
            f"set GEOCACHE_CLEANUP_DATABASE_URL in {service_settings.SETTINGS_FILE}",
        )
    if around.has_secret_in_view:
        yield Advice(
            "the URL holds a password that others on this host can read",
            "hand it over as the credential geocache-cleanup.database-url, mode 0600",
        )
    before = settings.get("--before", {"value": None})
    if before["value"] not in {None, "now"} and before["source"] == "environment":
        yield Advice(
            "--before is a fixed moment: run after run will delete nothing more",
            "set --retention-days instead, or --before=now for expiry times",
        )
    path = settings.get("--metrics-file", {"value": None})["value"]
    if path is not None and not path.endswith(".prom"):
        yield Advice(
            "the name of the metrics file does not end in .prom",
            "rename it: the node exporter reads no other files",
        )


def _of_connection(connection: Document, around: AdviceContext) -> Iterator[Advice]:
    owner = connection["file_owner"]
    if owner is None or owner == connection["user"]:
        return
    if around.is_root:
        yield Advice(
            f"the file belongs to {owner}, and root may do anything: this proves nothing of what "
            "the service may do",
            f"check as {owner}: runuser -u {owner} -- geocache-cleanup check",
        )
    else:
        user, file = connection["user"], connection["file"]
        yield Advice(
            f"the file belongs to {owner}, this is {user}: files that SQLite makes "
            "beside it would be in the way of the application",
            f"if no application needs it to be root's, chown {user}: {file}"
            if owner == "root"
            else f"run as {owner}: set User= and Group= in a drop-in, as other-sqlite.conf does",
        )


def _of_table(table: Document, document: Document) -> Iterator[Advice]:
    column = table["time_column"]
    if table["index"] is None:
        yield Advice(f"no index leads with {column}: each run reads the whole table", MIGRATE)
    if not table["atomic"]:
        yield Advice(
            "the table's engine has no transactions: a run that is stopped leaves a part done",
            "ALTER TABLE ... ENGINE=InnoDB",
        )
    if "rows" in table:
        yield from _of_times(table, document)
    else:
        yield Advice(
            "the table is too large to be read in half of --timeout: its times are not shown",
            "give check a longer --timeout",
        )


def _of_times(table: Document, document: Document) -> Iterator[Advice]:
    rows, column = table["rows"], table["time_column"]
    if rows and table["unreadable"] + table["nulls"] == rows:
        yield Advice(
            f"no value of {column} can be read as a time: nothing will ever be deleted",
            "set --time-column to the column that holds the time; see the examples above",
        )
        return
    if table["unreadable"]:
        yield Advice(
            f"values of {column} that cannot be read: {table['unreadable']}; such rows stay",
            "see the examples above; correct what writes them, and delete or correct the rows",
        )
    if table["nulls"]:
        yield Advice(
            f"rows without a time in {column}: {table['nulls']}; such rows stay",
            f"give them one, or delete those WHERE {column} IS NULL",
        )
    yield from _of_share(table, document)


def _of_share(table: Document, document: Document) -> Iterator[Advice]:
    # An expiry time lies ahead by its nature.
    if table["future"] and document["retention_days"] is not None:
        yield Advice(
            f"rows ahead of this host's clock: {table['future']}; they stay too long",
            "see timedatectl here and on the hosts that write; set --time-zone if stored times "
            "are local; use --before=now if they are expiry times",
        )
    stale = document.get("would_delete", 0)
    limit = {row["option"]: row["value"] for row in document["settings"]}["--max-delete-percent"]
    if stale * 2 > table["rows"] and limit == "100":
        yield Advice(
            f"a run would delete {stale} of {table['rows']} rows, more than half of the table",
            "if this is not a first run, look at the clock and at the cutoff, and whether the "
            "database is an old backup; --max-delete-percent=50 would stop such a run",
        )
