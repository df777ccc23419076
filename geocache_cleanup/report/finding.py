"""What advice is made of."""

from dataclasses import dataclass
from typing import Any, Mapping

Document = Mapping[str, Any]

MIGRATE = "run geocache-cleanup migrate with these settings, as the owner of the table"


@dataclass(frozen=True)
class Advice:
    """Something that is not as it should be, and what to do about it."""

    finding: str
    remedy: str


@dataclass(frozen=True)
class AdviceContext:
    """What the document does not say: ``timeout`` is in seconds.

    ``has_secret_in_view``: the URL holds a password that others on the host can read.
    ``ignores_service``: the settings of the service were not those of this command.
    """

    has_secret_in_view: bool
    ignores_service: bool
    timeout: float
    is_root: bool
