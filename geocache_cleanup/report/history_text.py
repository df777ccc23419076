"""The text of history, from the same runs that ``--json`` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from geocache_cleanup.report.layout import aligned, moment, wrap

Run = Mapping[str, Any]


def history_text(runs: Sequence[Run]) -> str:
    """Render past runs, newest first; their table and host are said where they change."""
    if not runs:
        return "There is no run in the ledger."
    head = ("started (UTC)", "seconds", "deleted", "unreadable", "days", "cutoff (UTC)")
    lines = aligned([head, *map(_run, runs)])
    found, last = [lines[0]], ""
    for run, line in zip(runs, lines[1:], strict=True):
        if (place := _place(run)) != last:
            found.append(wrap(place, 0))
        last = place
        found.append(line)
    return "\n".join(found)


def _run(run: Run) -> Sequence[object]:
    seconds = run["duration_seconds"]
    return (
        moment(run["started_at"]),
        f"{seconds:.1f}" if isinstance(seconds, float) else seconds,
        run["deleted"],
        run["unreadable"],
        # Without a retention the cutoff was given itself.
        "-" if run["retention_days"] is None else run["retention_days"],
        moment(run["cutoff"]),
    )


def _place(run: Run) -> str:
    return f"{run['table_name']}, by {run['time_column']}, on {run['host']}:"
