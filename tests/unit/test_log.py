"""Event lines: one line each, whatever they hold, and no secret in them."""

import io
import json
import logging
import urllib.parse

import pytest

from geocache_cleanup import log
from geocache_cleanup.events import Event
from geocache_cleanup.invocation import Invocation


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Tell so."""
        return True


def written(stream: io.StringIO, log_format: str = "auto", level: str = "info") -> str:
    """Emit an awkward event and return what the stream got."""
    events = log.EventLog(stream, log_format, None, None)
    fields = {"table": "new\nline\x1b[31m\u2028", "hint": "do this"}
    events.emit(Event.FAILED, level, "100 %s of {it}", fields)
    return stream.getvalue()


def test_json_is_one_line() -> None:
    """Line breaks of every kind are escaped; the keys that are always there come first."""
    (line,) = written(io.StringIO()).splitlines()
    event = json.loads(line)
    assert list(event)[:5] == ["timestamp", "level", "event", "message", "version"]
    assert (event["message"], event["table"]) == ("100 %s of {it}", "new\nline\x1b[31m\u2028")


def test_text_for_a_terminal() -> None:
    """A person gets the sentence and the hint, and no control character."""
    assert written(Terminal()) == "info: 100 %s of {it}\nhint: do this\n"
    assert json.loads(written(Terminal(), "json"))["level"] == "info"
    assert written(io.StringIO(), "text").startswith("info: ")


def test_default_levels() -> None:
    """Debug events are for the journal, which sorts by priority; a person asks for them."""
    assert written(Terminal(), level="debug") == ""
    assert written(io.StringIO(), level="debug") != ""


def test_configured_twice_logs_once() -> None:
    """A second command in one process replaces the handler of the first."""
    written(io.StringIO())
    assert len(written(io.StringIO()).splitlines()) == 1
    assert len(logging.getLogger("geocache_cleanup.events").handlers) == 1


@pytest.mark.parametrize("password", ["hunter2", "p@ss:w/rd", "100%", "sp ace+plus", "ünï"])
def test_redaction(password: str) -> None:
    """The password, plain or percent-encoded, is taken out of what libraries say."""
    options: dict[str, object] = dict.fromkeys(("log_format", "log_level"))
    encoded = urllib.parse.quote(password, safe="")
    options["database_url"] = f"postgresql://user:{encoded}@host/db?sslkey=topsecret"
    invocation = Invocation(options)
    invocation.load()
    url = invocation.database_url()
    assert invocation.redact(f"{password} {encoded} topsecret") == "*** *** ***"
    again = urllib.parse.quote(encoded, safe="")
    assert invocation.redact(f"{password!r} {again} {password!a}") == "'***' *** '***'"
    assert password not in str(invocation.fields["database"])
    assert url.password == password
