"""Debian 12 and 13 with a real systemd, in containers which the tests boot themselves.

The root file systems are made once and kept in the user's cache directory. Each session works on
an overlay of them in memory, so that it begins with the same files whatever the last one did.
"""

import fcntl
import hashlib
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

PROJECT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geocache-cleanup"
RELEASES = {"bookworm": 252, "trixie": 257}

# What the package depends on is there before, for the containers have no network; a test asks
# apt whether the package's dependencies name all of it.
RUNTIME = (
    "python3-alembic",
    "python3-prometheus-client",
    "python3-pythonjsonlogger",
    "python3-sqlalchemy",
    "python3-systemd",
    "python3-typer",
    "tzdata",
)
TOOLS = (
    "autopkgtest bash-completion dbus fish jq libnss-systemd lintian man-db procps sqlite3 systemd"
    " passwd systemd-sysv zsh"
)
BUILD = (
    "build-essential debhelper dh-python fakeroot pybuild-plugin-pyproject python3-all"
    " python3-hatchling python3-hypothesis python3-pytest"
)

SERVICE = "geocache-cleanup.service"
USER = "geocache-cleanup"
DATABASE = "/var/lib/geocache-cleanup/geo_cache.db"
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

ENTER_GROUPS = (
    *("sh", "-euc"),
    'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"',
    "sh",
)
WAIT_FOR_OTHERS = "--option=DPkg::Lock::Timeout=900"
NSPAWN = ("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network")

Answer = TypeVar("Answer")


