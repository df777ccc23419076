"""Hints in the words of who reads them."""

import pytest

from geocache_cleanup import hints
from geocache_cleanup.systemd.service import Service


@pytest.mark.parametrize(
    ("hint", "read"),
    [
        ("set --table", "set GEOCACHE_CLEANUP_TABLE in FILE"),
        (
            "raise --timeout, or --batch-seconds=1",
            "raise GEOCACHE_CLEANUP_TIMEOUT in FILE, or GEOCACHE_CLEANUP_BATCH_SECONDS=1",
        ),
        ("--batch-seconds 0.5, which", "GEOCACHE_CLEANUP_BATCH_SECONDS=0.5 in FILE, which"),
        ("see df; run with --sql", "see df; run with --sql"),
        ("it, in the settings file of the service", "it, in FILE"),
    ],
)
def test_options_become_variables(hint: str, read: str) -> None:
    """The file is named once; what is no setting stays."""
    said = hints.for_service(hint, Service(), "default")
    assert said.replace("/etc/default/geocache-cleanup", "FILE") == read


def test_an_instance_has_its_own_names() -> None:
    """Its file, its credential, and the option that makes a command act as it."""
    hint = "check --database-url, or run geocache-cleanup migrate"
    assert hints.for_service(hint, Service("eu"), "environment") == (
        "check GEOCACHE_CLEANUP_DATABASE_URL in /etc/geocache-cleanup/eu.env, or run "
        "geocache-cleanup migrate --instance eu"
    )
    assert hints.for_service(hint, Service("eu"), "credential") == (
        "check the credential geocache-cleanup.eu.database-url, or run "
        "geocache-cleanup migrate --instance eu"
    )


@pytest.mark.parametrize(
    ("hint", "read"),
    [
        (
            "start geocache-cleanup.service, then journalctl -u geocache-cleanup -x",
            "start geocache-cleanup@eu.service, then journalctl -u geocache-cleanup@eu -x",
        ),
        (
            "as the credential geocache-cleanup.database-url, mode 0600",
            "as the credential geocache-cleanup.eu.database-url, mode 0600",
        ),
        ("look at geocache-cleanup check", "look at geocache-cleanup check --instance eu"),
        ("see geocache-cleanup history", "see geocache-cleanup history --instance eu"),
        ("chown it to geocache-cleanup", "chown it to geocache-cleanup"),
    ],
)
def test_what_is_named_is_the_instance_s_own(hint: str, read: str) -> None:
    """Else the command would prune another database; the user is one for all."""
    assert hints.for_service(hint, Service("eu"), "default") == read
    assert hints.for_service(hint, Service(), "default") == hint
