"""What the job can write, it cannot run: a probe in place of the job, in the job's own sandbox."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.system import probe
from helpers.system.machine import SERVICE, USER, Machine
from helpers.system.sandbox import PROBE, probed

pytestmark = pytest.mark.system

STATE = "/var/lib/geocache-cleanup"
INSTANCE = "geocache-cleanup@eu.service"
SHARED = ["/dev/shm", "/tmp", "/var/tmp"]  # noqa: S108 - as the unit has them, each its own
OPENED = "/srv/application"
EVERY_MEANS = [means.__name__ for means in probe.MEANS]


@pytest.fixture
def application(machine: Machine) -> Iterator[Machine]:
    """Return a machine with directories of an application in which the job may write."""
    directories = f"{OPENED} {STATE}/app"
    machine.run(f"install -d -o {USER} -g {USER} {directories}")
    yield machine
    machine.run(f"! mountpoint -q {STATE}/app || umount {STATE}/app; rm -r {directories}")


def test_outside_of_the_sandbox_everything_works(machine: Machine) -> None:
    """The counterpart: where the probe is denied something, it is not for a mistake in it."""
    machine.write("/opt/probe.py", Path(probe.__file__).read_text())
    found = json.loads(machine.run(f"runuser -u {USER} -- {PROBE} {STATE} {' '.join(SHARED)}"))
    assert found["places"] == dict.fromkeys([STATE, *SHARED], EVERY_MEANS)
    assert found["memory"] == ["file_in_memory", "memory"]
    assert {STATE, *SHARED, "/run/lock"} <= set(found["writable"])
    assert {"/", "/run"} <= set(found["mounts"])


@pytest.mark.parametrize(("unit", "state"), [(SERVICE, STATE), (INSTANCE, f"{STATE}/eu")])
def test_nothing_that_the_job_can_write_can_be_run(machine: Machine, unit: str, state: str) -> None:
    """By no means, in no place; and the places that it can write are these."""
    machine.write("/etc/geocache-cleanup/eu.env", "", 0o600)
    places = sorted([*SHARED, state])
    found = probed(machine, places, unit=unit)
    assert found["writable"] == places
    assert found["places"] == {place: [] for place in places}
    assert found["memory"] == []
    assert found["mounts"] == []


def test_nor_what_is_mounted_below_the_state_directory(application: Machine) -> None:
    """A mount there, such as one for the database, is part of the state directory."""
    application.run(f"mount --bind {OPENED} {STATE}/app")
    found = probed(application, [f"{STATE}/app"])
    assert f"{STATE}/app" in found["writable"]
    assert found["places"] == {f"{STATE}/app": []}
    assert found["mounts"] == []


def test_the_system_is_read_only_even_to_root(machine: Machine) -> None:
    """It is not the owners of files that keep the job from /usr, /etc, /boot and /run."""
    found = probed(machine, [], "User=root\nGroup=root\nStateDirectory=\n")
    assert set(SHARED) <= set(found["writable"])
    # No files of a file system: what systemd-nspawn passes on, and what is part of a private /dev.
    others = {"/run/host/incoming", "/dev/hugepages", "/dev/mqueue", "/dev/pts"}
    assert set(found["writable"]) <= {*SHARED, *others}
    assert found["mounts"] == []


@pytest.mark.parametrize(
    ("example", "directory", "owner"),
    [
        ("other-sqlite", "/var/lib/geoapp", "geoapp"),
        ("metrics", "/var/lib/prometheus/node-exporter", USER),
    ],
)
@pytest.mark.parametrize("unit", [SERVICE, INSTANCE])
def test_the_examples_open_a_directory_for_data_only(
    machine: Machine, example: str, directory: str, owner: str, unit: str
) -> None:
    """They open it for writing; nothing in it can be run."""
    machine.run(
        "getent passwd geoapp >/dev/null || useradd --system --user-group geoapp;"
        f"install -d -o {owner} -g {owner} {directory}"
    )
    machine.write("/etc/geocache-cleanup/eu.env", "", 0o600)
    machine.use_example(example, unit)
    found = probed(machine, [directory], unit=unit)
    machine.run(f"rm -r {directory}")
    assert directory in found["writable"]
    assert found["places"] == {directory: []}
    assert found["mounts"] == []


@pytest.mark.parametrize("closed", [True, False])
def test_a_drop_in_has_to_close_what_it_opens(application: Machine, closed: bool) -> None:
    """This is why the examples have two lines each: the unit's own do not reach into it."""
    lines = f"ReadWritePaths={OPENED}\n" + closed * f"NoExecPaths={OPENED}\n"
    found = probed(application, [OPENED], lines)
    assert found["places"] == {OPENED: [] if closed else EVERY_MEANS}
    assert found["mounts"] == ([] if closed else [OPENED])


def test_the_unit_that_runs_before_writes_nothing(machine: Machine) -> None:
    """It runs as root, to which the units in /run belong."""
    unit = "geocache-cleanup-start-limit@{}.service".format
    for directory in ("/run", "/run/systemd/system", "/etc/systemd/system", "/usr/lib"):
        start = f"ExecStart=/usr/bin/touch {directory}/probe"
        machine.drop_in(f"[Service]\nExecStart=\n{start}\n", unit(""))
        assert machine.status(f"systemctl start {unit('geocache-cleanup')}") == 1
        assert machine.status(f"test -e {directory}/probe") == 1
