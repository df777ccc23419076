"""Runs of the installed service: outcomes, credentials, retries, time limits."""

import pytest

from helpers.system.machine import SERVICE, START, Machine

pytestmark = pytest.mark.system

STATE = "/var/lib/geocache-cleanup"
DATABASE = f"{STATE}/geo_cache.db"
CREDENTIAL = "geocache-cleanup.database-url"
ALERT = "--identifier=geocache-cleanup-alert"


def test_an_unconfigured_run_succeeds_and_says_what_to_set(machine: Machine) -> None:
    """A fresh install is no failure, by hand or by the timer."""
    assert machine.run(START) == ""
    (entry,) = machine.journal("--identifier=geocache-cleanup")
    assert entry["GEOCACHE_CLEANUP_EVENT"] == "geo_cache_cleanup_skipped"
    assert "GEOCACHE_CLEANUP_DATABASE_URL" in entry["MESSAGE"]
    assert machine.run("systemctl --failed --no-legend") == ""
    assert machine.status(f"test -e {DATABASE}") == 1


def test_a_run_deletes_the_stale_rows(machine: Machine) -> None:
    """The job, under the whole sandbox."""
    machine.fill(stale=3, fresh=2)
    machine.run(START)
    assert machine.rows() == 2
    assert machine.events() == ["ran"]


def test_a_changed_setting_holds_for_the_next_run(machine: Machine) -> None:
    """No daemon-reload, no restart."""
    machine.fill(stale=3, fresh=1)
    machine.configure(retention_days=36500)
    machine.run(START)
    assert machine.rows() == 4
    machine.configure(retention_days=90)
    machine.run(START)
    assert machine.rows() == 1


def test_the_url_comes_from_a_credential(machine: Machine) -> None:
    """No drop-in is needed, and only root can read the file."""
    machine.fill(2, 1, f"{STATE}/other.db")
    machine.write(f"/etc/credstore/{CREDENTIAL}", f"sqlite:///{STATE}/other.db\n", 0o600)
    machine.run(START)
    assert machine.rows(f"{STATE}/other.db") == 1


def test_the_url_comes_from_an_encrypted_credential(machine: Machine) -> None:
    """By the shipped drop-in, encrypted with the key of the host."""
    machine.fill(2, 1, f"{STATE}/other.db")
    machine.use_example("encrypted-credential")
    machine.run(
        "mkdir -p /etc/credstore.encrypted; systemd-creds setup >/dev/null 2>&1 || true;"
        f"echo sqlite:///{STATE}/other.db | systemd-creds encrypt --with-key=host"
        f" --name={CREDENTIAL} - /etc/credstore.encrypted/{CREDENTIAL} 2>/dev/null"
    )
    machine.run(START)
    assert machine.rows(f"{STATE}/other.db") == 1


def test_ciphertext_instead_of_a_url_is_a_configuration_error(machine: Machine) -> None:
    """What newer systemd hands over without the drop-in is not shown, but explained."""
    ciphertext = "Whxqht+dQJax1aZeCGLxmiAAAAABAAAADAAAABAAAAC1lFmbWAqWZ8dCCQkAAAAAgAAAAA"
    machine.write(f"/etc/credstore/{CREDENTIAL}", ciphertext + "\n", 0o600)
    assert machine.status(START) == 1
    (entry,) = machine.journal("--identifier=geocache-cleanup")
    assert entry["GEOCACHE_CLEANUP_EXIT_STATUS"] == "78"
    assert "LoadCredentialEncrypted" in entry["MESSAGE"]
    assert ciphertext not in machine.run("journalctl --output=export")
    assert machine.show(SERVICE, "NRestarts") == "0"


def fail_fast(machine: Machine) -> None:
    """Shorten what a test would else wait for, and install the alert of the examples."""
    machine.use_example("on-failure")
    machine.run(
        "cp /usr/share/doc/geocache-cleanup/examples/geocache-cleanup-alert@.service"
        " /etc/systemd/system/"
    )
    machine.drop_in("[Service]\nRestartSec=1s\n")


