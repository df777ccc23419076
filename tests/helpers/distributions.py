"""What goes to an index of Python packages: the source distribution and the wheel."""

import platform
import subprocess
import sys
from pathlib import Path

from helpers import commands
from helpers.host import PROJECT


def build(result: Path, kind: str, source: Path = PROJECT) -> Path:
    """Build a "wheel" or an "sdist", with no network; return the file."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", result],
        check=True,
        cwd=source,
        env=commands.environment(),
    )
    (built,) = result.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def unpack(sdist: Path, result: Path) -> Path:
    """Unpack a source distribution into a directory of its own; return the top of the source."""
    result.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xzf", sdist, "-C", result], check=True)
    (top,) = result.iterdir()
    return top


def download(result: Path, python: str, *requirements: str | Path) -> None:
    """Fetch the wheels that a Debian with this version of Python, as 3.11, needs to install these.

    Raise AssertionError with what pip says, if one cannot be had.
    """
    libraries = ("manylinux_2_17", "manylinux2014", "manylinux_2_28")
    platforms = [f"--platform={name}_{platform.machine()}" for name in libraries]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--timeout=20", f"--dest={result}"]
        + ["--only-binary=:all:", f"--python-version={python}", *platforms, *requirements],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
