"""Where a server's programs are: on this machine, or in the root file system of another Debian."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.host import LARGE_FILES
from helpers.processes import PATIENCE_SECONDS

# The server sees its directory under the path that it has outside, and users by the names that they
# have outside; all of it ends with the process, and the root stays as it was.
_SCRIPT = """
root=$1 large=$2 owner=$3; shift 3
mkdir -p "$root$large"
for part in "$large" /dev /proc; do mount --rbind "$part" "$root$part"; done
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind /etc/passwd "$root/etc/passwd"
TMPDIR=/tmp exec chroot --userspec="$owner" --groups="${owner#*:}" "$root" "$@"
"""
_ENTER = ("unshare", "--mount", "sh", "-euc", _SCRIPT, "sh")


@dataclass(frozen=True)
class Programs:
    """The programs of one root file system."""

    root: Path = Path("/")

    def newest(self, pattern: str) -> str:
        """Return the path NUMBER/NAME with the highest number that matches, as seen from inside."""
        found = max(self.root.glob(pattern), key=lambda path: int(path.parts[-2]))
        return f"/{found.relative_to(self.root)}"

    def command(self, user: str, *command: object) -> Sequence[str]:
        """Return the command that runs one of the programs as a system user."""
        entry = pwd.getpwnam(user)
        parts = [str(part) for part in command]
        if self.root == Path("/"):
            ids = (f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups")
            return ["setpriv", *ids, *parts]
        owner = f"{entry.pw_uid}:{entry.pw_gid}"
        return [*_ENTER, str(self.root), LARGE_FILES, owner, *parts]

    def run(
        self, user: str, *command: object, script: str = "", check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run one of the programs as a system user, to its end."""
        return subprocess.run(
            self.command(user, *command),
            env={**os.environ, "LC_ALL": "C"},
            cwd="/",
            input=script,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=check,
        )
