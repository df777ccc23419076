"""The sysadmin's page of the README, its commands run as they are printed there."""

import json
import re

import pytest

from helpers.readme import block
from helpers.system.machine import START, Machine

pytestmark = pytest.mark.system


def test_commands_with_the_settings_of_the_service(machine: Machine) -> None:
    """Each command sees the service's database, where a bare one sees the default."""
    machine.fill(stale=3, fresh=2, database="/var/lib/geocache-cleanup/other.db")
    machine.configure(database_url="sqlite:////var/lib/geocache-cleanup/other.db")
    recipe = block("systemd-run")
    assert recipe.endswith(" check")
    shown = {
        command: machine.run(recipe.removesuffix("check") + command)
        for command in ("check", "migrate", "run --dry-run", "run", "history")
    }
    assert "A run would delete 3 rows" in shown["check"]
    assert "created the table geocache_cleanup_runs" in shown["migrate"]
    assert json.loads(shown["run --dry-run"].splitlines()[-1])["deleted"] == 3
    assert json.loads(shown["run"].splitlines()[-1])["deleted"] == 3
    assert re.search(r"geo_cache, by last_seen, on \S+:\n\S+ \S+ +[0-9.]+ +3 ", shown["history"])


def test_run_see_when_and_pause(machine: Machine) -> None:
    """The four commands, one after the other."""
    start, status, timers, pause = block("systemctl start").splitlines()
    machine.run(start)
    assert machine.call(status).returncode in {0, 3}  # 3: a oneshot that is over is not active
    assert "geocache-cleanup.timer" in machine.run(timers)
    machine.run(pause)
    assert machine.show("geocache-cleanup.timer", "UnitFileState") == "disabled"
    machine.run("systemctl enable --now geocache-cleanup.timer")


def test_another_hour(machine: Machine) -> None:
    """The lines for systemctl edit replace the hour."""
    machine.drop_in(block("[Timer]"), unit="geocache-cleanup.timer")
    calendar = machine.show("geocache-cleanup.timer", "TimersCalendar")
    assert "02:15:00" in calendar
    assert "04:30:00" not in calendar


def test_audit(machine: Machine) -> None:
    """What the journal and jq answer after two runs, one of which deleted something."""
    machine.fill(stale=4, fresh=1)
    count = block("journalctl -u geocache-cleanup -o json")
    before = json.loads(machine.run(count))
    machine.run(f"{START}; {START}; journalctl --sync")
    explained, warnings = block("journalctl -u geocache-cleanup -x").splitlines()
    assert "geo_cache_cleanup_ran" in machine.run(explained)
    machine.run(warnings)
    listed = machine.run(block("journalctl -u geocache-cleanup -p info")).splitlines()
    assert re.fullmatch(r"\S+Z deleted 4 from geo_cache in [0-9.]+s", listed[-1])
    totals = json.loads(machine.run(count))
    assert totals["runs"] == before["runs"] + 2
    assert totals["deleted"] == (before["deleted"] or 0) + 4


def test_alert(machine: Machine) -> None:
    """The alert is installed and started when a run fails."""
    machine.run(block("cd /usr/share"))
    machine.configure(database_url="sqlite:////nowhere.db")
    assert machine.status(START) == 1
    machine.until(lambda: machine.journal("--identifier=geocache-cleanup-alert"))
    machine.run("rm /etc/systemd/system/geocache-cleanup-alert@.service")


def test_credentials(machine: Machine) -> None:
    """The plain credential and the encrypted one name the database."""
    machine.fill(stale=2, fresh=1, database="/var/lib/geocache-cleanup/secret.db")
    url = "sqlite:////var/lib/geocache-cleanup/secret.db"
    make, write = block("install -d -m 700 /etc/credstore\n").splitlines()
    machine.run(f"{make}; echo {url} | {write}; {START}")
    assert machine.rows("/var/lib/geocache-cleanup/secret.db") == 1
    machine.run("rm /etc/credstore/geocache-cleanup.database-url")
    make, *encrypt = block("install -d -m 700 /etc/credstore.encrypted").splitlines()
    command = "\n".join(encrypt)
    machine.run(f"{make}; printf %s {url} | {command}")
    machine.run(block("install -D -m 644 /usr/share/doc"))
    machine.mark()
    machine.run(START)
    assert machine.events() == ["ran"]
    machine.run("rm /etc/credstore.encrypted/geocache-cleanup.database-url")


def test_several_databases(machine: Machine) -> None:
    """An instance is made, armed and started by the commands, on a database of its own."""
    database = "/var/lib/geocache-cleanup/eu/geo_cache.db"
    machine.run("mkdir -p /etc/geocache-cleanup")
    *commands, start = block("echo GEOCACHE_CLEANUP_DATABASE_URL").splitlines()
    machine.run("\n".join(commands))
    assert machine.show("geocache-cleanup@eu.timer", "ActiveState") == "active"
    assert machine.status(start) == 1  # there is no such file yet
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
