"""The dead-man's switch of the examples, with a server that remembers what it is asked."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.host import CACHE, cache_lock, call
from helpers.system.container import NSPAWN
from helpers.system.machine import EXAMPLES, SERVICE, START, Machine
from helpers.system.roots import overlay, release_root

pytestmark = pytest.mark.system

PING = "geocache-cleanup-ping@{}.service"
CREDENTIAL = "/etc/credstore/{}.ping-url"
SERVER = """
import http.server, pathlib

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("/opt/pings", "a") as pings:
            pings.write(self.path + "\\n")
        down = pathlib.Path("/opt/down")
        self.send_response(503 if down.exists() else 200)
        down.unlink(missing_ok=True)
        self.end_headers()

    def log_message(self, *arguments):
        pass

http.server.HTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""


def packages(release: str, scratch: Path) -> Path:
    """Return the packages of curl, which the containers lack and cannot download."""
    base = release_root(release)
    target, partial = CACHE / f"curl-{release}", CACHE / f"curl-{release}-partial"
    with cache_lock():
        if not target.exists():
            with overlay(base, scratch) as root:
                command = "apt-get update && apt-get install --yes --download-only curl"
                network = [option for option in NSPAWN if option != "--private-network"]
                call(*network, "--pipe", f"--directory={root}", "sh", "-c", command)
                shutil.rmtree(partial, ignore_errors=True)
                shutil.copytree(root / "var/cache/apt/archives", partial)
                partial.rename(target)
    return target


@pytest.fixture
def pinging(machine: Machine, tmp_path: Path) -> Iterator[Machine]:
    """Return a machine with the two files of the examples, and a server to ping."""
    if machine.status("command -v curl") != 0:
        debs = packages(machine.release, tmp_path)
        shutil.copytree(debs, machine.root / "opt" / "curl")
        machine.run("dpkg --install /opt/curl/*.deb")
    machine.write("/opt/server.py", SERVER)
    machine.run(
        "rm -f /opt/pings /opt/down;"
        " systemd-run --quiet --collect --unit=pinged python3 /opt/server.py;"
        f"cp {EXAMPLES}/geocache-cleanup-ping@.service /etc/systemd/system/"
    )
    machine.until(lambda: machine.status("bash -c '</dev/tcp/127.0.0.1/8000'") == 0)
    machine.use_example("ping")
    machine.use_example("ping", "geocache-cleanup@.service")
    for name in ("geocache-cleanup", "geocache-cleanup@eu"):
        machine.write(CREDENTIAL.format(name), f"http://127.0.0.1:8000/{name}?s=1\n", 0o600)
    yield machine
    machine.run("systemctl stop pinged.service 'geocache-cleanup-ping@*'")


def pings(machine: Machine) -> list[str]:
    """Return the paths that were requested, once no ping is under way."""
    unit = "systemctl list-units --no-legend --state=activating 'geocache-cleanup-ping@*'"
    machine.until(lambda: machine.run(f"{unit}; systemctl list-jobs --no-legend") == "")
    return machine.run("cat /opt/pings 2>/dev/null || true").split()


def test_a_success_is_pinged_once(pinging: Machine) -> None:
    """The service and an instance each have a URL, which no command line shows."""
    pinging.run(START)
    assert pings(pinging) == ["/geocache-cleanup?s=1"]
    pinging.write("/etc/geocache-cleanup/eu.env", "GEOCACHE_CLEANUP_TIMEOUT=30\n", 0o600)
    pinging.run("systemctl start geocache-cleanup@eu.service")
    assert pings(pinging) == ["/geocache-cleanup?s=1", "/geocache-cleanup@eu?s=1"]
    assert "?s=1" not in pinging.run("journalctl --boot --output=export")


def test_a_failure_is_not_pinged_nor_its_retries(pinging: Machine) -> None:
    """Once, after the retry that succeeds."""
    pinging.fill(stale=1, fresh=1)
    pinging.drop_in("[Service]\nRestartSec=1s\n")
    pinging.configure(retention_days="soon")
    assert pinging.status(START) == 1
    assert pings(pinging) == []
    pinging.configure(timeout=0.5)
    with pinging.locked():
        pinging.run(f"{START} --no-block")
        pinging.until(lambda: pinging.events().count("failed") >= 3)
        assert pinging.run("cat /opt/pings 2>/dev/null || true") == ""
        pinging.configure()
    pinging.until(lambda: "ran" in pinging.events())
    assert pinging.finished() == "inactive"
    assert pings(pinging) == ["/geocache-cleanup?s=1"]


def test_a_ping_is_tried_again(pinging: Machine) -> None:
    """Where the other side is down for a moment."""
    pinging.run(f"touch /opt/down; {START}")
    assert pings(pinging) == ["/geocache-cleanup?s=1"] * 2
    assert pinging.show(PING.format("geocache-cleanup"), "Result") == "success"


def test_a_failing_ping_fails_no_run(pinging: Machine) -> None:
    """It is a failed unit of its own."""
    unit = PING.format("geocache-cleanup")
    pinging.run(f"rm {CREDENTIAL.format('geocache-cleanup')}; {START}")
    assert pings(pinging) == []
    assert pinging.show(SERVICE, "Result") == "success"
    assert pinging.show(unit, "ActiveState") == "failed"
    pinging.run(f"rm /etc/systemd/system/{unit.replace('@geocache-cleanup', '@')}")
    pinging.run("systemctl daemon-reload; systemctl reset-failed")
    pinging.run(START)
    assert pinging.show(SERVICE, "Result") == "success"


def test_its_exposure_is_low(pinging: Machine) -> None:
    """It needs the network and nothing else, and systemd has nothing to say about it."""
    unit = PING.format("geocache-cleanup")
    report = pinging.run(f"systemd-analyze security --no-pager {unit}")
    assert float(report.partition(f"for {unit}: ")[2].split()[0]) <= 2
    assert pinging.run(f"systemd-analyze verify {unit}") == ""
