"""What systemd says of the timers that start the job."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from geocache_cleanup.systemd.ask import NoAnswerError, show
from geocache_cleanup.systemd.service import Service
from geocache_cleanup.times import instants

# Instances are listed only as far as systemd has loaded them, which it has if they are armed.
_UNITS = ("geocache-cleanup.timer", "geocache-cleanup@*.timer")
_PROPERTIES = (
    "Id",
    "LoadState",
    "UnitFileState",
    "ActiveState",
    "NextElapseUSecRealtime",
    "LastTriggerUSec",
)
_SECONDS = 2.0


@dataclass(frozen=True)
class Timer:
    """One timer: its states in systemd's words, and when it fires next and fired last (UTC)."""

    unit: str
    enabled: str
    active: str
    next: str | None
    last: str | None


@dataclass(frozen=True)
class Timers:
    """All of them, or why they are not known."""

    units: Sequence[Timer] = ()
    unknown: str | None = None


def look(service: Service) -> Timers:
    """Ask systemd, for two seconds at most; where there is none, say so and never fail.

    The timer of ``service`` is among them though it be neither enabled nor active.
    """
    try:
        shown = show((service.timer, *_UNITS), _PROPERTIES, _SECONDS)
    except NoAnswerError as error:
        return Timers(unknown=str(error))
    # Each once: a unit that is named twice is shown twice.
    timers = {timer.unit: timer for timer in map(_timer, shown) if timer}
    return Timers([*timers.values()], None if timers else f"there is no {_UNITS[0]}")


def _timer(found: Mapping[str, str]) -> Timer | None:
    if found.get("LoadState") in {None, "not-found"}:
        return None
    return Timer(
        unit=found.get("Id", ""),
        enabled=found.get("UnitFileState", ""),
        active=found.get("ActiveState", ""),
        next=moment(found.get("NextElapseUSecRealtime", "")),
        last=moment(found.get("LastTriggerUSec", "")),
    )


def moment(text: str) -> str | None:
    """Return a time of systemd's as RFC 3339; as it is, should systemd write it otherwise."""
    if text in {"", "0", "n/a"}:
        return None
    try:
        read = dt.datetime.strptime(
            text.partition(" ")[2].replace("UTC", "+0000"), "%Y-%m-%d %H:%M:%S %z"
        )
    except ValueError:
        return text
    return instants.render(instants.of_datetime(read))
