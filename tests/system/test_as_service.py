"""Commands that root types: what they find is true of the service, and none deletes by defaults."""

import json
import signal
import time
from typing import Any

import pytest

from helpers.system.machine import DATABASE, SERVICE, START, Machine

pytestmark = pytest.mark.system

CHECK = "geocache-cleanup check"
SETTINGS = "/etc/default/geocache-cleanup"
FOREIGN = "/var/lib/geoapp/geo_cache.db"
# Waits where a command waits for the lock, and then does as a person or a shell does.
INTERRUPT = """
import os, pty, sys, time

process, terminal = pty.fork()
if process == 0:
    os.execvp("geocache-cleanup", ["geocache-cleanup", *sys.argv[1:]])
time.sleep(3)
os.write(terminal, b"\\x03")
said = b""
try:
    while data := os.read(terminal, 4096):
        said += data
except OSError:
    pass
print(said.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""


def document(machine: Machine, command: str = CHECK) -> dict[str, Any]:
    """Return what a command prints as JSON; how it ends is not looked at."""
    found: dict[str, Any] = json.loads(machine.run(f"{command} --json 2>/dev/null || true"))
    return found


def refused(machine: Machine, status: int, command: str = CHECK) -> str:
    """Return what is printed by a command that has to end with this status."""
    done = machine.call(command)
    assert done.returncode == status, done.stdout
    return done.stdout


def test_settings_user_and_credential_are_those_of_the_service(machine: Machine) -> None:
    """One line says so; nothing of root's shell is looked at, and nothing is left behind."""
    machine.fill(stale=3, fresh=1, database="/var/lib/geocache-cleanup/secret.db")
    machine.write(
        "/etc/credstore/geocache-cleanup.database-url",
        "sqlite:////var/lib/geocache-cleanup/secret.db",
        mode=0o600,
    )
    machine.configure(retention_days=400)
    said = machine.run(f"{CHECK} 2>&1 >/dev/null")
    assert said == f"geocache-cleanup: acting as {SERVICE}, with its settings, user and sandbox\n"
    found = document(machine)
    assert found["connection"]["user"] == "geocache-cleanup"
    assert (found["retention_days"], found["would_delete"]) == (400, 3)
    assert found["settings"][0]["source"] == "credential"
    assert found["advice"] == document(machine)["advice"]
    assert machine.run("systemctl list-units --all --no-legend 'geocache-cleanup-*-[0-9]*'") == ""


def test_what_is_typed_counts_over_the_settings_of_the_service(machine: Machine) -> None:
    """Options and variables; the rest stays the service's."""
    machine.fill(stale=3, fresh=1)
    machine.configure(retention_days=400, timeout=30)
    assert document(machine, f"{CHECK} --retention-days 30")["retention_days"] == 30
    typed = f"GEOCACHE_CLEANUP_RETENTION_DAYS=31 {CHECK}"
    found = document(machine, typed)
    assert found["retention_days"] == 31
    values = {row["option"]: row["value"] for row in found["settings"]}
    assert values["--timeout"] == "30"


def test_options_of_the_unit_are_the_settings_of_the_service(machine: Machine) -> None:
    """Those that an administrator gave to the job; each command takes what it knows of them."""
    machine.fill(stale=3, fresh=1)
    start = "ExecStart=/usr/bin/geocache-cleanup run --retention-days 77 --timeout=44"
    machine.drop_in(f"[Service]\nExecStart=\n{start}\n")
    assert document(machine)["retention_days"] == 77
    machine.run("geocache-cleanup migrate && geocache-cleanup history")


def test_a_service_that_runs_as_root(machine: Machine) -> None:
    """It neither acts as itself again, nor refuses its own run."""
    machine.fill(stale=3, fresh=1, database="/srv/geo_cache.db", user="root")
    machine.configure(database_url="sqlite:////srv/geo_cache.db")
    machine.drop_in("[Service]\nUser=root\nGroup=root\nStateDirectory=\nReadWritePaths=/srv\n")
    assert document(machine)["connection"]["user"] == "root"
    machine.run(START)
    assert machine.events() == ["ran"]


def test_a_dry_run_and_the_other_commands(machine: Machine) -> None:
    """They work on the service's database, and what they make belongs to its user."""
    machine.fill(stale=3, fresh=1)
    assert '"deleted": 3' in machine.run("geocache-cleanup run --dry-run")
    machine.run("geocache-cleanup migrate")
    machine.run(START)
    (run,) = document(machine, "geocache-cleanup history")["runs"]
    assert run["deleted"] == 3
    assert machine.run("find /var/lib/geocache-cleanup ! -user geocache-cleanup") == ""


