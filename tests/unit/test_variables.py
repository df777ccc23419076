"""Variables that look like settings and are none."""

import pytest

from geocache_cleanup.config import variables
from geocache_cleanup.config.settings import SETTINGS


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GEOCACHE_CLEANUP_RETENTION_DAY", "RETENTION_DAYS"),
        ("GEOCACHE_CLEANUP_RETENTIONDAYS", "RETENTION_DAYS"),
        ("geocache_cleanup_retention_days", "RETENTION_DAYS"),
        ("Geocache_Cleanup_Before", "BEFORE"),
        ("GEO_CACHE_CLEANUP_TABLE", "TABLE"),
        ("GEOCACHE_CLENUP_RETENTION_DAYS", "RETENTION_DAYS"),
        ("GEOCACHE_CLEANUP_DB_URL", "DATABASE_URL"),
        ("GEOCACHE-CLEANUP-TIMEOUT", "TIMEOUT"),
    ],
)
def test_a_mistyped_setting(name: str, meant: str) -> None:
    """It is named, with the one that was probably meant."""
    (problem,) = variables.unknown([name])
    assert problem == f"{name} is no setting; did you mean GEOCACHE_CLEANUP_{meant}?"


def test_one_that_is_like_none() -> None:
    """The prefix alone makes it one of ours."""
    (problem,) = variables.unknown(["GEOCACHE_CLEANUP_9"])
    assert problem.startswith("GEOCACHE_CLEANUP_9 is no setting")


def test_those_of_others() -> None:
    """The settings themselves, and what other programs have."""
    known = [setting.variable for setting in SETTINGS.values()]
    others = ["PATH", "CACHE_DIRECTORY", "XDG_CACHE_HOME", "CLEANUP_TABLE", "GEOCACHE_TABLE", "TZ"]
    assert variables.unknown([*known, *others]) == []
