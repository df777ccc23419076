"""Settings: where they come from, what is refused, what they mean."""

import datetime as dt
import os
import re
from pathlib import Path

import pytest

from geocache_cleanup.config.loader import collect, resolve
from geocache_cleanup.config.settings import CREDENTIAL, SETTINGS, Settings
from geocache_cleanup.errors import ConfigError, SettingsError
from geocache_cleanup.times import instants
from helpers import jobs

NOW = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


def read(
    environment: dict[str, str] | None = None,
    directory: Path | None = None,
    /,
    **options: str | None,
) -> Settings:
    """Resolve settings from options, an environment and a credentials directory."""
    given = {**dict.fromkeys(SETTINGS), **options}
    prefixed = {f"GEOCACHE_CLEANUP_{name}": text for name, text in (environment or {}).items()}
    return resolve(collect(given, prefixed, str(directory) if directory else None), NOW)


def test_defaults() -> None:
    """Nothing given: the documented defaults."""
    settings = read()
    assert settings.database_url == "sqlite:////var/lib/geocache-cleanup/geo_cache.db"
    assert (settings.table, settings.time_column) == ("geo_cache", "last_seen")
    assert (settings.retention_days, settings.timeout) == (90, 60)
    assert instants.render(settings.cutoff) == "2026-06-03T12:00:00Z"
    assert set(settings.sources.values()) == {"default"}
    assert not settings.configured


def test_precedence(tmp_path: Path) -> None:
    """Option over environment over credential over default; each source is named."""
    (tmp_path / CREDENTIAL).write_text("sqlite:///credential.db\n")
    expected = [("credential", "sqlite:///credential.db")]
    settings = read(None, tmp_path)
    found = [(settings.sources["database_url"], settings.database_url)]
    settings = read({"DATABASE_URL": "sqlite:///env.db"}, tmp_path)
    found.append((settings.sources["database_url"], settings.database_url))
    settings = read({"DATABASE_URL": "sqlite:///env.db"}, tmp_path, database_url="sqlite:///o.db")
    found.append((settings.sources["database_url"], settings.database_url))
    expected += [("environment", "sqlite:///env.db"), ("option", "sqlite:///o.db")]
    assert found == expected


def test_credentials_directory_without_ours(tmp_path: Path) -> None:
    """LoadCredential= of a file that is not there leaves an empty directory."""
    assert read(None, tmp_path).sources["database_url"] == "default"


def test_the_fallback_of_the_units_is_no_credential(tmp_path: Path) -> None:
    """What SetCredential= passes where LoadCredential= finds no file."""
    unit = Path(__file__).parents[2] / "packaging" / "systemd" / "geocache-cleanup.service"
    (fallback,) = re.findall(rf"^SetCredential={CREDENTIAL}:(.*)$", unit.read_text(), re.MULTILINE)
    for content in (fallback, fallback + "\n"):
        (tmp_path / CREDENTIAL).write_text(content)
        settings = read(None, tmp_path)
        assert settings.sources["database_url"] == "default"
        assert not settings.configured
    (tmp_path / CREDENTIAL).write_text(f"{fallback}.db")
    with pytest.raises(ConfigError):
        read(None, tmp_path)


@pytest.mark.parametrize(
    "content", [b"k6iUCUh0RJCQyvL8k8q1UyAAAAABAAAADAAAABAAAAC1lFmb", b"", b"hunter2"]
)
def test_credential_that_is_no_url(tmp_path: Path, content: bytes) -> None:
    """Ciphertext in place of the URL is told for what it probably is, and never repeated."""
    (tmp_path / CREDENTIAL).write_bytes(content)
    with pytest.raises((ConfigError, SettingsError)) as caught:
        read(None, tmp_path)
    assert CREDENTIAL in caught.value.reason
    assert not content or content.decode(errors="replace") not in caught.value.reason
    assert "empty" in caught.value.reason or "LoadCredentialEncrypted=" in caught.value.reason
    # Under the service that becomes the name of its own credential.
    assert isinstance(caught.value, SettingsError) or "--database-url" in caught.value.hint


