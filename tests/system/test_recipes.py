"""The recipes of README and OPERATING, run as they are printed there."""

import json
import re

import pytest

from helpers.documents import block, json_keys
from helpers.system.machine import START, Machine

pytestmark = pytest.mark.system


def commands(part: str) -> list[str]:
    """Return the commands of the one block that has this in it."""
    return re.split(r"(?<!\\)\n", block(part))


def test_set_up(machine: Machine) -> None:
    """The four commands of somebody new, on a database that the application has filled."""
    machine.fill(stale=3, fresh=2)
    name, check, migrate, start = commands(">>/etc/default/geocache-cleanup")
    machine.run(name)
    assert "A run would delete 3 rows" in machine.run(check)
    assert "created the table geocache_cleanup_runs" in machine.run(migrate)
    machine.run(start)
    assert machine.rows() == 2


def test_day_to_day(machine: Machine) -> None:
    """What is told before a run and after it, and the timer off."""
    machine.fill(stale=3, fresh=2)
    machine.run("geocache-cleanup migrate")
    status, check, history, explained, start, pause = commands("geocache-cleanup history")
    assert "next run" in machine.call(status).stdout
    assert "A run would delete 3 rows" in machine.run(check)
    machine.run(start)
    assert re.search(
        r"geo_cache, by last_seen, on \S+:\n\S+ \S+ +[0-9.]+ +3 ", machine.run(history)
    )
    assert "geo_cache_cleanup_ran" in machine.run(f"journalctl --sync; {explained}")
    assert machine.run(status).startswith("OK")
    machine.run(pause)
    assert machine.show("geocache-cleanup.timer", "UnitFileState") == "disabled"
    machine.run("systemctl enable --now geocache-cleanup.timer")


def test_what_a_run_would_do(machine: Machine) -> None:
    """As the service sees its database, with what was typed beside that."""
    machine.fill(stale=3, fresh=2, database="/var/lib/geocache-cleanup/other.db")
    machine.configure(database_url="sqlite:////var/lib/geocache-cleanup/other.db")
    check, dry_run, other = commands("geocache-cleanup run --dry-run")
    assert "A run would delete 3 rows" in machine.run(check)
    assert json.loads(machine.run(dry_run).splitlines()[-1])["deleted"] == 3
    assert "30 (option)" in machine.run(other)


def test_status_for_a_script(machine: Machine) -> None:
    """A line for each service, and the keys that the manual lists."""
    machine.fill(stale=3, fresh=2)
    machine.run(f"{START}; journalctl --sync")
    lines = machine.run(block("geocache-cleanup status --json")).splitlines()
    (line,) = [line for line in lines if line.startswith("geocache-cleanup.service ")]
    assert line.endswith(" 3")
    document = json.loads(machine.run("geocache-cleanup status --json"))
    services = document.pop("services")
    found = [*document, *(f"services[].{key}" for key in services[0])]
    assert sorted(found) == sorted(json_keys("status"))


def test_another_hour(machine: Machine) -> None:
    """The lines for systemctl edit replace the hour."""
    machine.drop_in(block("[Timer]"), unit="geocache-cleanup.timer")
    calendar = machine.show("geocache-cleanup.timer", "TimersCalendar")
    assert "02:15:00" in calendar
    assert "04:30:00" not in calendar
    assert "geocache-cleanup.timer" in machine.run(block("systemctl list-timers"))


def test_audit(machine: Machine) -> None:
    """What the journal and jq answer after two runs, one of which deleted something."""
    machine.fill(stale=4, fresh=1)
    count = block("-o json GEOCACHE_CLEANUP_EVENT")
    before = json.loads(machine.run(count))
    machine.run(f"{START}; {START}; journalctl --sync")
    explained, warnings = commands("-p warning")
    assert "geo_cache_cleanup_ran" in machine.run(explained)
    machine.run(warnings)
    listed = machine.run(block("-p info -o cat")).splitlines()
    assert re.fullmatch(r"\S+Z deleted 4 from geo_cache in [0-9.]+s", listed[-1])
    totals = json.loads(machine.run(count))
    assert totals["runs"] == before["runs"] + 2
    assert totals["deleted"] == (before["deleted"] or 0) + 4


def test_alert(machine: Machine) -> None:
    """The alert is installed and started when a run fails, and the event of that is found."""
    machine.run(block("on-failure.conf"))
    machine.configure(database_url="sqlite:////nowhere.db")
    assert machine.status(START) == 1
    machine.until(lambda: machine.journal("--identifier=geocache-cleanup-alert"))
    assert re.search(
        "Retried by systemd: [Ff]alse", machine.run(block("=geo_cache_cleanup_failed"))
    )
    machine.run("rm /etc/systemd/system/geocache-cleanup-alert@.service")
    machine.run(block("systemctl reset-failed"))
    assert machine.show("geocache-cleanup.service", "ActiveState") == "inactive"


