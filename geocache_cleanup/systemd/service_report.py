"""What systemd and the journal know of each service: its last runs, and when the next is due."""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from geocache_cleanup.events import Event
from geocache_cleanup.systemd import service, timers
from geocache_cleanup.systemd.ask import FIRST_OF_SYSTEMD, NoAnswerError, ask, show
from geocache_cleanup.systemd.service import Service
from geocache_cleanup.systemd.timers import Timer

_START, _END = "ExecMainStartTimestamp", "ExecMainExitTimestamp"
_PROPERTIES = (_START, _END, "ActiveState", "SubState", "Result", "ExecMainCode", "ExecMainStatus")
# The CLD_EXITED of waitid(2): the process has ended by itself.
_EXITED = "1"
_FAILED = "failed"
_RESULTS = {
    Event.RAN.value: "ok",
    Event.SKIPPED.value: "nothing configured",
    Event.INTERRUPTED.value: "stopped",
    Event.FAILED.value: _FAILED,
}
_DONE = (Event.RAN.value, Event.SKIPPED.value)
_KEY = "GEOCACHE_CLEANUP_EVENT"
_SECONDS = 5.0
# Where the last run is long ago it is looked for in all files.
_JOURNAL_SECONDS = 30.0


@dataclass(frozen=True)
class ServiceReport:
    """One service: what became of its last run, and when (RFC 3339 in UTC).

    ``result`` is "ok", "nothing configured", "never ran", "unknown" where the journal cannot tell,
    "running", "retrying", "stopped", or "failed" with the ``exit_status``, and in parentheses
    systemd's word for it where the job did not end by itself.
    """

    unit: str
    timer: str
    is_used: bool
    result: str
    exit_status: int | None
    reason: str | None
    last_run: str | None
    last_success: str | None
    deleted: int | None
    next: str | None


def service_reports(instance: str | None) -> Sequence[ServiceReport]:
    """Ask systemd about all services, or only that of an instance.

    Raise NoAnswerError if systemd does not answer.
    """
    known = {timer.unit: timer for timer in timers.look(Service(instance)).units}
    if instance:
        services = [Service(instance)]
    else:
        armed = {unit.partition("@")[2].removesuffix(".timer") for unit in known} - {""}
        services = [Service(), *map(Service, sorted(armed | set(service.instances())))]
    reports = [_report(found, known.get(found.timer)) for found in services]
    are_others_used = any(report.is_used for report in reports[1:])
    # Whoever has instances only has no need of the other one.
    return [report for report in reports if report.is_used or not are_others_used]


def _report(found: Service, timer: Timer | None) -> ServiceReport:
    (state,) = show((found.unit,), _PROPERTIES, _SECONDS)
    last = done = _last_event(found, _RESULTS)
    if last and last["event"] not in _DONE:
        done = _last_event(found, _DONE)
    began, ended = (timers.moment(state.get(name, "")) for name in (_START, _END))
    told = _text(last, "timestamp")
    # A run that deleted nothing may be below the level that is logged. systemd gives seconds.
    is_untold = told is None or told[:19] < (began or "")[:19]
    of_last_run = None if is_untold else last
    if state.get("Result") == "success" and ended and is_untold:
        last = done = {"event": Event.RAN.value, "timestamp": ended}
    has_run = bool(ended or (timer and timer.last))
    result = _result(state, last) or ("unknown" if has_run else "never ran")
    has_failed = result.startswith((_FAILED, "retrying"))
    status, reason = _how_it_ended(state, of_last_run)
    return ServiceReport(
        unit=found.unit,
        timer=found.timer,
        is_used=has_failed or last is not None or (timer is not None and timer.active == "active"),
        result=result,
        exit_status=status if has_failed else None,
        reason=reason if has_failed else None,
        last_run=ended if is_untold and ended else told,
        last_success=_text(done, "timestamp"),
        deleted=_number(of_last_run, "deleted"),
        next=timer.next if timer else None,
    )


def _last_event(found: Service, events: Iterable[str]) -> Mapping[str, object] | None:
    """Return the latest of these events of the service in the journal, with the keys it has there.

    None if there is none, or if the journal is not for this user to read.
    """
    matches = [f"{_KEY}={event}" for event in events]
    journal = ("journalctl", "--quiet", f"--unit={found.unit}", "--output=cat", "--lines=1")
    with contextlib.suppress(NoAnswerError, ValueError):
        event = json.loads(ask([*journal, *matches], _JOURNAL_SECONDS))
        return event if isinstance(event, dict) else None
    return None


def _result(state: Mapping[str, str], last: Mapping[str, object] | None) -> str | None:
    """Return the result, None if neither systemd nor the journal knows of a run."""
    if state.get("ActiveState") == "failed":
        why = state.get("Result", "")
        return _FAILED if why == "exit-code" else f"{_FAILED} ({why})"
    if state.get("ActiveState") == "activating":
        return "retrying" if state.get("SubState") == "auto-restart" else "running"
    return _RESULTS[str(last["event"])] if last else None


def _how_it_ended(
    state: Mapping[str, str], last: Mapping[str, object] | None
) -> tuple[int | None, str | None]:
    """Return the exit status of a run that failed, if it has one, and why, in words."""
    status = int(state.get("ExecMainStatus") or 0)
    if status and state.get("ExecMainCode") != _EXITED:
        return None, f"ended by signal {status}"
    if status >= FIRST_OF_SYSTEMD:
        return status, "systemd could not set it up"
    return status or _number(last, "exit_status"), _text(last, "reason")


def _text(event: Mapping[str, object] | None, key: str) -> str | None:
    value = event.get(key) if event else None
    return value if isinstance(value, str) else None


def _number(event: Mapping[str, object] | None, key: str) -> int | None:
    value = event.get(key) if event else None
    return value if isinstance(value, int) else None