def call(*command: str | Path, timeout: float = 900) -> str:
    """Run a command on the host and return its output; raise AssertionError if it fails."""
    # A virtual environment's Python must not be found by the tools of the system.
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    proxies = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
    done = subprocess.run(
        command,
        check=False,
        env={**environment, **proxies, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
    )
    assert done.returncode == 0, f"{command} exited {done.returncode}:\n{done.stdout}"
    return done.stdout


def install_tools() -> None:
    """Install what the host needs to make and boot a Debian."""
    if not (shutil.which("mmdebstrap") and shutil.which("systemd-nspawn")):
        call("apt-get", "update")
        call(
            *("apt-get", "install", "--yes", "--no-install-recommends", WAIT_FOR_OTHERS),
            *("mmdebstrap", "systemd-container"),
        )


def apt_options() -> list[str]:
    """Return the host's settings of how apt reaches a mirror: proxies, certificates."""
    dump = call("apt-config", "dump").splitlines()
    return [f"--aptopt={line}" for line in dump if line.startswith("Acquire::http")]


@contextmanager
def cache_lock() -> Iterator[None]:
    """Let one session at a time fill the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached_root(name: str, suite: str, packages: tuple[str, ...]) -> Path:
    """Return a root file system with the packages, made now if it is not in the cache."""
    recipe = json.dumps([suite, packages, "2"])
    root = CACHE / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    with cache_lock():
        if root.exists():
            return root
        install_tools()
        # The root of an older recipe is never used again.
        for old in CACHE.glob(f"{name}-*"):
            shutil.rmtree(old)
        partial = CACHE / f"{name}-partial"
        call(
            *("mmdebstrap", "--mode=root", "--variant=apt", f"--include={','.join(packages)}"),
            *('--aptopt=APT::Install-Recommends "false"', *apt_options()),
            # A mirror of a release in the making may stand still for a while.
            '--aptopt=Acquire::Check-Valid-Until "false"',
            *(suite, str(partial), *os.environ.get("GEOCACHE_CLEANUP_TEST_MIRROR", "").split()),
        )
        partial.rename(root)
    return root


@contextmanager
def overlay(base: Path, scratch: Path) -> Iterator[Path]:
    """Mount a writable view of a root file system which forgets all changes."""
    call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", scratch)
    with ExitStack() as undo:
        # Lazily: a process that is only just ending may still hold a file.
        undo.callback(call, "umount", "--lazy", scratch)
        for part in ("upper", "work", "root"):
            (scratch / part).mkdir()
        layers = f"lowerdir={base},upperdir={scratch}/upper,workdir={scratch}/work"
        call("mount", "-t", "overlay", "overlay", "-o", layers, scratch / "root")
        undo.callback(call, "umount", "--lazy", scratch / "root")
        yield scratch / "root"


def control_groups(name: str) -> list[Path]:
    """Make a control group in each hierarchy that systemd uses; return them.

    Without its own, two machines would share the groups of all units, and each would remove those
    of the other. Raise AssertionError if there is no hierarchy.
    """
    mounts = [Path("/sys/fs/cgroup", part) for part in ("systemd", "unified", ".")]
    groups = [mount / name for mount in mounts if (mount / "cgroup.procs").exists()]
    assert groups, "no control groups are mounted"
    for group in groups:
        group.mkdir()
    return groups


def set_noon(root: Path) -> None:
    """Choose the zone where it is noon: no timer of the package fires while tests are at work."""
    west = time.gmtime().tm_hour - 12
    link = root / "etc" / "localtime"
    link.unlink(missing_ok=True)
    link.symlink_to(f"/usr/share/zoneinfo/Etc/GMT{west:+d}")


class Machine:
    """A booted Debian."""

    def __init__(self, release: str, root: Path) -> None:
        """Boot the root file system; raise AssertionError if it does not come up."""
        self.release = release
        self.systemd = RELEASES[release]
        self.root = root
        # What a session that was killed has left behind may have its process id.
        name = f"{release}-{secrets.token_hex(4)}"
        set_noon(root)
        self._groups = control_groups(name)
        self._nspawn = subprocess.Popen(
            [*ENTER_GROUPS, *map(str, self._groups), "--"]
            + [*NSPAWN, "--boot", "--timezone=off", f"--directory={root}", f"--machine={name}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._leader = 0
        self.since = ""
        try:
            self._leader = self.until(self._find_leader)
            self.until(lambda: self.status("test -S /run/systemd/private") == 0)
            state = self.run("systemctl is-system-running --wait || true").strip()
            assert state == "running", f"{state}: {self.run('systemctl --failed')}"
        except BaseException:
            self.stop()
            raise

    def _find_leader(self) -> int:
        """Return the process that is number 1 inside, 0 while there is none."""
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text()
        for child in children.split():
            # Before it there is another one, of systemd-nspawn itself, for some moments.
            with suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return int(child)
        assert self._nspawn.poll() is None, "systemd-nspawn has ended"
        return 0

    def stop(self) -> None:
        """End the container at once; nothing of it is kept."""
        if self._leader:
            os.kill(self._leader, signal.SIGKILL)
        else:
            self._nspawn.kill()
        self._nspawn.wait(30)
        for group in self._groups:
            # From the leaves up; a group whose last process is only just ending stays behind.
            call("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+")

    def until(self, probe: Callable[[], Answer], seconds: float = 300) -> Answer:
        """Return the probe's first true answer; raise AssertionError if there is none in time."""
        end = time.monotonic() + seconds
        while not (answer := probe()):
            assert time.monotonic() < end, f"no answer in {seconds} s"
            time.sleep(0.1)
        return answer

    def call(self, script: str, timeout: float = 300) -> "subprocess.CompletedProcess[str]":
        """Run a shell script inside; standard error goes to the output."""
        return subprocess.run(
            ["nsenter", f"--target={self._leader}", "--all", "sh", "-euc", script],
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
        )

    def run(self, script: str, timeout: float = 300) -> str:
        """Run a shell script and return its output; raise AssertionError if it fails."""
        done = self.call(script, timeout)
        assert done.returncode == 0, f"{script}\nexited {done.returncode}:\n{done.stdout}"
        return done.stdout

    def status(self, script: str) -> int:
        """Run a shell script and return its exit status."""
        return self.call(script).returncode

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside, with the directories above it."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

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
        self.until(lambda: self.show(unit, "ActiveState") in ("inactive", "failed"))
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
