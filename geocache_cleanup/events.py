"""The audit events, each with the id under which the journal's catalog explains it."""

import enum
from collections.abc import Mapping
from typing import Self

from geocache_cleanup.errors import ExitStatus


def exit_status_of(event: "Event", fields: Mapping[str, object]) -> ExitStatus:
    """Return the status that a command ends with, by its last event and what that says."""
    if event is Event.INTERRUPTED:
        # systemctl stop sends SIGTERM: that must leave no failed unit behind.
        return ExitStatus.SIGINT if fields.get("signal") == "SIGINT" else ExitStatus.OK
    status = fields.get("exit_status")
    return ExitStatus(status) if isinstance(status, int) else ExitStatus.OK


class Event(enum.Enum):
    """One kind of event: the value is its public name."""

    message_id: str

    def __new__(cls, name: str, message_id: str) -> Self:
        """Keep the name as the value and the catalog id beside it."""
        member = object.__new__(cls)
        member._value_ = name
        member.message_id = message_id
        return member

    STARTED = ("geo_cache_cleanup_started", "e7cea715021d4e10a69cfbbc45c7a0c4")
    RAN = ("geo_cache_cleanup_ran", "ae4ebaa6475745728dac48e92f27cb9f")
    RECLAIMED = ("geo_cache_cleanup_reclaimed", "db3767ac2ed84ca1a2d03f5b9fdce5e6")
    WOULD_RUN = ("geo_cache_cleanup_would_run", "bc1049bde7bc43c884417a83c8c8a274")
    SKIPPED = ("geo_cache_cleanup_skipped", "7537f201230e47eb92ed922e17c4dfcf")
    INTERRUPTED = ("geo_cache_cleanup_interrupted", "0e99dfa1f4b342e48a358d8ac3ee2c00")
    FAILED = ("geo_cache_cleanup_failed", "b27f86b6a9fc4b4e9c2fbb9d32a3f08e")