def test_a_failing_job_is_retried_five_times_and_alerts_once(machine: Machine) -> None:
    """A lock that stays, on either side of the change in systemd 254."""
    machine.fill(stale=1, fresh=1)
    fail_fast(machine)
    machine.configure(timeout=0.5)
    with machine.locked():
        assert machine.status(START) == 1
        assert machine.finished() == "failed"
    assert machine.events() == ["failed"] * 6
    machine.until(lambda: machine.journal(ALERT))
    machine.run("sleep 2")
    (alert,) = machine.journal(ALERT)
    assert "geocache-cleanup.service failed" in alert["MESSAGE"]
    assert "exit-code 75" in alert["MESSAGE"]
    assert machine.rows() == 2


def test_a_retry_that_succeeds_raises_no_alert(machine: Machine) -> None:
    """The lock is released between two attempts."""
    machine.fill(stale=1, fresh=1)
    fail_fast(machine)
    machine.configure(timeout=0.5)
    with machine.locked():
        machine.run(f"{START} --no-block")
        machine.until(lambda: "failed" in machine.events())
        machine.configure()
    machine.until(lambda: "ran" in machine.events())
    assert machine.finished() == "inactive"
    assert machine.rows() == 1
    machine.run("sleep 1")
    assert machine.journal(ALERT) == []


def test_a_killed_run_is_retried(machine: Machine) -> None:
    """As the kernel kills when memory is short; what it did is undone, and done again."""
    machine.fill(stale=1, fresh=1)
    machine.drop_in("[Service]\nRestartSec=1s\n")
    with machine.locked():
        machine.begin()
        machine.run(f"systemctl kill -s KILL {SERVICE}")
    machine.until(lambda: machine.events() == ["ran"])
    assert machine.finished() == "inactive"
    assert machine.rows() == 1


SETTINGS = "/etc/default/geocache-cleanup"
ABSENT = f"echo GEOCACHE_CLEANUP_DATABASE_URL=sqlite:////absent.db >{SETTINGS}"
CORRUPT = f"head -c 8192 /dev/urandom >{DATABASE}; chown geocache-cleanup: {DATABASE}"


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (2, f"echo GEOCACHE_CLEANUP_RETENTION_DAYS=soon >{SETTINGS}"),
        (65, CORRUPT),
        (66, ABSENT),
        (77, f"install -m 000 /dev/null {DATABASE}; chown root: {DATABASE}"),
        (78, f"runuser -u geocache-cleanup -- sqlite3 {DATABASE} 'CREATE TABLE other (a)'"),
    ],
)
def test_permanent_failures_are_not_retried(machine: Machine, status: int, cause: str) -> None:
    """Each by a cause of its own; one attempt, one alert."""
    fail_fast(machine)
    machine.run(cause)
    assert machine.status(START) == 1
    assert machine.finished() == "failed"
    assert machine.show(SERVICE, "ExecMainStatus") == str(status)
    assert machine.events() == ["failed"]
    machine.until(lambda: machine.journal(ALERT))
    assert len(machine.journal(ALERT)) == 1


@pytest.mark.parametrize(
    ("status", "attempts"), [(69, 6), (74, 6), (75, 6), (70, 1), (203, 1), (226, 1), (243, 1)]
)
def test_systemd_sorts_the_exit_statuses(machine: Machine, status: int, attempts: int) -> None:
    """Those that have no cause a test could make, by a program that only exits."""
    machine.drop_in(
        "[Service]\nRestartSec=100ms\nExecStart=\n"
        f'ExecStart=/bin/sh -c "echo attempt; exit {status}"\n'
    )
    assert machine.status(START) == 1
    assert machine.finished() == "failed"
    lines = machine.journal(f"--unit={SERVICE}", "--identifier=geocache-cleanup")
    assert [line["MESSAGE"] for line in lines] == ["attempt"] * attempts


