"""Between a run and its server: somebody who acts, or cuts the line, at a chosen message."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator

# Closing with this sends a reset.
_NO_LINGER = struct.pack("ii", 1, 0)
_SECONDS = 60


class Proxy:
    """Passes on what one client after the other says, and what the server answers.

    Before the message of a number is passed on, ``act`` is called. With ``cuts`` the line is
    reset then, after half of the message, or where it is "answer", of the answer to it.
    """

    def __init__(self, port: int, number: int, act: Callable[[], object], cuts: str = "") -> None:
        self._server = port
        self._number = number
        self._act = act
        self._cuts = cuts
        self._seen = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Listen for clients."""
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield
        finally:
            # What waits in accept() is not woken by closing alone.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(client)
            stack.enter_context(contextlib.suppress(OSError))
            server = stack.enter_context(socket.create_connection(("127.0.0.1", self._server)))
            while self._pass_on(client, server):
                pass

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Pass one message on; tell whether the line holds."""
        for source in select.select([client, server], [], [], _SECONDS)[0]:
            message = source.recv(1 << 16)
            is_chosen = self._is_chosen(is_question=source is client)
            target = server if source is client else client
            target.sendall(message[: len(message) // 2] if is_chosen else message)
            if is_chosen or not message:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                return False
        return True

    def _is_chosen(self, *, is_question: bool) -> bool:
        """Count a question, act at the chosen one, and tell whether the line is cut here."""
        if is_question:
            self._seen += 1
            if self._seen == self._number:
                self._act()
        return self._seen == self._number and self._cuts == ("message" if is_question else "answer")
