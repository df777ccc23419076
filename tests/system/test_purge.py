"""Purging where something is mounted or linked at, or below, a directory of ours."""

import pytest

from helpers.system.machine import Machine

pytestmark = pytest.mark.system

STATE = "/var/lib/geocache-cleanup"
SETTINGS = "/etc/geocache-cleanup"
ELSEWHERE = "/srv/application"
SECRETS = [
    f"/etc/{store}/geocache-cleanup{name}"
    for store in ("credstore", "credstore.encrypted")
    for name in (".database-url", ".eu.database-url", ".ping-url", "@eu.ping-url")
]


@pytest.fixture
def purged(fresh: Machine) -> Machine:
    """Return a machine with the package, secrets, and data of another application."""
    fresh.run(
        "apt-get install --yes /opt/0.deb;"
        f"rm -rf {ELSEWHERE}; mkdir -p {ELSEWHERE}/empty;"
        f"echo precious >{ELSEWHERE}/data; touch {ELSEWHERE}/geo_cache.db"
    )
    for secret in SECRETS:
        fresh.write(secret, "sqlite:////x.db\n", 0o600)
    return fresh


def purge(machine: Machine) -> str:
    """Purge the package, which has to succeed, and return what the scripts say about it."""
    before = machine.run(f"find {ELSEWHERE}")
    said = machine.run("apt-get purge --yes geocache-cleanup")
    assert machine.status("dpkg-query --status geocache-cleanup") == 1
    assert machine.run("ls -A /etc/credstore /etc/credstore.encrypted | grep geo || true") == ""
    assert machine.run(f"find {ELSEWHERE}") == before
    assert machine.run(f"cat {ELSEWHERE}/data") == "precious\n"
    assert machine.run("systemctl is-system-running") == "running\n"
    return "".join(f"{line}\n" for line in said.splitlines() if "dpkg:" not in line)


def exists(machine: Machine, path: str) -> bool:
    """Tell whether there is a file, or a link to none."""
    return machine.status(f"test -e '{path}' -o -L '{path}'") == 0


@pytest.mark.parametrize("directory", [STATE, SETTINGS])
def test_nothing_is_said_where_all_of_it_goes(purged: Machine, directory: str) -> None:
    """Whatever the names, and links in it are removed, not followed."""
    purged.run(
        f"cd {directory}; mkdir -p eu/deep ./-rf 'a b'; touch ./-rf/-x 'a b/c d' eu/deep/x .hidden"
        f" \"$(printf 'new\\nline')\"; ln -s {ELSEWHERE} eu/link; ln -s {ELSEWHERE}/data link"
    )
    said = purge(purged)
    assert "geocache-cleanup: " not in said
    assert not exists(purged, directory)


@pytest.mark.parametrize("directory", [STATE, SETTINGS])
@pytest.mark.parametrize("name", ["app", "eu/its [data]"])
def test_a_mount_below_stays_with_its_files(purged: Machine, directory: str, name: str) -> None:
    """Even one from the same file system; what is ours goes, and what is left is named."""
    mount = f"{directory}/{name}"
    purged.run(
        f"mkdir -p {directory}/eu/deep '{mount}'; touch {directory}/x {directory}/eu/deep/x;"
        f"mount --bind {ELSEWHERE} '{mount}'"
    )
    try:
        said = purge(purged)
        assert purged.run(f"cat '{mount}/data'") == "precious\n"
        assert f"geocache-cleanup: {directory} is left, " in said
        assert f"\n{mount}\n" in said
        assert "deep" not in said
        assert ELSEWHERE not in said
        left = purged.run(f"find {directory} ! -type d").splitlines()
        assert all(path.startswith(f"{mount}/") for path in left)
        assert not exists(purged, f"{directory}/eu/deep")
    finally:
        purged.run(f"umount '{mount}'; rm -r {directory}")


@pytest.mark.parametrize("directory", [STATE, SETTINGS])
@pytest.mark.parametrize("kind", ["-t tmpfs tmpfs", "--bind /srv/volume"])
def test_a_mount_of_the_directory_itself_is_emptied(
    purged: Machine, directory: str, kind: str
) -> None:
    """A volume for our data is not ours to unmount."""
    purged.run(
        f"mkdir -p {directory} /srv/volume; mount {kind} {directory};"
        f"mkdir {directory}/eu; touch {directory}/eu/x {directory}/x"
    )
    try:
        said = purge(purged)
        assert f"geocache-cleanup: {directory} is left, " in said
        assert f"\n{directory}\n" in said
        assert purged.run(f"ls -A {directory}") == ""
    finally:
        purged.run(f"umount {directory}; rm -rf {directory}")


@pytest.mark.parametrize("directory", [STATE, SETTINGS])
def test_a_link_in_place_of_the_directory_is_not_followed(purged: Machine, directory: str) -> None:
    """It goes and what it points to stays; the one that dpkg itself knows of goes by dpkg."""
    purged.run(f"rm -rf {directory}; ln -s {ELSEWHERE} {directory}")
    said = purge(purged)
    told = f"geocache-cleanup: {directory} was a link to {ELSEWHERE}, which is left\n" in said
    assert told == (directory == STATE)
    assert not exists(purged, directory)
