"""The text of status: a line that monitoring reads, and a table of the services."""

from collections.abc import Iterator, Sequence

from geocache_cleanup.report.layout import aligned, moment, wrap
from geocache_cleanup.systemd.service_report import ServiceReport

_HEAD = ("result", "last run (UTC)", "deleted", "next run (UTC)", "service")


def status_text(summary: str, services: Sequence[ServiceReport]) -> str:
    """Render the services, each that failed with its reason below the table."""
    rows = [_row(report) for report in services]
    return "\n".join([summary, *aligned([_HEAD, *rows]), *_reasons(services)])


def _row(report: ServiceReport) -> Sequence[object]:
    return (
        report.result.partition(" (")[0],
        _minute(report.last_run),
        report.deleted,
        _minute(report.next),
        report.unit.removesuffix(".service"),
    )


def _minute(text: str | None) -> str:
    return moment(text)[:16] if text else "-"


def _reasons(services: Sequence[ServiceReport]) -> Iterator[str]:
    for report in services:
        has_ended_badly = report.exit_status is not None or report.reason is not None
        if not (has_ended_badly or report.result.startswith(("failed", "unknown"))):
            continue
        status = f", status {report.exit_status}" if report.exit_status is not None else ""
        said = f": {report.reason}" if report.reason else ""
        yield wrap(f"{report.unit} {report.result}{status}{said}", 0, 2)
        yield wrap(f"see {_remedy(report)}", 2)


def _remedy(report: ServiceReport) -> str:
    if report.result == "unknown":
        return "the journal, as root or as a member of the group systemd-journal"
    see = f"journalctl -x -u {report.unit} -p warning"
    if report.result == "retrying":
        return f"{see}; systemd tries again within minutes"
    # After several failures systemd refuses to start it before.
    return f"{see}; then systemctl reset-failed {report.unit}; systemctl start {report.unit}"