def test_an_instance(machine: Machine) -> None:
    """By --instance; the service itself names the instances there are."""
    database = "/var/lib/geocache-cleanup/eu/geo_cache.db"
    machine.run("install -d -o geocache-cleanup /var/lib/geocache-cleanup/eu")
    machine.fill(stale=2, fresh=1, database=database)
    machine.write(
        "/etc/geocache-cleanup/eu.env",
        f"GEOCACHE_CLEANUP_DATABASE_URL=sqlite:///{database}\n",
        mode=0o600,
    )
    assert document(machine, f"{CHECK} --instance eu")["would_delete"] == 2
    assert "--instance eu" in machine.run(CHECK)
    assert "there is no instance 'us'" in refused(machine, 78, f"{CHECK} --instance us")
    assert "start geocache-cleanup@eu.service" in refused(
        machine, 78, "geocache-cleanup run --instance eu"
    )
    machine.write("/etc/geocache-cleanup/eu.env", "export GEOCACHE_CLEANUP_TIMEOUT=3\n", mode=0o600)
    assert "line 1 of /etc/geocache-cleanup/eu.env" in refused(machine, 2, f"{CHECK} --instance eu")


@pytest.mark.parametrize("command", ["run", "run --retention-days=30", "run --table=x"])
def test_a_run_typed_by_root_is_refused(machine: Machine, command: str) -> None:
    """It would delete by other settings; with a URL it does as it is told."""
    machine.fill(stale=3, fresh=1)
    assert f"systemctl start {SERVICE}" in refused(machine, 78, f"geocache-cleanup {command}")
    assert machine.rows() == 4
    machine.run(
        f"runuser -u geocache-cleanup -- geocache-cleanup run --database-url=sqlite:///{DATABASE}"
    )
    assert machine.rows() == 1


@pytest.mark.parametrize("command", ["check", "history", "migrate", "run --dry-run", "run"])
def test_other_users_are_told_to_be_root(machine: Machine, command: str) -> None:
    """In one line, that also says what --database-url is for."""
    said = refused(
        machine,
        78 if command == "run" else 77,
        f"runuser -u nobody -- geocache-cleanup {command} --log-format=text",
    )
    assert "sudo" in said or "systemctl start" in said
    assert "--database-url" in said


def test_a_missing_drop_in_for_the_directory(machine: Machine) -> None:
    """Check says what the service will say, and what to do; systemd does not retry that."""
    machine.run(
        "getent passwd geoapp >/dev/null || useradd --system --user-group geoapp;"
        "rm -rf /var/lib/geoapp; install -d -m 750 -o geoapp -g geoapp /var/lib/geoapp"
    )
    machine.fill(stale=3, fresh=1, database=FOREIGN, user="geoapp")
    machine.configure(database_url=f"sqlite:///{FOREIGN}")
    assert "permission denied to reach" in refused(machine, 77)
    machine.run(f"chmod 770 /var/lib/geoapp; chmod 660 {FOREIGN}")
    machine.drop_in("[Service]\nGroup=geoapp\nReadWritePaths=/var/lib/geoapp\nStateDirectory=\n")
    assert "the file belongs to another user, this is geocache-cleanup" in machine.run(CHECK)
    machine.run("rm -f /var/lib/geoapp/*-wal /var/lib/geoapp/*-shm")
    machine.drop_in("[Service]\nUser=geoapp\nGroup=geoapp\nStateDirectory=\n")
    said = refused(machine, 77)
    assert "is read-only" in said
    assert "ReadWritePaths=" in said
    assert machine.status(START) == 1
    assert (machine.show(SERVICE, "ExecMainStatus"), machine.finished()) == ("77", "failed")
    machine.use_example("other-sqlite")
    assert document(machine)["would_delete"] == 3
    machine.write(f"/etc/systemd/system/{SERVICE}.d/more.conf", "[Service]\nNice=5\n")
    assert "run systemctl daemon-reload" in machine.run(CHECK)
    machine.run(f"rm /etc/systemd/system/{SERVICE}.d/more.conf; systemctl daemon-reload")
    assert machine.run("stat --format=%U /var/lib/geocache-cleanup") == "geocache-cleanup\n"


def test_a_wrong_path(machine: Machine) -> None:
    """The hint names the variable and its file, and offers to make nothing."""
    machine.configure(database_url="sqlite:////nowhere/geo.db")
    said = refused(machine, 66)
    assert "GEOCACHE_CLEANUP_DATABASE_URL in /etc/default/geocache-cleanup" in said
    assert "migrate" not in said


