"""The SQLite database of another application, which writes to it all the time."""

import pytest

from helpers.documents import block
from helpers.system.machine import SERVICE, START, Machine
from helpers.system.sandbox import probed

pytestmark = pytest.mark.system

DIRECTORY = "/var/lib/geoapp"
DATABASE = f"{DIRECTORY}/geo_cache.db"
OPEN = f"runuser -u geoapp -- sqlite3 {DATABASE}"
FOREIGN = f"find {DIRECTORY} ! -user geoapp -o ! -group geoapp"

# Writes and commits row after row until it is told to stop, then says how many it has written.
WRITER = """
import pathlib, signal, sqlite3, sys, time

stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
written = 0
while not stopped:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    connection.execute("INSERT INTO geo_cache VALUES (?, ?)", (f"app-{written}", now))
    written += 1
    time.sleep(0.002)
pathlib.Path(sys.argv[1]).with_name("written").write_text(str(written))
"""


@pytest.fixture
def shared(machine: Machine) -> Machine:
    """Return a release with an application's database, and the drop-in for it."""
    machine.run(
        "getent passwd geoapp >/dev/null || useradd --system --user-group geoapp;"
        f"rm -rf {DIRECTORY}; install -d -m 750 -o geoapp -g geoapp {DIRECTORY}"
    )
    machine.fill(stale=500, fresh=0, database=DATABASE, user="geoapp")
    machine.run(block("examples/other-sqlite.conf"))
    machine.run("systemctl daemon-reload")
    machine.configure(database_url=f"sqlite:///{DATABASE}")
    return machine


def test_the_application_loses_no_write(shared: Machine) -> None:
    """Ten runs, each with something to delete, while the application writes on."""
    shared.write("/opt/writer.py", WRITER)
    shared.run(
        "systemd-run --quiet --collect --unit=writer --uid=geoapp"
        f" python3 /opt/writer.py {DATABASE}"
    )
    for number in range(10):
        shared.sqlite(
            f"INSERT INTO geo_cache VALUES ('again-{number}', '2001-02-03')", DATABASE, "geoapp"
        )
        shared.run(START)
    shared.run("systemctl stop writer")
    written = int(shared.run(f"cat {DIRECTORY}/written"))
    assert written > 100
    assert shared.rows(DATABASE, "geoapp") == written
    assert shared.events() == ["ran"] * 10
    assert shared.run(FOREIGN) == ""


def test_a_killed_run_harms_neither_rows_nor_application(shared: Machine) -> None:
    """It is killed while it waits for the application."""
    shared.drop_in("[Service]\nRestart=no\n")
    with shared.locked(DATABASE, "geoapp"):
        shared.begin()
        shared.run(f"systemctl kill --kill-whom=main --signal=KILL {SERVICE}")
        shared.finished()
        assert shared.show(SERVICE, "Result") == "signal"
    assert shared.run(FOREIGN) == ""
    assert shared.rows(DATABASE, "geoapp") == 500
    shared.run(f"{OPEN} \"INSERT INTO geo_cache VALUES ('after', '2001-02-03')\"")


def test_files_left_behind_belong_to_the_application(shared: Machine) -> None:
    """A process of the unit is killed with the database open, so that -wal and -shm stay."""
    shared.write("/opt/open.py", HOLD_OPEN)
    shared.drop_in(
        f"[Service]\nRestart=no\nExecStart=\nExecStart=/usr/bin/python3 /opt/open.py {DATABASE}\n"
    )
    assert shared.status(START) == 1
    assert shared.run(f"ls {DIRECTORY}").split() == [
        *("geo_cache.db", "geo_cache.db-shm", "geo_cache.db-wal"),
    ]
    assert shared.run(FOREIGN) == ""
    assert shared.rows(DATABASE, "geoapp") == 499
    shared.run(f"{OPEN} \"INSERT INTO geo_cache VALUES ('after', '2001-02-03')\"")


def test_the_file_of_a_container(machine: Machine) -> None:
    """In a volume, through whose directories nobody may pass but root, and that a number owns."""
    volumes = "/var/lib/docker/volumes"
    machine.run(
        f"install -d -m 710 /var/lib/docker; install -d -m 701 {volumes} {volumes}/bangui;"
        f"install -d -o 4242 -g 4242 {volumes}/bangui/_data"
    )
    machine.run(block("useradd --uid 4242"))
    machine.run("systemctl daemon-reload")
    machine.fill(2, 1, f"{volumes}/bangui/_data/bangui.db", user="root")
    machine.run(f"chown -R 4242:4242 {volumes}/bangui/_data")
    machine.write("/etc/default/geocache-cleanup", block("/mnt/bangui") + "\n")
    assert "A run would delete 2 rows" in machine.run("geocache-cleanup check")
    machine.run(START)
    assert machine.rows(f"{volumes}/bangui/_data/bangui.db", "root") == 1
    found = probed(machine, ["/mnt/bangui"])
    assert (found["places"], found["mounts"]) == ({"/mnt/bangui": []}, [])
    machine.run(f"userdel bangui; rm -r /var/lib/docker /etc/systemd/system/{SERVICE}.d")


def test_half_of_the_drop_in_is_the_hazard_that_it_says(shared: Machine) -> None:
    """Our own user in the application's group leaves -wal and -shm that shut the owner out.

    This is why the drop-in sets User= as well as Group=. Removing the files heals it.
    """
    shared.run(f"chmod 770 {DIRECTORY}; chmod 660 {DATABASE}")
    shared.drop_in(
        f"[Service]\nSupplementaryGroups=geoapp\nReadWritePaths={DIRECTORY}\nRestart=no\n",
        name="other-sqlite",
    )
    shared.write("/opt/open.py", HOLD_OPEN)
    shared.drop_in(f"[Service]\nExecStart=\nExecStart=/usr/bin/python3 /opt/open.py {DATABASE}\n")
    assert shared.status(START) == 1
    assert "geo_cache.db-wal" in shared.run(FOREIGN)
    assert shared.status(f"{OPEN} 'SELECT count(*) FROM geo_cache'") != 0


# What any program does that is killed while it has the database open.
HOLD_OPEN = """
import os, signal, sqlite3, sys

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("DELETE FROM geo_cache WHERE ip = 'old-1'")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_documented_drop_in_keeps_the_exposure(shared: Machine) -> None:
    """And the job runs as the application's user, without a state directory of its own."""
    shared.run(START)
    assert shared.rows(DATABASE, "geoapp") == 0
    assert shared.show(SERVICE, "User") == "geoapp"
    assert shared.run("stat --format=%U /var/lib/geocache-cleanup").strip() == "geocache-cleanup"
