"""The service from a virtual environment in /opt, set up by the commands of OPERATING."""

import re

import pytest

from helpers.documents import block
from helpers.system import audit
from helpers.system.machine import CHECKOUT, SERVICE, START, Machine
from helpers.system.sandbox import probed

pytestmark = pytest.mark.system

SERVICES = [SERVICE, "geocache-cleanup@eu.service"]
SHARE = "/usr/local/share"
STATE = "/var/lib/geocache-cleanup"
SHARED = ["/dev/shm", "/tmp", "/var/tmp"]  # noqa: S108 - as the unit has them, each its own


@pytest.fixture
def machine(installed_by_pip: Machine) -> Machine:
    """Return it as the commands left it."""
    installed_by_pip.run(
        f"rm -f /etc/systemd/system/*/test.conf /etc/systemd/system/*/zz-probe.conf;"
        f"rm -rf {STATE}/*;"
        "systemctl daemon-reload; systemctl reset-failed"
    )
    installed_by_pip.configure()
    installed_by_pip.mark()
    return installed_by_pip


def test_it_works_as_if_by_the_package(machine: Machine) -> None:
    """The timer waits; the commands act as the service; a run deletes; an instance does."""
    assert machine.show("geocache-cleanup.timer", "ActiveState") == "active"
    machine.fill(stale=3, fresh=2)
    machine.configure(database_url=f"sqlite:///{STATE}/geo_cache.db")
    command = "/usr/local/bin/geocache-cleanup"
    assert "A run would delete 3 rows" in machine.run(f"{command} check")
    machine.run(f"{command} migrate; {START}; journalctl --sync")
    assert machine.rows() == 2
    assert machine.run(f"{command} status").startswith("OK")
    machine.run(f"install -d -o geocache-cleanup {STATE}/eu")
    machine.fill(stale=2, fresh=1, database=f"{STATE}/eu/x.db")
    url = f"GEOCACHE_CLEANUP_DATABASE_URL=sqlite:///{STATE}/eu/x.db\n"
    machine.write("/etc/geocache-cleanup/eu.env", url)
    machine.run(f"systemctl start {SERVICES[1]}")
    assert machine.rows(f"{STATE}/eu/x.db") == 1


def test_what_is_not_python_is_found(machine: Machine) -> None:
    """Where each reader of it looks."""
    assert machine.run("man -w geocache-cleanup") == f"{SHARE}/man/man8/geocache-cleanup.8\n"
    machine.run("systemd-analyze verify geocache-cleanup.service geocache-cleanup@eu.timer")
    assert machine.run(f"systemd-analyze verify {SERVICE}") == ""
    if machine.systemd >= 254:
        assert machine.show(SERVICE, "RestartMode") == "direct"
    script = ". /usr/share/bash-completion/bash_completion; _comp_load geocache-cleanup || "
    script += "_completion_loader geocache-cleanup; complete -p geocache-cleanup"
    machine.run(f"bash -c '{script}'")


@pytest.mark.parametrize("unit", SERVICES)
def test_the_sandbox_is_that_of_the_package(machine: Machine, unit: str) -> None:
    """By the score, and by a probe: nothing can be written that can be run, not even by root."""
    report = machine.run(f"systemd-analyze security --no-pager {unit}")
    assert float(report.partition(f"for {unit}: ")[2].split()[0]) == 0.2
    assert sorted(re.findall(r"^✗ (\S+)", report, flags=re.MULTILINE)) == [
        *("DeviceAllow=", "RestrictAddressFamilies=~AF_UNIX", "RootDirectory=/RootImage="),
    ]
    machine.write("/etc/geocache-cleanup/eu.env", "")
    places = sorted([*SHARED, f"{STATE}/eu" if "@" in unit else STATE])
    found = probed(machine, places, unit=unit)
    assert found["writable"] == places
    assert found["places"] == {place: [] for place in places}
    assert found["mounts"] == []
    found = probed(machine, [], "User=root\nGroup=root\nStateDirectory=\n", unit)
    assert not [place for place in found["writable"] if place.startswith(("/opt", "/usr"))]


def test_each_event_has_its_priority_id_fields_and_explanation(machine: Machine) -> None:
    """No compiled module sends them."""
    audit.make_each_event(machine)
    audit.assert_each_event_is_recorded(machine)


def test_each_run_leaves_an_audit_line(machine: Machine) -> None:
    """None is lost, and none goes without its unit."""
    audit.assert_each_run_is_recorded(machine, 200)


def test_an_upgrade_keeps_what_is_set_and_a_removal_leaves_only_that(machine: Machine) -> None:
    """By the commands that are there for it."""
    machine.configure(retention_days=30)
    _, install, _ = block("python3 -m venv").splitlines()
    files, *_ = block("install.sh").splitlines()
    machine.run(f"cd {CHECKOUT}; {install}; {files}; systemctl daemon-reload")
    assert "30" in machine.run("cat /etc/default/geocache-cleanup")
    machine.run(START)
    assert machine.events() == ["skipped"]
    machine.run(block("rm -rf /opt/geocache-cleanup"))
    assert_removed(machine)


def test_pipx_does_as_well(machine: Machine) -> None:
    """With the same drop-in; the last test of this machine, which the one before has emptied."""
    machine.run("python3 -m venv /srv/tools; /srv/tools/bin/pip install pipx", timeout=300)
    pipx = "export PATH=/srv/tools/bin:$PATH"
    machine.run("\n".join([pipx, f"cd {CHECKOUT}", block("pipx install")]), timeout=900)
    machine.run(block("install.sh"))
    machine.fill(stale=3, fresh=2)
    machine.configure(database_url=f"sqlite:///{STATE}/geo_cache.db")
    machine.run(START)
    assert machine.rows() == 2
    assert probed(machine, [*SHARED, STATE])["places"] == {place: [] for place in [*SHARED, STATE]}
    home = "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin"
    machine.run(f"{pipx}; {home} pipx uninstall geocache-cleanup")
    machine.run(block("rm -rf /opt/geocache-cleanup"))
    assert_removed(machine)


def assert_removed(machine: Machine) -> None:
    """Assert that only settings and data are left."""
    assert machine.run("systemctl list-unit-files --no-legend 'geocache*' || true") == ""
    # A lock of pipx's own stays, in its own directory.
    found = "-name '*geocache[-_]cleanup*' ! -name '.*' ! -type d"
    assert machine.run(f"find /opt /usr {found}") == ""
    assert machine.run("journalctl --list-catalog | grep -c geocache || true").strip() == "0"
    assert machine.run("find /etc -name 'geocache*' ! -type d") == "/etc/default/geocache-cleanup\n"
    machine.run(f"test -d {STATE}")
