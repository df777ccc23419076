"""What the job says to the service manager: its state, and how long it may take."""

import contextlib
import socket


class Notifier:
    """Tell the service manager what the job does; silent where there is no manager."""

    def __init__(self, notify_socket: str | None) -> None:
        """Take the value of ``NOTIFY_SOCKET``; a leading ``@`` means an abstract socket."""
        self._address = notify_socket or ""
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]

    def status(self, text: str) -> None:
        """Show one line in ``systemctl status``."""
        self._notify("STATUS=" + " ".join(text.split()))

    def extend_timeout(self, seconds: float) -> None:
        """Ask for the start timeout to end no sooner than this many seconds from now."""
        self._notify(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def _notify(self, message: str) -> None:
        """Send one datagram; a manager that cannot be reached must not fail the job."""
        if not self._address:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sender:
            # A manager that does not listen just now must not hold the job up either.
            sender.setblocking(False)
            # A path may hold bytes that are no text.
            sender.sendto(message.encode(errors="backslashreplace"), self._address)