def test_a_unit_that_cannot_be_set_up(machine: Machine) -> None:
    """Told in systemd's own words."""
    machine.drop_in("[Service]\nReadWritePaths=/var/lib/missing\n")
    assert "/var/lib/missing: No such file or directory" in refused(machine, 78)
    machine.drop_in("[Service]\nUser=missing\n")
    assert "status 217" in refused(machine, 78)
    machine.drop_in("[Service]\nExecStart=\nExecStart=/usr/bin/true\n")
    assert "does not start geocache-cleanup run" in refused(machine, 78)


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("GEOCACHE_CLEANUP_RETENTION_DAY=3650", 2, "did you mean GEOCACHE_CLEANUP_RETENTION_DAYS?"),
        ("export GEOCACHE_CLEANUP_RETENTION_DAYS=3650", 2, "line 1 of /etc/default"),
        ("GEOCACHE_CLEANUP_RETENTION_DAYS 3650", 2, "line 1 of /etc/default"),
        ("GEOCACHE-CLEANUP_RETENTION_DAYS=3650", 2, "line 1 of /etc/default"),
        ("geocache_cleanup_retention_days=3650", 2, "GEOCACHE_CLEANUP_RETENTION_DAYS?"),
        ("RETENTION_DAYS=3650", 2, "GEOCACHE_CLEANUP_RETENTION_DAYS?"),
        ("GEOCACHE_CLEANUP_RETENTION_DAYS=3650 # ten years", 2, "must be a whole number"),
        ("GEOCACHE_CLEANUP_RETENTION_DAYS=", 2, "is empty"),
        ("\ufeffGEOCACHE_CLEANUP_RETENTION_DAYS=3650", 2, "line 1 of /etc/default"),
        ('GEOCACHE_CLEANUP_RETENTION_DAYS="3650"', 0, ""),
        ("GEOCACHE_CLEANUP_RETENTION_DAYS='3650'", 0, ""),
        ("  GEOCACHE_CLEANUP_RETENTION_DAYS = 3650  ", 0, ""),
        ("GEOCACHE_CLEANUP_RETENTION_DAYS=3650\r", 0, ""),
        ("GEOCACHE_CLEANUP_RETENTION_DAYS=\\\n3650", 0, ""),
        ("; GEOCACHE_CLEANUP_RETENTION_DAYS=1\nGEOCACHE_CLEANUP_RETENTION_DAYS=3650", 0, ""),
    ],
)
def test_lines_of_a_settings_file(machine: Machine, line: str, status: int, words: str) -> None:
    """Each works or is named, by check and by the service: none falls back to 90 days."""
    machine.sqlite("CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, last_seen TEXT NOT NULL)")
    machine.sqlite("INSERT INTO geo_cache SELECT 'a', date('now', '-200 days')")
    machine.write(SETTINGS, f"{line}\n")
    said = refused(machine, status)
    assert words in said
    assert machine.status(START) == bool(status)
    assert machine.rows() == 1
    if status == 0:
        assert document(machine)["retention_days"] == 3650


def test_a_host_that_systemd_does_not_run(machine: Machine) -> None:
    """Nothing that changes rows or a schema falls back to the defaults where there are settings."""
    machine.fill(stale=3, fresh=1)
    machine.configure(retention_days=400)
    hidden = "unshare --mount sh -c 'mount -t tmpfs tmpfs /run/systemd; geocache-cleanup {}'"
    for command in ("run", "migrate"):
        assert f"settings of {SERVICE}" in refused(machine, 78, hidden.format(command))
    assert "this host has settings of a service" in machine.run(hidden.format("check"))
    assert "--instance is for hosts" in refused(machine, 78, hidden.format("check --instance eu"))
    assert machine.rows() == 4


def test_signals_reach_the_command(machine: Machine) -> None:
    """Ctrl-C on a terminal, and what a shell sends; no unit stays behind."""
    machine.fill(stale=3, fresh=1)
    machine.sqlite("PRAGMA journal_mode=DELETE")
    machine.write("/opt/interrupt.py", INTERRUPT)
    machine.write("/opt/lock.sql", "BEGIN EXCLUSIVE;\n.system sleep 20\n")
    machine.run(
        "systemd-run --quiet --collect --unit=lock --uid=geocache-cleanup sh -c"
        f" 'sqlite3 {DATABASE} </opt/lock.sql'"
    )
    time.sleep(1)
    said = refused(machine, 130, "python3 /opt/interrupt.py run --dry-run")
    assert "warning: Stopped by SIGINT" in said
    for name, status in (("INT", 128 + signal.SIGINT), ("TERM", 0)):
        kill = f"(sleep 2; pkill -{name} -f bin/geocache-cleanup.check -o)"
        said = refused(machine, status, f"{kill} & exec {CHECK}")
        assert f"Stopped by SIG{name}" in said
    assert machine.run("systemctl list-units --all --no-legend 'geocache-cleanup-*-[0-9]*'") == ""
    machine.run("systemctl stop lock")


def test_pipes_and_full_devices(machine: Machine) -> None:
    """As without the service: a reader that has seen enough, a full device, closed output."""
    machine.fill(stale=3, fresh=1)
    assert machine.run(f"bash -c 'set -o pipefail; {CHECK} 2>/dev/null | head -1'") == "Settings\n"
    assert "No space left" in refused(machine, 74, f"{CHECK} >/dev/full")
    machine.run(f"{CHECK} >&-; {CHECK} 2>&- >/dev/null")
