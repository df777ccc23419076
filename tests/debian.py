"""Debian packages that tests need, installed where root can."""

import os
import shutil
import subprocess

# For who else installs something, such as another session.
_WAIT = "--option=DPkg::Lock::Timeout=900"


def install(*packages: str) -> str | None:
    """Install packages; return what stands in the way, if anything does.

    Packages of servers would start some of their own, which no test uses: they do not here.
    """
    problem = f"apt-get cannot install {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return problem
    subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
    done = subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", _WAIT, *packages],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
        check=False,
        capture_output=True,
    )
    return problem if done.returncode else None
