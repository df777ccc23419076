"""What status says of services in every state, by a real systemd and its journal."""

import json
from typing import Any

import pytest

from helpers.system.machine import SERVICE, START, Machine

pytestmark = pytest.mark.system

STATUS = "geocache-cleanup status"
EU = "/var/lib/geocache-cleanup/eu/geo_cache.db"


@pytest.fixture
def machine(machine: Machine) -> Machine:
    """Return a release whose journal knows of no run."""
    machine.run("journalctl --rotate; journalctl --vacuum-time=1s; sleep 1.1")
    machine.run("journalctl --rotate; journalctl --vacuum-time=1s")
    return machine


def status(machine: Machine, expected: int, *options: str) -> dict[str, Any]:
    """Return the document, once the exit status is as expected and the text says the same."""
    done = machine.call(" ".join([STATUS, "--json", *options]))
    assert done.returncode == expected, done.stdout
    document: dict[str, Any] = json.loads(done.stdout)
    text = machine.call(" ".join([STATUS, *options])).stdout
    assert text.startswith(document["summary"])
    assert max(map(len, text.splitlines())) <= 80
    assert all(service["result"].partition(" (")[0] in text for service in document["services"])
    return document


def test_a_success(machine: Machine) -> None:
    """What it deleted, when it was and will be."""
    machine.fill(stale=3, fresh=1)
    machine.run(START)
    document = status(machine, 0)
    (service,) = document["services"]
    assert document["summary"].startswith("OK - ")
    assert (service["unit"], service["result"], service["deleted"]) == (SERVICE, "ok", 3)
    assert service["last_run"] <= service["last_success"] <= service["next"]
    assert "| deleted=3 age=" in machine.run(STATUS).splitlines()[0]


def test_a_success_that_is_not_logged(machine: Machine) -> None:
    """Below the level of the log systemd still knows of it."""
    machine.fill(stale=0, fresh=1)
    machine.configure(log_level="info")
    machine.run(START)
    (service,) = status(machine, 0)["services"]
    assert (service["result"], service["deleted"]) == ("ok", None)


def test_a_failure_and_the_success_after_it(machine: Machine) -> None:
    """With the reason and how it ended; the next success makes all well."""
    machine.configure(database_url="sqlite:////nowhere.db")
    machine.run(f"{START} || true")
    document = status(machine, 2)
    (service,) = document["services"]
    assert (service["result"], service["exit_status"]) == ("failed", 66)
    assert "there is no database" in service["reason"]
    assert document["summary"] == "CRITICAL - geocache-cleanup: failed"
    assert service["deleted"] == 0
    machine.configure()
    machine.fill(stale=1, fresh=1)
    machine.run(START)
    assert status(machine, 0)["services"][0]["reason"] is None


def test_what_ends_without_an_event(machine: Machine) -> None:
    """A unit that cannot be set up."""
    machine.drop_in("[Service]\nReadWritePaths=/var/lib/missing\n")
    machine.run(f"{START} || true")
    (service,) = status(machine, 2)["services"]
    assert (service["result"], service["exit_status"]) == ("failed", 226)
    assert service["reason"] == "systemd could not set it up"


def test_what_ends_without_an_event_after_others(machine: Machine) -> None:
    """Neither the reason nor the rows of the run before it are told for its own."""
    machine.fill(stale=3, fresh=1)
    machine.run(START)
    machine.configure(database_url="sqlite:////nowhere.db")
    machine.run(f"{START} || true; sleep 1.1")
    machine.configure()
    machine.drop_in("[Service]\nRestart=no\n")
    with machine.locked():
        machine.begin()
        machine.run(f"systemctl kill --signal=KILL {SERVICE}")
        machine.until(lambda: machine.show(SERVICE, "ActiveState") == "failed")
    (service,) = status(machine, 2)["services"]
    assert (service["result"], service["exit_status"]) == ("failed (signal)", None)
    assert (service["reason"], service["deleted"]) == ("ended by signal 9", None)
    assert "then systemctl reset-failed" in " ".join(machine.call(STATUS).stdout.split())


def test_a_retry(machine: Machine) -> None:
    """Between two attempts."""
    machine.fill(stale=1, fresh=1)
    machine.configure(timeout=1)
    with machine.locked():
        machine.run(f"systemctl start --no-block {SERVICE}")
        machine.until(lambda: machine.show(SERVICE, "SubState") == "auto-restart")
        (service,) = status(machine, 1)["services"]
        assert (service["result"], service["exit_status"]) == ("retrying", 75)
        assert "systemd tries again" in machine.call(STATUS).stdout
    machine.run(f"systemctl stop {SERVICE}")


def test_a_service_that_is_late(machine: Machine) -> None:
    """By --max-age, in hours."""
    machine.fill(stale=1, fresh=1)
    machine.run(f"{START}; sleep 2")
    assert status(machine, 2, "--max-age=0.0005")["services"][0]["result"] == "overdue"
    status(machine, 0, "--max-age=1")


def test_instances(machine: Machine) -> None:
    """All at a glance, each with its own; the worst of them decides."""
    machine.run("install -d -o geocache-cleanup /var/lib/geocache-cleanup/eu")
    machine.fill(stale=2, fresh=1, database=EU)
    for name, path in (("eu", EU), ("a-name-of-some-length-to-make-the-line-long", "/nowhere.db")):
        machine.write(
            f"/etc/geocache-cleanup/{name}.env", f"GEOCACHE_CLEANUP_DATABASE_URL=sqlite:///{path}\n"
        )
        machine.run(f"systemctl start geocache-cleanup@{name} || true")
    document = status(machine, 2)
    results = {service["unit"]: service["result"] for service in document["services"]}
    assert list(results.values())[1:] == ["failed", "ok"]
    (service,) = status(machine, 0, "--instance=eu")["services"]
    assert service["deleted"] == 2


def test_a_user_who_may_not_read_the_journal(machine: Machine) -> None:
    """Systemd tells how the last run since the boot ended."""
    machine.fill(stale=1, fresh=1)
    machine.run(START)
    assert machine.run(f"runuser -u nobody -- {STATUS}").startswith("OK - geocache-cleanup: ok")


def test_no_run_so_far(machine: Machine) -> None:
    """Of an instance that is only just being set up."""
    machine.write("/etc/geocache-cleanup/new.env", "GEOCACHE_CLEANUP_TIMEOUT=3\n")
    document = status(machine, 1, "--instance=new")
    assert document["summary"] == "WARNING - geocache-cleanup@new: never ran"
    assert document["services"][0]["last_run"] is None
