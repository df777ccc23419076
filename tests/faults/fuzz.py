"""Coverage-guided fuzzing of all that reads text from outside; needs ``pip install '.[fuzz]'``.

``python tests/faults/fuzz.py -max_total_time=60`` ends with status 0 if every text was read, or
refused with the error that the settings promise.
"""

import datetime as dt
import sys

import atheris

with atheris.instrument_imports(include=["geocache_cleanup"]):
    from geocache_cleanup.config import parsers
    from geocache_cleanup.config.loader import RawSetting, resolve
    from geocache_cleanup.config.settings import SETTINGS
    from geocache_cleanup.engines.urls import parse_url, shown_url
    from geocache_cleanup.errors import CleanupError
    from geocache_cleanup.times import instants

_NOW = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
_SECRET = "hunter2"  # noqa: S105 - the one to look for
_ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"]


def read_settings(data: "atheris.FuzzedDataProvider") -> None:
    """Any text for any settings: read, or every problem in one error."""
    given = {name: RawSetting(setting.default, "default") for name, setting in SETTINGS.items()}
    for _ in range(data.ConsumeIntInRange(1, 4)):
        name = data.PickValueInList(list(SETTINGS))
        given[name] = RawSetting(data.ConsumeUnicodeNoSurrogates(40), "environment")
    try:
        settings = resolve(given, _NOW)
    except CleanupError as error:
        status = int(error.status)
    else:
        status = 0 if instants.render(settings.cutoff) else 70
    assert status in {0, 2, 78}


def read_url(data: "atheris.FuzzedDataProvider") -> None:
    """Any URL: refused, or shown without its password."""
    scheme = data.PickValueInList(["postgresql", "mysql+pymysql", "mariadb", "sqlite", "x"])
    text = f"{scheme}://u:{_SECRET}@h" + data.ConsumeUnicodeNoSurrogates(60)
    try:
        parsers.database_url(text)
        url = parse_url(text)
        shown = shown_url(url)
        is_secret = url.password == _SECRET and _SECRET not in str(url.host)
    except (CleanupError, ValueError) as error:
        shown, is_secret = str(error), True
    assert not (is_secret and _SECRET in shown)


def read_time(data: "atheris.FuzzedDataProvider") -> None:
    """Any stored value: an instant of the calendar, or none; never an error."""
    zone = parsers.zone(data.PickValueInList(_ZONES))
    value: object = data.ConsumeUnicodeNoSurrogates(40)
    if data.ConsumeBool():
        value = data.PickValueInList([data.ConsumeInt(9), data.ConsumeFloat(), None, b"x"])
    instant = instants.read_instant(value, zone)
    assert instant is None or isinstance(instant, int)


def test_one(raw: bytes) -> None:
    data = atheris.FuzzedDataProvider(raw)
    data.PickValueInList([read_settings, read_url, read_time])(data)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one)
    atheris.Fuzz()
