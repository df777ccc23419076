"""Debian's release in the making, as an early warning: its Pythons, its libraries, its tools."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.host import call
from helpers.system.container import NSPAWN
from helpers.system.development import tolerated
from helpers.system.package import build, lay_out_source
from helpers.system.roots import DEVELOPMENT, overlay, release_root

pytestmark = pytest.mark.system

LINTIAN = "lintian --display-info --pedantic --allow-root"
AUTOPKGTEST = "autopkgtest --no-built-binaries /opt/0.deb /opt/source -- null 2>&1"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return such a system with the source in it, and the package that it builds of it."""
    with tolerated():
        base = release_root(DEVELOPMENT)
    with overlay(base, tmp_path_factory.mktemp("root")) as root:
        lay_out_source(root)
        package = build(root, tmp_path_factory.mktemp("dist"))
        (root / "opt" / "0.deb").write_bytes(package.read_bytes())
        yield root


def inside(root: Path, script: str) -> str:
    """Run a shell script in it, without booting it; raise AssertionError if it fails."""
    return call(*NSPAWN, "--pipe", f"--directory={root}", "sh", "-euc", script)


def files(package: Path) -> set[str]:
    """Return the names in a package, without what installers write about themselves."""
    lines = call("dpkg-deb", "--contents", package).splitlines()
    return {line.split(maxsplit=5)[5] for line in lines if ".dist-info/" not in line}


def test_it_builds_the_package_that_debian_12_builds(root: Path, deb: Path) -> None:
    """With the same files; before that each of its Pythons has passed the unit tests."""
    assert files(root / "opt" / "0.deb") == files(deb)


def test_the_program_works_with_its_libraries(root: Path) -> None:
    """On real SQLite files, by its Python; without the longest of the tests, for time."""
    tests = "python3 -m pytest -q -p no:cacheprovider tests/integration -k 'not no_fresh_row'"
    assert "passed" in inside(root, f"python3 --version; cd /opt/source; {tests}")


def test_its_lintian_has_nothing_to_say(root: Path) -> None:
    """Of the source but for what older releases need: the overrides name that."""
    inside(root, f"cd /opt; dpkg-source --build source; {LINTIAN} 0.deb *.dsc >tags")
    assert (root / "opt" / "tags").read_text() == ""


def test_autopkgtest_without_isolation(root: Path) -> None:
    """The package is installed and prunes; the test that needs systemd says so."""
    inside(root, "apt-get install --yes /opt/0.deb")
    # Some were skipped, none has failed.
    output = inside(root, f"{AUTOPKGTEST} || test $? -eq 2")
    assert "\ncommand              PASS" in output
    assert '\nprune                SKIP Test restriction "isolation-container"' in output
