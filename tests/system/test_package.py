"""The package as a file: checks of its form, and the parts of it that no run uses."""

import re
import stat
from pathlib import Path

import pytest

from geocache_cleanup import __version__
from geocache_cleanup.events import Event
from helpers.host import PROJECT, call
from helpers.system.machine import Machine
from helpers.system.package import built, lay_out_source

pytestmark = pytest.mark.system

PYTHON = "/lib/python3/dist-packages/"
DEBIAN_DOCUMENTS = ("README.md", "changelog", "copyright")
COMMANDS = {"run", "check", "history", "status", "migrate"}


def test_the_build_is_reproducible(deb: Path, tmp_path: Path) -> None:
    """Two builds are one file, byte by byte."""
    (tmp_path / "scratch").mkdir()
    again = built(tmp_path / "scratch", tmp_path / "dist")
    assert again != deb
    assert again.read_bytes() == deb.read_bytes()


def test_a_packager_gets_what_the_package_has(deb: Path, tmp_path: Path) -> None:
    """The script installs all of it but Python, and what Debian's tools make of the documents."""
    directories = ["PREFIX=/usr", "zshdir=/usr/share/zsh/vendor-completions"]
    script = PROJECT / "packaging" / "install.sh"
    call("env", f"DESTDIR={tmp_path}/by-script", *directories, "sh", script)
    call("dpkg-deb", "--extract", deb, tmp_path / "package")
    call("find", tmp_path / "package", "-name", "*.gz", "-exec", "gunzip", "{}", "+")
    by_script, package = contents(tmp_path / "by-script"), contents(tmp_path / "package")
    assert by_script.items() <= package.items()
    missing = package.keys() - by_script.keys()
    left = {name for name in missing if stat.S_ISREG(package[name][0]) and PYTHON not in name}
    documents = {f"usr/share/doc/geocache-cleanup/{name}" for name in DEBIAN_DOCUMENTS}
    assert left == {"usr/bin/geocache-cleanup", *documents}


def contents(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return the mode of each file and directory below a root, and what is in it."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
    }


def test_package_and_program_have_one_version(installed: Machine) -> None:
    """The changelog of the package follows the version of the program."""
    packaged = installed.run("dpkg-query --show --showformat='${Version}' geocache-cleanup")
    assert packaged == __version__
    assert installed.run("geocache-cleanup --version").split()[-1] == __version__


def test_lintian_has_nothing_to_say(installed: Machine) -> None:
    """Down to the pedantic tags, and there is no override."""
    assert installed.run("lintian --display-info --pedantic --allow-root /opt/0.deb") == ""
    assert installed.status("test -e /usr/share/lintian/overrides/geocache-cleanup") == 1


def test_the_dependencies_are_complete(installed: Machine) -> None:
    """Apt would keep every library of the program for the sake of this package alone."""
    libraries = "python3-alembic python3-pythonjsonlogger python3-sqlalchemy"
    installed.run(f"apt-mark auto {libraries} python3-typer tzdata")
    unneeded = installed.run("apt-get --simulate autoremove")
    assert not [name for name in libraries.split() if f"Remv {name} " in unneeded]
    without = installed.run("apt-get --simulate purge --auto-remove geocache-cleanup")
    assert all(f" {name} " in without for name in [*libraries.split(), "python3-typer"])


def test_the_manual_page_is_found_and_clean(installed: Machine) -> None:
    """Shown by man, indexed by apropos, without a warning of groff."""
    assert installed.run("MANROFFOPT=-ww man --warnings geocache-cleanup >/dev/null") == ""
    page = installed.run("MANWIDTH=200 man geocache-cleanup")
    assert all(event.value in page for event in Event)
    assert all(option in page for name in COMMANDS for option in options_of(installed, name))


def options_of(machine: Machine, command: str) -> set[str]:
    """Return the options that the program itself lists."""
    text = machine.run(f"COLUMNS=200 geocache-cleanup {command} --help")
    return set(re.findall(r"^ +(?:-h, )?(--[a-z-]+)", text, flags=re.MULTILINE))


def test_autopkgtest(machine: Machine) -> None:
    """The package's own tests, by Debian's tool, in this booted system."""
    source = lay_out_source(machine.root)
    ignored = "--ignore-restrictions=isolation-container"
    output = machine.run(
        f"autopkgtest {ignored} --no-built-binaries /opt/0.deb {source} -- null 2>&1", timeout=900
    )
    assert re.search(r"^command +PASS.*\nprune +PASS", output, re.MULTILINE), output