def test_dead_mans_switch(machine: Machine) -> None:
    """The unit that calls it is started after a run that succeeded."""
    *install, address = block("ping.conf").splitlines()
    machine.run("\n".join([*install, f"echo http://127.0.0.1:9 | {address}"]))
    machine.fill(stale=1, fresh=1)
    machine.mark()
    machine.run(START)
    machine.until(lambda: machine.journal("UNIT=geocache-cleanup-ping@geocache-cleanup.service"))
    machine.run("rm /etc/systemd/system/geocache-cleanup-ping@.service")
    machine.run("systemctl stop 'geocache-cleanup-ping@*'")


def test_metrics_file(machine: Machine) -> None:
    """The line for the settings names a file in the directory that the commands open."""
    line = block("GEOCACHE_CLEANUP_METRICS_FILE")
    directory = block("dpkg-statoverride").splitlines()[0].split()[-1]
    machine.fill(stale=1, fresh=1)
    assert line.partition("=")[2].startswith(f"{directory}/")
    machine.run(f"echo {line} >>/etc/default/geocache-cleanup")
    assert machine.status(START) == 1  # that there is no such directory is told


def test_network(machine: Machine) -> None:
    """The sandbox has a network, and lets no address in but those that are named."""
    machine.run(block("network.conf"))
    assert machine.show("geocache-cleanup.service", "PrivateNetwork") == "no"
    assert "127.0.0.0/8" in machine.show("geocache-cleanup.service", "IPAddressAllow")


def test_batches(machine: Machine) -> None:
    """The two lines for a backlog are settings that a run takes."""
    machine.fill(stale=250, fresh=1)
    machine.write("/etc/default/geocache-cleanup", block("GEOCACHE_CLEANUP_BATCH_SECONDS") + "\n")
    machine.run(START)
    assert machine.rows() == 1
    shown = machine.run("geocache-cleanup check")
    assert re.search(r"--batch-seconds +0\.2 \(environment\)", shown)
    assert re.search(r"--timeout +1500 \(environment\)", shown)


def test_credentials(machine: Machine) -> None:
    """The plain credential and the encrypted one name the database."""
    machine.fill(stale=2, fresh=1, database="/var/lib/geocache-cleanup/secret.db")
    url = "sqlite:////var/lib/geocache-cleanup/secret.db"
    make, write = commands("stdin /etc/credstore/geocache-cleanup.database-url")
    machine.run(f"{make}; echo {url} | {write}; {START}")
    assert machine.rows("/var/lib/geocache-cleanup/secret.db") == 1
    machine.run("rm /etc/credstore/geocache-cleanup.database-url")
    make, encrypt = commands("systemd-creds encrypt")
    machine.run(f"{make}; printf %s {url} | {encrypt}")
    machine.run(block("encrypted-credential.conf"))
    machine.mark()
    machine.run(START)
    assert machine.events() == ["ran"]
    machine.run("rm /etc/credstore.encrypted/geocache-cleanup.database-url")


def test_several_databases(machine: Machine) -> None:
    """An instance is made, armed and started by the commands, on a database of its own."""
    database = "/var/lib/geocache-cleanup/eu/geo_cache.db"
    machine.run("mkdir -p /etc/geocache-cleanup")
    *make, start = commands("systemctl enable --now geocache-cleanup@eu.timer")
    machine.run("\n".join(make))
    assert machine.show("geocache-cleanup@eu.timer", "ActiveState") == "active"
    assert machine.rows(database) == 0
    machine.fill(stale=2, fresh=1, database=database)
    machine.run(start)
    assert machine.rows(database) == 1
    machine.run("systemctl disable --now geocache-cleanup@eu.timer")
    machine.run("rm /etc/geocache-cleanup/eu.env")


def test_the_drop_in_for_another_application_is_the_example(machine: Machine) -> None:
    """What the README prints is what the package ships, but for its comments."""
    shipped = machine.run("cat /usr/share/doc/geocache-cleanup/examples/other-sqlite.conf")
    lines = [line for line in shipped.splitlines() if line and not line.startswith("#")]
    assert block("[Service]").splitlines() == lines


def test_the_documents_are_installed(machine: Machine) -> None:
    """Where the manual says that they are."""
    for name in ("README.md", "OPERATING.md"):
        machine.run(f"zgrep '^# ' /usr/share/doc/geocache-cleanup/{name}.gz")