@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "large", "latin-1", "bytes"])
def test_credential_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    """What cannot be a credential is refused at once, and not read for ever."""
    path = tmp_path / CREDENTIAL
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "latin-1":  # a password with a letter replaced would only be refused by the server
        path.write_bytes(b"postgresql://u:p\xe4ss@h/db")
    elif kind == "bytes":
        path.write_bytes(b"\xff\xfe")
    elif kind == "large":
        path.write_bytes(b"a" * (2**20 + 1))
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    with pytest.raises(ConfigError, match=f"{CREDENTIAL} cannot be read"):
        read(None, tmp_path)


def test_all_problems_are_named_but_no_secret() -> None:
    """One error has every problem; a database URL is not repeated in it."""
    with pytest.raises(SettingsError) as caught:
        read(
            {"TABLE": "", "TIMEOUT": "never"},
            database_url="user:hunter2@host",
            retention_days="0",
        )
    reason = caught.value.reason
    for name in ("table", "timeout", "database-url", "retention-days"):
        assert f"--{name} (GEOCACHE_CLEANUP_{name.upper().replace('-', '_')})" in reason
    assert "hunter2" not in reason
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    ("before", "cutoff"),
    [
        ("now", "2026-09-01T12:00:00Z"),
        ("2026-06-03", "2026-06-03T00:00:00Z"),
        ("2026-06-03T14:00:00+02:00", "2026-06-03T12:00:00Z"),
        ("2026-06-03 12:00Z", "2026-06-03T12:00:00Z"),
    ],
)
def test_before(before: str, cutoff: str) -> None:
    """An instant in place of a retention."""
    settings = read(before=before)
    assert (instants.render(settings.cutoff), settings.retention_days) == (cutoff, None)


@pytest.mark.parametrize(
    "before",
    [
        "2026-06-03T12:00",
        "yesterday",
        "1780488000",
        "2026-13-01",
        "",
        "NOW",
        "0001-01-01T00:00+01:00",
        "1999-12-31T23:59:59Z",
        "2000-01-01T00:59+01:00",
    ],
)
def test_before_that_names_no_instant(before: str) -> None:
    """Nor does a time without a zone, a number without a unit, or one from before 2000."""
    with pytest.raises(SettingsError, match="--before"):
        read(before=before)


def test_before_and_retention() -> None:
    """The nearer source wins; two cutoffs from one source are refused."""
    assert read({"RETENTION_DAYS": "30"}, before="now").retention_days is None
    assert read({"BEFORE": "now"}, retention_days="30").retention_days == 30
    with pytest.raises(SettingsError, match="give one"):
        read(before="now", retention_days="30")
    with pytest.raises(SettingsError, match="give one"):
        read({"BEFORE": "now", "RETENTION_DAYS": "30"})


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("timeout", ["0", "-1", "86401", "inf", "nan", "1e3", "60s"]),
        ("max_delete_percent", ["0", "101", "50%"]),
        ("time_zone", ["Mars", "../etc/passwd", "/etc/localtime", "Europe", "utc+2"]),
        ("log_format", ["JSON", "xml"]),
        ("log_level", ["verbose"]),
        ("table", ["a\0b"]),
    ],
)
def test_refused_values(name: str, texts: list[str]) -> None:
    """Each value outside its bounds is refused by name."""
    for text in texts:
        with pytest.raises(SettingsError, match=SETTINGS[name].option):
            read(**{name: text})


@pytest.mark.parametrize("name", ["table", "time_column"])
def test_names_are_utf8_in_any_locale(name: str) -> None:
    """A name in bytes that the locale does not know is the same name; what is no text is none."""
    assert getattr(read(**{name: "\udcc3\udcbc"}), name) == "\u00fc"
    with pytest.raises(SettingsError, match="UTF-8"):
        read(**{name: "a\udcff"})


def test_fractions_of_a_second() -> None:
    """A timeout may be shorter than a second."""
    assert read(timeout="0.5").timeout == 0.5


def test_time_zone() -> None:
    """IANA names are looked up."""
    instant = instants.read_instant("2026-06-03 14:00", read(time_zone="Europe/Berlin").time_zone)
    assert instant == jobs.instant(jobs.CUTOFF)
