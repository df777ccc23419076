"""The package, built once, and machines of both releases to install it on."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import distributions, host, reporting
from helpers.documents import block
from helpers.host import call
from helpers.system import prometheus
from helpers.system.development import tolerated
from helpers.system.machine import CHECKOUT, Machine
from helpers.system.package import built
from helpers.system.roots import DEVELOPMENT, RELEASES, overlay, release_root

# Of Debian: that of the tests may be another one.
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
# What builds the wheel there, and pipx with the pip that it wants.
_BESIDE = ("hatchling", "pipx", "pip")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect these tests where containers cannot be booted."""
    ours = [item for item in items if item.get_closest_marker("system")]
    if not host.may_mount():
        reporting.leave_out(config, items, ours, "booting containers needs a root that may mount")


@pytest.fixture(scope="session")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package, built once for all processes of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    session = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return built(tmp_path_factory.mktemp("build"), session / "dist")


@contextmanager
def booted(release: str, scratch: Path, *debs: Path) -> Iterator[Machine]:
    """Boot a release with the packages in /opt."""
    with tolerated(release):
        base = release_root(release)
    with overlay(base, scratch) as root:
        for number, package in enumerate(debs):
            shutil.copy(package, root / "opt" / f"{number}.deb")
        with tolerated(release):
            machine = Machine(release, root)
        try:
            yield machine
        finally:
            machine.stop()


@pytest.fixture(scope="session", params=RELEASES)
def installed(
    request: pytest.FixtureRequest, deb: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Boot a release and install the package; see ``machine`` for a clean state."""
    with booted(request.param, tmp_path_factory.mktemp(request.param), deb) as machine:
        machine.run("apt-get install --yes /opt/0.deb")
        machine.run(
            "install -D /etc/default/geocache-cleanup /usr/share/geocache-cleanup-test/default"
        )
        yield machine


@pytest.fixture
def machine(installed: Machine) -> Machine:
    """Return a booted release with the package as it was just installed."""
    installed.reset()
    return installed


@pytest.fixture(scope="module", params=[*RELEASES, DEVELOPMENT])
def fresh(
    request: pytest.FixtureRequest, deb: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Boot a release for one module, with the package and a newer version of it in /opt."""
    newer = tmp_path_factory.mktemp("newer")
    call("dpkg-deb", "--raw-extract", deb, newer / "tree")
    control = newer / "tree" / "DEBIAN" / "control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 9999:"))
    call("dpkg-deb", "--root-owner-group", "--build", newer / "tree", newer / "newer.deb")
    scratch = tmp_path_factory.mktemp(request.param)
    with booted(request.param, scratch, deb, newer / "newer.deb") as machine:
        machine.mark()
        yield machine


@pytest.fixture(scope="module", params=PYTHONS)
def installed_by_pip(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Boot a release with a checkout and all that pip would fetch, and set the service up."""
    made = tmp_path_factory.mktemp("made")
    wheel = distributions.build(made, "wheel")
    checkout = distributions.unpack(distributions.build(made, "sdist"), made / "unpacked")
    distributions.download(made / "wheels", PYTHONS[request.param], *_BESIDE, wheel)
    (made / "wheels" / wheel.name).unlink()
    with booted(request.param, tmp_path_factory.mktemp(request.param)) as machine:
        shutil.move(made / "wheels", machine.root / "srv/wheels")
        shutil.move(checkout, machine.root / CHECKOUT.lstrip("/"))
        machine.write("/etc/pip.conf", "[global]\nno-index = yes\nfind-links = /srv/wheels\n")
        machine.program = "/opt/geocache-cleanup/bin/geocache-cleanup"
        machine.run(f"cd {CHECKOUT}\n{block('python3 -m venv')}", timeout=900)
        machine.run(block("install.sh"))
        yield machine


@pytest.fixture(scope="session")
def programs() -> Path:
    """Return where Prometheus, promtool and the node exporter are."""
    return prometheus.programs()
