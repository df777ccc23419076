"""Entries for the journal, read from a real socket as the journal would read them."""

import io
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from geocache_cleanup.events import Event
from geocache_cleanup.log import EventFormatter
from geocache_cleanup.systemd import journal_socket
from geocache_cleanup.systemd.journal import NativeHandler

AWKWARD = 'two\nlines=\0"\u2028é'


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """Return what stands in for the journal's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.setblocking(False)
        yield listener


def received(listener: socket.socket) -> list[bytes]:
    """Return all that has come."""
    datagrams = []
    with suppress(BlockingIOError):
        while True:
            datagrams.append(listener.recv(65_536))
    return datagrams


def said(address: str | Path, **fields: object) -> str:
    """Log one event; return what came to the stream instead."""
    stream = io.StringIO()
    handler = NativeHandler(EventFormatter("%(message)s"), stream, str(address))
    record = {"msg": "done", "levelno": logging.INFO, "levelname": "INFO"}
    handler.emit(logging.makeLogRecord(record | {"event": Event.RAN.value} | fields))
    return stream.getvalue()


def entry(datagram: bytes) -> dict[str, str]:
    """Take an entry apart, by both forms that the protocol has for a field."""
    fields = {}
    while datagram:
        head, _, rest = datagram.partition(b"\n")
        name, is_text, value = head.partition(b"=")
        if not is_text:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size :]
            assert rest[:1] == b"\n"
            rest = rest[1:]
        fields[name.decode()] = value.decode()
        datagram = rest
    return fields


def test_an_event_is_one_datagram(listener: socket.socket) -> None:
    """Its line, what the journal sorts by, and its keys, whatever they hold."""
    assert said(listener.getsockname(), table=AWKWARD, deleted=12) == ""
    (datagram,) = received(listener)
    found = entry(datagram)
    assert json.loads(found.pop("MESSAGE"))["table"] == AWKWARD
    assert found.pop("GEOCACHE_CLEANUP_TIMESTAMP").endswith("Z")
    assert found.pop("GEOCACHE_CLEANUP_VERSION")
    assert found == {
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "geocache-cleanup",
        "MESSAGE_ID": Event.RAN.message_id,
        "GEOCACHE_CLEANUP_LEVEL": "info",
        "GEOCACHE_CLEANUP_EVENT": Event.RAN.value,
        "GEOCACHE_CLEANUP_MESSAGE": "done",
        "GEOCACHE_CLEANUP_TABLE": AWKWARD,
        "GEOCACHE_CLEANUP_DELETED": "12",
    }


def test_a_path_that_is_no_text(listener: socket.socket) -> None:
    """Its bytes are shown escaped, and cost the event nothing."""
    assert said(listener.getsockname(), path="/srv/\udcff.db") == ""
    (datagram,) = received(listener)
    assert entry(datagram)["GEOCACHE_CLEANUP_PATH"] == "/srv/\\udcff.db"


def assert_is_line(output: str) -> None:
    """Assert that an event is one line of JSON behind its priority."""
    assert output.startswith("<6>{")
    assert output.count("\n") == 1
    assert json.loads(output[3:])["event"] == Event.RAN.value


def test_without_the_socket_the_event_is_a_line(tmp_path: Path) -> None:
    """As in a sandbox that hides it."""
    assert_is_line(said(tmp_path / "none"))


def test_a_socket_nobody_listens_to_any_more(listener: socket.socket) -> None:
    """The journal has ended: its socket is still there."""
    address = listener.getsockname()
    listener.close()
    assert_is_line(said(address))


def test_what_is_too_large_for_a_datagram_is_a_line(listener: socket.socket) -> None:
    """No part of it is sent."""
    assert_is_line(said(listener.getsockname(), hint="x" * 2**20))
    assert received(listener) == []


def test_a_journal_that_reads_nothing_holds_nothing_up(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket is full: the event is a line as soon as it was waited for long enough."""
    monkeypatch.setattr(journal_socket, "SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        others.connect(listener.getsockname())
        with suppress(BlockingIOError):
            while True:
                others.send(b"A=b\n")
    assert_is_line(said(listener.getsockname()))
    assert set(received(listener)) == {b"A=b\n"}
    assert said(listener.getsockname()) == ""
