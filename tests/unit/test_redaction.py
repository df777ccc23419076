"""What of a URL is secret: also where it cannot be parsed, and in words of a driver."""

import pytest

from geocache_cleanup.config.redaction import decoded, secrets_of


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("postgresql://user:hunter2@host/db", "hunter2"),
        ("postgresql://user:hunt@er2@host/db", "hunt@er2"),
        ("postgresql://user:hunt@er2@host/db", "hunt"),
        ("user:hunter2@host", "hunter2"),
        ("mysql://h/db?passwd=ab", "ab"),
        ("mysql://h/db?init_command=SET+PASSWORD%3Dhunter2", "hunter2"),
        ("mysql://h/db?init_command=SET+PASSWORD%3Dhunter2", "SET PASSWORD=hunter2"),
        ("postgresql://user:%2540hunter2@host/db", "@hunter2"),
        ("postgresql://user:hunter2%0Aand@host/db", "hunter2; and"),
    ],
)
def test_what_is_secret(url: str, secret: str) -> None:
    """It is found without the help of SQLAlchemy, and in the forms that drivers write."""
    assert secret in secrets_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////var/lib/geo.db",
        "postgresql://user@host:5432/db?sslmode=require&connect_timeout=10&x=on",
        "postgresql:///db?host=/run/postgresql&port=5433",
        "",
    ],
)
def test_what_is_not(url: str) -> None:
    """Without it nobody would understand what a driver says."""
    assert secrets_of(url) == set()


def test_decoding_ends() -> None:
    """However often it was encoded."""
    assert decoded("%2525252525") == "%"
    assert decoded("100%") == "100%"
