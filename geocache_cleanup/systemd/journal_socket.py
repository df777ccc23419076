"""One entry for the journal, as systemd's "Native Journal Protocol" has it: one datagram."""

import socket
from collections.abc import Mapping

ADDRESS = "/run/systemd/journal/socket"
# For a journal that is busy: while it is stopped, the job must not stand still for long.
SECONDS = 5.0


def send(fields: Mapping[str, str], address: str = ADDRESS) -> None:
    """Hand an entry over to the journal.

    Raise OSError if there is none, if it takes nothing for ``SECONDS``, or if the entry is too
    large for a datagram. Such an entry, of 200 KiB, the protocol would pass on in a sealed file in
    memory, which the unit forbids.

    The journal looks the unit up by the sender's process, which may have ended by then. But it
    knows a process from when it took over the standard error stream of that, which is why entries
    are sent only where that stream is the journal's.
    """
    # A socket for each: what stays connected is lost when the journal's own is made anew.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(SECONDS)
        sender.connect(address)
        sender.send(b"".join(serialized(name, value) for name, value in fields.items()))


def serialized(name: str, value: str) -> bytes:
    """Return a field in the binary form, the one of both which takes every value."""
    # A path may hold bytes that are no text.
    data = value.encode(errors="backslashreplace")
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
