"""A booted Debian with the package, seen with the eyes of its administrator."""

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager

from helpers.system.container import Container

SERVICE = "geocache-cleanup.service"
START = f"systemctl start {SERVICE}"
USER = "geocache-cleanup"
DATABASE = "/var/lib/geocache-cleanup/geo_cache.db"
CHECKOUT = "/srv/geocache-cleanup"
EXAMPLES = "/usr/share/doc/geocache-cleanup/examples"
PREFIX = "geo_cache_cleanup_"
HOLDER = """
import signal, socket, sqlite3, sys, os

connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
"""


class Machine(Container):
    """A booted Debian whose unit, journal and databases the tests ask about."""

    since = ""
    program = "/usr/bin/geocache-cleanup"

    def show(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.run(f"systemctl show --property={name} --value '{unit}'").strip()

    def mark(self) -> None:
        """Let the journal, as this object shows it, begin here."""
        # Not --after-cursor=, which with matches skips an entry in older versions.
        self.run("journalctl --sync")
        self.since = f"--since=@{time.time():.6f}"

    def journal(self, *matches: str) -> list[dict[str, str]]:
        """Return the entries since the mark that match, oldest first, with all their fields."""
        arguments = ["--all", "--quiet", "--output=json", self.since, *matches]
        output = self.run(f"journalctl --sync; journalctl {shlex.join(arguments)}")
        return [json.loads(line) for line in output.splitlines()]

    def events(self, unit: str = SERVICE) -> list[str]:
        """Return a unit's audit events since the mark, without the beginnings of its runs."""
        entries = self.journal(f"--unit={unit}", "--identifier=geocache-cleanup")
        names = [entry.get("GEOCACHE_CLEANUP_EVENT", "") for entry in entries]
        return [name.removeprefix(PREFIX) for name in names if name != PREFIX + "started"]

    def sqlite(self, script: str, database: str = DATABASE, user: str = USER) -> str:
        """Run SQL as the owner of a database and return what it prints."""
        command = ["runuser", "-u", user, "--", "sqlite3", "-cmd", ".timeout 9000", database]
        return self.run(shlex.join([*command, script])).strip()

    def fill(self, stale: int, fresh: int, database: str = DATABASE, user: str = USER) -> None:
        """Make a new database with so many rows that were last seen long ago, and just now."""
        self.run(f"rm -f {database}*")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
        insert = "INSERT INTO geo_cache " + numbers + " SELECT {} || i, {} FROM n WHERE {};"
        now = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
        self.sqlite(
            "PRAGMA journal_mode=WAL;"
            "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, last_seen TEXT NOT NULL);"
            + insert.format(stale, "'old-'", "'2001-02-03T04:05:06Z'", bool(stale))
            + insert.format(fresh, "'new-'", now, bool(fresh)),
            database,
            user,
        )

    def rows(self, database: str = DATABASE, user: str = USER) -> int:
        """Count the rows of a database."""
        return int(self.sqlite("SELECT count(*) FROM geo_cache", database, user))

    def drop_in(self, text: str, unit: str = SERVICE, name: str = "test") -> None:
        """Change a unit as an administrator does."""
        self.write(f"/etc/systemd/system/{unit}.d/{name}.conf", text)
        self.run("systemctl daemon-reload")

    def use_example(self, name: str, unit: str = SERVICE) -> None:
        """Install a shipped drop-in."""
        self.drop_in(self.run(f"cat {EXAMPLES}/{name}.conf"), unit, name)

    def configure(self, **settings: object) -> None:
        """Write /etc/default/geocache-cleanup."""
        lines = [f"GEOCACHE_CLEANUP_{name.upper()}={value}\n" for name, value in settings.items()]
        self.write("/etc/default/geocache-cleanup", "".join(lines))

    @contextmanager
    def locked(self, database: str = DATABASE, user: str = USER) -> Iterator[None]:
        """Hold the write lock of a database in another process."""
        self.write("/opt/holder.py", HOLDER)
        self.run(
            f"systemd-run --quiet --collect --unit=holder --uid={user} --service-type=notify"
            f" --property=NotifyAccess=all python3 /opt/holder.py {database}"
        )
        try:
            yield
        finally:
            self.run("systemctl stop holder.service || true")

    def begin(self, unit: str = SERVICE) -> None:
        """Start a run on a locked database and return as soon as it waits for the lock."""
        self.run(f"systemctl start --no-block {unit}")
        self.until(
            lambda: (
                self.show(unit, "SubState") == "start"
                and self.show(unit, "StatusText").startswith("Waiting")
            )
        )

    def finished(self, unit: str = SERVICE) -> str:
        """Wait until neither a run nor a retry is ahead; return the state of the unit."""
        # Before a retry, older versions show it as inactive for a moment, with a job waiting.
        shown = f"systemctl show --property=ActiveState,Job '{unit}' | grep -v '^Job=0*$'"
        self.until(lambda: self.run(shown) in ("ActiveState=inactive\n", "ActiveState=failed\n"))
        return self.show(unit, "ActiveState")

    def reset(self) -> None:
        """Undo what an administrator may have changed, except for the package itself."""
        self.run(
            "systemctl stop 'geocache-cleanup@*' geocache-cleanup.service;"
            "rm -rf /etc/systemd/system/geocache-cleanup* /etc/geocache-cleanup/*"
            " /etc/credstore* /var/lib/geocache-cleanup/*;"
            "cp /usr/share/geocache-cleanup-test/default /etc/default/geocache-cleanup;"
            "systemctl daemon-reload; systemctl reset-failed"
        )
        self.mark()
