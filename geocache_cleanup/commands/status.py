"""The command ``status``: how the services fare, without opening a database."""

import dataclasses
import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from geocache_cleanup.errors import ConfigError, UnavailableError
from geocache_cleanup.report.status_text import status_text
from geocache_cleanup.systemd import service
from geocache_cleanup.systemd.ask import NoAnswerError
from geocache_cleanup.systemd.service_report import ServiceReport, service_reports

if TYPE_CHECKING:
    from geocache_cleanup.invocation import Invocation

_OVERDUE = "overdue"
_UNDER_WAY = ("running", "retrying")
# So that the first line fits into 80 columns.
_SHORT = 40
# What a monitoring plugin says of its exit statuses.
_WORDS = ("OK", "WARNING", "CRITICAL")


def show_status(
    invocation: "Invocation", instance: str | None, max_age: float, *, as_json: bool
) -> int:
    """Print a line for each service; return 0, 1 if one never ran, 2 if one failed or is late.

    ``max_age`` is how many hours after its last success a service is late. Raise CleanupError if
    systemd cannot be asked.
    """
    if not service.is_booted():
        raise ConfigError("systemd does not run this host", "see what starts the job here")
    now = dt.datetime.now(dt.UTC)
    try:
        found = [_judged(report, now, max_age) for report in service_reports(instance)]
    except NoAnswerError as error:
        raise UnavailableError(
            f"systemd does not answer: {error}", "see systemctl status"
        ) from None
    status = max(map(_severity, found))
    summary = f"{_WORDS[status]} - {_sentence(found, status)}"
    document = {
        "status": status,
        "summary": summary,
        "services": [_as_json(report) for report in found],
    }
    performance = _performance(found, now)
    text = status_text(f"{summary} | {performance}" if performance else summary, found)
    invocation.show(json.dumps(document) if as_json else text)
    return status


def _age(report: ServiceReport, now: dt.datetime) -> float | None:
    """Return the seconds since the last success."""
    if report.last_success is None:
        return None
    return (now - dt.datetime.fromisoformat(report.last_success)).total_seconds()


def _judged(report: ServiceReport, now: dt.datetime, max_age: float) -> ServiceReport:
    age = _age(report, now)
    if report.result.startswith("failed") or age is None or age <= max_age * 3600:
        return report
    return dataclasses.replace(report, result=_OVERDUE)


def _severity(report: ServiceReport) -> int:
    if report.result == _OVERDUE or report.result.startswith("failed"):
        return 2
    return 1 if report.last_success is None else 0


def _sentence(found: Sequence[ServiceReport], worst: int) -> str:
    worst_of_all = [report for report in found if _severity(report) == worst]
    one = f"{worst_of_all[0].unit.removesuffix('.service')}: {worst_of_all[0].result}"
    if len(worst_of_all) == 1 and len(one) <= _SHORT:
        return one
    if worst:
        what = ("never ran", "failed or overdue")[worst - 1]
        return f"{len(worst_of_all)} of {len(found)} services {what}"
    busy = Counter(report.result for report in found if report.result in _UNDER_WAY)
    others = "".join(f", {number} {result}" for result, number in busy.items())
    return f"{len(found) - busy.total()} services ok{others}"


def _performance(found: Sequence[ServiceReport], now: dt.datetime) -> str:
    """Return what a monitoring plugin plots: rows deleted last, and the oldest success's age."""
    ages = [age for report in found if (age := _age(report, now)) is not None]
    if not ages:
        return ""
    deleted = sum(report.deleted or 0 for report in found)
    return f"deleted={deleted} age={max(ages):.0f}s"


def _as_json(report: ServiceReport) -> Mapping[str, Any]:
    fields = dataclasses.asdict(report)
    fields.pop("is_used")
    return fields
