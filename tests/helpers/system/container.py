"""A Debian that is booted in a container: commands run inside, files are written from outside."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from helpers.host import call
from helpers.system.roots import DEVELOPMENT, RELEASES

NSPAWN = ("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network")
ENTER_GROUPS = (
    *("sh", "-euc"),
    'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"',
    "sh",
)
# From 258 on systemd has no other control groups; a host may have both kinds.
UNIFIED = {DEVELOPMENT: {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}}

Answer = TypeVar("Answer")


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


class Container:
    """A booted Debian."""

    def __init__(self, release: str, root: Path) -> None:
        """Boot the root file system; raise AssertionError if it does not come up."""
        self.release = release
        self.systemd = RELEASES.get(release, max(RELEASES.values()))
        self.root = root
        # What a session that was killed has left behind may have its process id.
        name = f"{release}-{secrets.token_hex(4)}"
        set_noon(root)
        if release in UNIFIED:
            # No container may mount this one, and it no longer finds out that it is in one.
            (root / "etc/systemd/system/dev-hugepages.mount").symlink_to("/dev/null")
        self._groups = control_groups(name)
        self._nspawn = subprocess.Popen(
            [*ENTER_GROUPS, *map(str, self._groups), "--"]
            + [*NSPAWN, "--boot", "--timezone=off", f"--directory={root}", f"--machine={name}"],
            env={**os.environ, **UNIFIED.get(release, {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._leader = 0
        try:
            self._leader = self.until(self._find_leader)
            self.until(self._is_up)
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

    def _is_up(self) -> bool:
        """Tell whether systemd can be asked; raise AssertionError if it has given up."""
        assert self._nspawn.poll() is None, "systemd has ended at once"
        return self.status("test -S /run/systemd/private") == 0

    def stop(self) -> None:
        """End the container at once; nothing of it is kept."""
        if self._leader:
            with suppress(ProcessLookupError):  # it may have ended by itself
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