@pytest.mark.parametrize("stale", [0, 1])
def test_starting_by_hand_is_never_refused(machine: Machine, stale: int) -> None:
    """Only failing runs count against the limit, so ten in a row are as good as five."""
    for _ in range(10):
        machine.fill(stale, 1)
        machine.run(START)
    assert machine.events() == ["ran"] * 10


MISSING = "/opt/missing"


@pytest.mark.parametrize(
    ("status", "cause", "repair"),
    [
        (2, f"echo GEOCACHE_CLEANUP_RETENTION_DAYS=soon >{SETTINGS}", f": >{SETTINGS}"),
        (66, ABSENT, f": >{SETTINGS}"),
        (217, "echo User=ghost", "useradd --system ghost"),
        (226, f"echo ReadWritePaths={MISSING}", f"mkdir {MISSING}"),
    ],
)
def test_twenty_failing_starts_are_not_refused(
    machine: Machine, status: int, cause: str, repair: str
) -> None:
    """Each is what it was before, with an alert; and as soon as it is repaired, it works."""
    fail_fast(machine)
    machine.drop_in(f"[Service]\n{machine.run(cause)}", name="cause")
    for _ in range(20):
        assert machine.status(START) == 1
        assert machine.show(SERVICE, "ActiveState") == "failed"
        assert machine.show(SERVICE, "Result") == "exit-code"
        assert machine.show(SERVICE, "ExecMainStatus") == str(status)
    assert SERVICE in machine.run("systemctl --failed --no-legend")
    machine.until(lambda: len(machine.journal(ALERT)) == 20)
    assert all(f"exit-code {status}" in alert["MESSAGE"] for alert in machine.journal(ALERT))
    machine.run(repair)
    try:
        machine.run(START)
        assert machine.show(SERVICE, "Result") == "success"
    finally:
        machine.run(f"rm -rf {MISSING}; ! getent passwd ghost >/dev/null || userdel ghost")


def test_failures_of_both_kinds(machine: Machine) -> None:
    """After retries in vain a start is refused; a permanent failure between starts anew."""
    program = "[Service]\nRestartSec=100ms\nExecStart=\nExecStart=/bin/sh /opt/exit.sh\n"
    machine.drop_in(program)
    machine.write("/opt/exit.sh", "echo attempt\nexit 78\n")
    assert machine.status(START) == 1
    machine.write("/opt/exit.sh", "echo attempt\nexit 75\n")
    assert machine.status(START) == 1
    assert machine.finished() == "failed"
    for _ in range(2):
        assert machine.status(START) == 1
        assert machine.finished() == "failed"
    lines = machine.journal(f"--unit={SERVICE}", "--identifier=geocache-cleanup")
    assert [line["MESSAGE"] for line in lines] == ["attempt"] * 7
    machine.write("/opt/exit.sh", "exit 0\n")
    assert machine.status(START) == 1
    machine.run(f"systemctl reset-failed {SERVICE}; {START}")


def test_the_journal_says_nothing_but_what_matters(machine: Machine) -> None:
    """A reload and a run: no unknown key, no absent credential, none of the unit before it."""
    machine.run("systemctl daemon-reload")
    machine.run(START)
    messages = {entry["MESSAGE"] for entry in machine.journal()}
    odd = ("Unknown", "inherited credential", "start-limit", "generator")
    assert not [message for message in messages if any(word in message for word in odd)]
    assert any(message.startswith("Finished geocache-cleanup") for message in messages)


def test_the_status_shows_what_a_long_run_does(machine: Machine) -> None:
    """While it waits for a lock, say."""
    machine.fill(stale=1, fresh=1)
    with machine.locked():
        machine.begin()
        shown = machine.call("systemctl status geocache-cleanup.service").stdout
    assert "Status: " in shown
    assert "geo_cache" in shown.partition("Status: ")[2].splitlines()[0]
    assert machine.finished() == "inactive"
    assert machine.rows() == 1


