"""From options, environment and credential to settings, with every problem in one error."""

import dataclasses
import datetime as dt
import math
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geocache_cleanup.config.settings import CREDENTIAL, SETTINGS, Setting, Settings
from geocache_cleanup.errors import ConfigError, SettingsError
from geocache_cleanup.times import instants

# What systemd allows a credential, in bytes.
_LARGEST = 1 << 20
# SetCredential= of the units, a fallback: newer systemd logs each start without any credential.
_NOT_SET = "not-set"


@dataclass(frozen=True)
class RawSetting:
    """The text given for a setting, and by what."""

    text: str | None
    source: str


def collect(
    options: Mapping[str, object],
    environment: Mapping[str, str],
    credentials_directory: str | None,
) -> dict[str, RawSetting]:
    """Find the text of each setting among ``options``, and where it came from."""
    return {
        name: _find(SETTINGS[name], options[name], environment, credentials_directory)
        for name in options
        if name in SETTINGS
    }


def _find(
    setting: Setting,
    option: object,
    environment: Mapping[str, str],
    credentials_directory: str | None,
) -> RawSetting:
    if option is not None:
        return RawSetting(str(option), "option")
    if setting.variable in environment:
        return RawSetting(environment[setting.variable], "environment")
    if setting.name == "database_url" and credentials_directory:
        found = _read_credential(Path(credentials_directory, CREDENTIAL))
        if found not in (None, _NOT_SET):
            return RawSetting(found, "credential")
    return RawSetting(setting.default, "default")


def _read_credential(path: Path) -> str | None:
    """Return the credential, None if there is none; raise ConfigError if it cannot be read."""
    problem: str | None = "it is no file, or too large"
    try:
        status = path.stat()
        # What is no file, such as a pipe, may never end.
        if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
            return path.read_text(encoding="utf-8").strip("\r\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        problem = "it is not UTF-8"
    except OSError as error:
        problem = error.strerror
    raise ConfigError(
        f"the credential {CREDENTIAL} cannot be read: {problem}",
        "see LoadCredential= in systemd.exec(5)",
    )


def resolve(
    given: Mapping[str, RawSetting], now: dt.datetime, found: Sequence[str] = ()
) -> Settings:
    """Read every setting.

    Raise SettingsError naming all that are wrong, after those already ``found``, or ConfigError
    if only the URL is.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, text in given.items():
        try:
            values[name] = _read(SETTINGS[name], text)
        except ValueError as error:
            problems[name] = f"{_label(SETTINGS[name], text)} {error}"
    if conflict := _conflict(given):
        problems["before and retention_days"] = conflict
    if values.get("batch_seconds", 0) >= values.get("timeout", math.inf):
        problems["batch_seconds and timeout"] = (
            f"{_label(SETTINGS['batch_seconds'], given['batch_seconds'])} must be less than "
            f"{SETTINGS['timeout'].option} ({SETTINGS['timeout'].variable})"
        )
    if set(problems) == {"database_url"} and given["database_url"].text and not found:
        raise ConfigError(
            problems["database_url"], "set --database-url to a complete SQLAlchemy URL"
        )
    if found or problems:
        raise SettingsError([*found, *problems.values()])
    return _build(given, values, instants.of_datetime(now))


def _read(setting: Setting, given: RawSetting) -> object:
    if given.text is None:
        return None
    if given.text == "":
        raise ValueError("is empty; leave it out to use the default")
    return setting.read(given.text)


def _label(setting: Setting, given: RawSetting) -> str:
    credential = f", credential {CREDENTIAL}" if given.source == "credential" else ""
    return f"{setting.option} ({setting.variable}{credential})"


def _conflict(given: Mapping[str, RawSetting]) -> str | None:
    """Two cutoffs from one source are a mistake; from two, the nearer source wins."""
    before, retention = given.get("before"), given.get("retention_days")
    if before is None or retention is None or before.source == "default":
        return None
    if before.source == retention.source:
        return (
            f"{SETTINGS['before'].option} ({SETTINGS['before'].variable}) and "
            f"{SETTINGS['retention_days'].option} ({SETTINGS['retention_days'].variable}) "
            f"are both given by {before.source}; give one"
        )
    return None


def _build(given: Mapping[str, RawSetting], values: Mapping[str, Any], now: int) -> Settings:
    retention: int | None = values.get("retention_days")
    cutoff = now if retention is None else now - retention * instants.DAY
    before = given.get("before")
    if before is not None and before.source != "default" and not _overruled(given):
        retention = None
        cutoff = now if values["before"] is None else values["before"]
    names = {field.name for field in dataclasses.fields(Settings)}
    read = {name: value for name, value in values.items() if name in names}
    sources = {name: given[name].source for name in given}
    return Settings(
        **{**read, "retention_days": retention}, cutoff=cutoff, now=now, sources=sources
    )


def _overruled(given: Mapping[str, RawSetting]) -> bool:
    return given["retention_days"].source == "option" and given["before"].source == "environment"
