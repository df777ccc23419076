"""The text of check: what there is, what a run would do, and last what is wrong."""

from collections.abc import Iterator, Sequence

from geocache_cleanup.engines.connection_info import ConnectionInfo
from geocache_cleanup.report.document import CheckDocument, LedgerReport
from geocache_cleanup.report.layout import aligned, columns, moment, wrap
from geocache_cleanup.report.preview import RunEstimate, TableReport
from geocache_cleanup.report.statistics import AgeGroup, Counts, Format
from geocache_cleanup.systemd.timers import Timer, Timers

_BAR = 30
_INDENT = 2


def check_text(document: CheckDocument) -> str:
    """Render the document of check; parts that it lacks are left out."""
    return "\n\n".join(_sections(document))


def _sections(document: CheckDocument) -> Iterator[str]:
    yield _section("Settings", columns(_settings(document), _INDENT))
    if document.connection:
        yield _section("Connection", _connection(document.connection))
    if document.table:
        yield _section("Table", _table(document.table, document.statistics))
        missing = ", ".join(document.migrate or ()) or "nothing: all is in place"
        yield _section("Migrate would make", wrap(missing, _INDENT))
    if document.statistics:
        yield from _stored(document.statistics, document.cutoff)
    if document.ledger:
        yield _section("Past runs", _ledger(document.ledger))
    yield _section("Timer", _timers(document.timers))
    if document.lock:
        yield _section("A run now", _outcome(document, document.lock))
    yield _section("Problems and advice", _advice(document))


def _section(title: str, text: str) -> str:
    return f"{title}\n{text}"


def _settings(document: CheckDocument) -> Sequence[Sequence[object]]:
    return [
        (row.option, f"{'not set' if row.value is None else row.value} ({row.source})")
        for row in document.settings
    ]


def _connection(connection: ConnectionInfo) -> str:
    facts = [
        ("engine", f"{connection.engine} {connection.version}"),
        ("driver", connection.driver),
        ("this user", connection.user),
    ]
    if connection.file is not None:
        size, free = _size(connection.file_bytes or 0), _size(connection.free_bytes or 0)
        facts += [
            ("file", connection.file),
            ("its owner", str(connection.file_owner)),
            ("its size", f"{size}, of which {free} are free for new rows"),
            ("journal mode", str(connection.journal_mode)),
        ]
    return columns(facts, _INDENT)


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e5 else f"{number} bytes"


def _table(table: TableReport, counts: Counts | None) -> str:
    facts = [
        ("table", table.table),
        ("columns", ", ".join(table.columns)),
        ("key", ", ".join(table.key) or "none"),
        ("time column", f"{table.time_column} {table.time_column_type}".rstrip()),
        ("index", table.index or "none that leads with the time column"),
    ]
    if counts:
        facts += [
            ("rows", str(counts.rows)),
            ("no time set", str(counts.unset)),
            ("unreadable", str(counts.unreadable)),
            ("in the future", str(counts.future)),
        ]
    return columns(facts, _INDENT)


def _stored(counts: Counts, cutoff: str) -> Iterator[str]:
    yield _section("Stored times", "\n".join(map(_format, counts.formats)) or "  None.")
    yield _section("Rows by age", _histogram(counts.ages, cutoff))
    retentions = [(found.days, found.would_delete) for found in counts.retentions]
    head = ("days", "rows a run would delete")
    yield _section("With other retentions", columns([head, *retentions], _INDENT))


def _format(found: Format) -> str:
    head = f"{found.rows} rows: {found.name}, such as {found.example}"
    return wrap(head + (f", read as {found.read_as}" if found.read_as else ""), _INDENT, hanging=2)


def _histogram(ages: Sequence[AgeGroup], cutoff: str) -> str:
    most = max([group.rows for group in ages] + [1])
    rows = [
        (
            _age(group),
            group.rows,
            "delete" if group.stale else "keep",
            "#" * -(-group.rows * _BAR // most),
        )
        for group in ages
    ]
    lines = [*aligned([("age in days", "rows", "a run would", ""), *rows], _INDENT)]
    # Above are the rows that stay: the first line is the head.
    fresh = sum(not group.stale for group in ages)
    lines.insert(fresh + 1, f"  ----- cutoff {moment(cutoff)} UTC; below is deleted")
    return "\n".join(lines)


def _age(group: AgeGroup) -> str:
    low, high = group.from_days, group.to_days
    if low is None:
        return "in the future" if high == 0 else f"{-(high or 0)} and more ahead"
    if high is None:
        return f"{low} and more"
    return f"{low} to {high}" if low >= 0 else f"{max(-high, 0)} to {-low} ahead"


def _ledger(ledger: LedgerReport) -> str:
    last = ledger.last_run
    if not ledger.exists:
        text = "There is no ledger; the journal has them."
    elif last is None:
        text = "None of this table is on record."
    else:
        text = (
            f"The last that succeeded began {moment(last['started_at'])} UTC on {last['host']} "
            f"and deleted {last['deleted']} rows, transactions: {last['batches']}."
        )
    return wrap(text, _INDENT)


def _timers(timers: Timers) -> str:
    if timers.unknown:
        return wrap(f"Not known: {timers.unknown}.", _INDENT)
    return "\n".join(wrap(_timer(unit), _INDENT) for unit in timers.units)


def _timer(unit: Timer) -> str:
    due = f"it fires next {moment(unit.next)} UTC" if unit.next else "it is not due"
    fired = f"it last fired {moment(unit.last)} UTC" if unit.last else "it has not fired yet"
    return (
        f"{unit.unit} is {unit.enabled or 'not installed'} and {unit.active}; {due}, and {fired}."
    )


def _outcome(document: CheckDocument, lock: RunEstimate) -> str:
    basis = "a guess: no past run deleted 1000 rows or more"
    if lock.past_runs:
        basis = f"by {lock.past_runs} past run" + "s" * (lock.past_runs > 1)
    held = (
        f"It would take about {lock.run_seconds:.1f} seconds: {lock.search_seconds:.1f} to "
        f"search, as measured now, and {lock.rows_per_second} rows a second to delete, {basis}."
    )
    sentences = (
        f"A run would delete {document.would_delete} rows from before {document.cutoff}.",
        f"Values it would meet and could not read: {document.unreadable}.",
        held,
        f"It would hold the write lock for about {lock.seconds:.1f} seconds at a time.",
        "It may write: that was proved, and undone.",
    )
    return "\n".join(wrap(sentence, _INDENT) for sentence in sentences)


def _advice(document: CheckDocument) -> str:
    lines = []
    if problem := document.problem:
        lines.append(wrap(f"A run would fail: {problem.reason}", _INDENT))
        lines.append(wrap(f"Remedy: {problem.remedy}", 2 * _INDENT))
    for found in document.advice:
        lines.append(wrap(f"- {found.finding}", _INDENT, hanging=2))
        lines.append(wrap(f"Remedy: {found.remedy}", 2 * _INDENT))
    return "\n".join(lines or ["  None."])