def test_a_raised_timeout_extends_the_start_timeout(machine: Machine) -> None:
    """A run longer than TimeoutStartSec= is let alone if its own timeout is longer."""
    machine.fill(stale=1, fresh=1)
    machine.drop_in("[Service]\nTimeoutStartSec=8s\n")
    machine.configure(timeout=120)
    with machine.locked():
        machine.run(f"{START} --no-block")
        machine.run("sleep 11")
        assert machine.show(SERVICE, "ActiveState") == "activating"
    assert machine.finished() == "inactive"
    assert machine.show(SERVICE, "Result") == "success"
    assert machine.rows() == 1


def test_a_hung_run_is_ended(machine: Machine) -> None:
    """The counterpart: a program that asks for nothing is ended at the start timeout."""
    machine.drop_in(
        "[Service]\nTimeoutStartSec=1s\nRestart=no\nExecStart=\nExecStart=/usr/bin/sleep 60\n"
    )
    assert machine.status(START) == 1
    assert machine.show(SERVICE, "Result") == "timeout"


def test_stopping_a_run_leaves_no_failed_unit(machine: Machine) -> None:
    """And the table as it was."""
    machine.fill(stale=1, fresh=1)
    with machine.locked():
        machine.begin()
        machine.run(f"systemctl stop {SERVICE}")
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    assert machine.show(SERVICE, "Result") == "success"
    assert machine.events() == ["interrupted"]
    assert machine.rows() == 2


def test_stopping_before_python_listens_is_no_failure(machine: Machine) -> None:
    """The default action of SIGTERM counts as success."""
    machine.drop_in("[Service]\nExecStart=\nExecStart=/usr/bin/sleep 60\n")
    machine.run(f"{START} --no-block; sleep 0.5; systemctl stop {SERVICE}")
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    assert machine.show(SERVICE, "Result") == "success"


def test_instances_have_databases_of_their_own(machine: Machine) -> None:
    """Two with settings, one of them by credential, and one without is skipped."""
    for name in ("eu", "us"):
        machine.run(f"install -d -o geocache-cleanup {STATE}/{name}")
        machine.fill(2, 1, f"{STATE}/{name}/cache.db")
    url = f"sqlite:///{STATE}/{{}}/cache.db\n".format
    machine.write(
        "/etc/geocache-cleanup/eu.env", "GEOCACHE_CLEANUP_DATABASE_URL=" + url("eu"), 0o600
    )
    machine.write("/etc/geocache-cleanup/us.env", "GEOCACHE_CLEANUP_TIMEOUT=30\n", 0o600)
    machine.write("/etc/credstore/geocache-cleanup.us.database-url", url("us"), 0o600)
    machine.run("systemctl start geocache-cleanup@eu geocache-cleanup@us geocache-cleanup@none")
    for name in ("eu", "us"):
        assert machine.rows(f"{STATE}/{name}/cache.db") == 1
        (entry,) = machine.journal(
            "GEOCACHE_CLEANUP_EVENT=geo_cache_cleanup_ran", f"GEOCACHE_CLEANUP_INSTANCE={name}"
        )
        assert entry["_SYSTEMD_UNIT"] == f"geocache-cleanup@{name}.service"
    assert machine.show("geocache-cleanup@none.service", "ConditionResult") == "no"
    assert machine.show("geocache-cleanup@none.service", "ActiveState") == "inactive"


CONNECT = "import socket; socket.create_connection(('127.0.0.1', 5433), 5)"


def test_the_network_is_closed_but_for_the_drop_in(machine: Machine) -> None:
    """A server over TCP is reached with the shipped example, and not without it."""
    machine.run(
        "systemd-run --quiet --collect --unit=holder python3 -m http.server --bind 127.0.0.1 5433"
    )
    machine.write("/opt/connect.py", CONNECT)
    machine.until(lambda: machine.status("python3 /opt/connect.py") == 0)
    program = "[Service]\nRestart=no\nExecStart=\nExecStart=/usr/bin/python3 /opt/connect.py\n"
    machine.drop_in(program)
    assert machine.status(START) == 1
    machine.use_example("network")
    machine.run(START)
    machine.run("systemctl stop holder.service")
