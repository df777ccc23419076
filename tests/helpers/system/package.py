"""The package, built from this tree."""

import os
import shutil
from pathlib import Path

from helpers.host import PROJECT, call, locked
from helpers.system.container import NSPAWN
from helpers.system.roots import BUILD, RUNTIME, cached_root, overlay


def build(root: Path, result: Path) -> Path:
    """Build the package inside of a Debian, unit tests included; return the file."""
    call(
        *NSPAWN,
        *("--pipe", f"--directory={root}", f"--machine=build-{os.getpid()}"),
        *(f"--bind-ro={PROJECT}:/source", f"--bind={result}:/result"),
        *("/source/packaging/build-deb.sh", "/result"),
    )
    (package,) = result.glob("*.deb")
    return package


def built(scratch: Path, result: Path) -> Path:
    """Return the package that Debian 12 builds, now if it is not among the results.

    All processes of a session wait for the one that builds it.
    """
    result.mkdir(exist_ok=True)
    with locked(result / "lock"):
        for package in result.glob("*.deb"):
            return package
        base = cached_root("build", "bookworm", (*BUILD.split(), *RUNTIME))
        with overlay(base, scratch) as root:
            return build(root, result)


def lay_out_source(root: Path) -> str:
    """Put the source below a root file system as Debian's tools want it; return where inside."""
    tree = root / "opt" / "source"
    shutil.rmtree(tree, ignore_errors=True)
    left_out = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "*.egg-info")
    shutil.copytree(PROJECT, tree, ignore=left_out)
    shutil.copytree(tree / "packaging" / "debian", tree / "debian")
    return "/opt/source"
