"""The units as systemd reads them."""

import configparser
import re
from pathlib import Path

import pytest

from helpers.system.machine import Machine

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
SERVICES = ["geocache-cleanup.service", "geocache-cleanup@.service"]
TIMERS = ["geocache-cleanup.timer", "geocache-cleanup@.timer"]
NAMES = sorted(path.name for path in UNITS.iterdir())


def lines_of(name: str) -> set[str]:
    """Return the settings of a unit, without its comments."""
    lines = (UNITS / name).read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def test_the_instance_is_the_service_but_for_its_files() -> None:
    """The sandbox stands in two files; whoever changes one of them learns of the other."""
    plain, instance = map(lines_of, SERVICES)
    keys = {line.partition("=")[0] for line in plain ^ instance}
    assert keys == {
        *("Description", "ConditionPathExists", "EnvironmentFile", "LoadCredential"),
        *("StateDirectory", "LogExtraFields", "NoExecPaths"),
    }
    state = "NoExecPaths=-/var/lib/geocache-cleanup"
    assert {line for line in plain ^ instance if "NoExec" in line} == {state, f"{state}/%i"}


def test_the_timers_differ_in_their_description_only() -> None:
    """An instance keeps the hours of the service."""
    plain, instance = map(lines_of, TIMERS)
    assert {line.partition("=")[0] for line in plain ^ instance} == {"Description"}


def test_the_retries_fit_into_the_start_limit() -> None:
    """Six runs of the longest timeout that the manual allows, and the pauses between them."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read(UNITS / SERVICES[0])
    assert parser["Unit"]["StartLimitBurst"] == "6"
    assert parser["Unit"]["StartLimitIntervalSec"] == "3h"
    assert parser["Service"]["RestartSec"] == "1min"
    assert 6 * 25 + 5 * 1 < 3 * 60
    manual = (UNITS.parent / "man" / "geocache-cleanup.8").read_text()
    assert "timeout above 25 minutes" in manual


@pytest.mark.system
@pytest.mark.parametrize("name", NAMES)
def test_verify_finds_nothing(installed: Machine, name: str) -> None:
    """Verify exits 0 even for unknown settings, so it is its words that count."""
    path = f"/usr/lib/systemd/system/{name}"
    assert installed.run(f"systemd-analyze verify {path}") == ""
    assert installed.run(f"systemd-analyze verify --generators=yes {path}") == ""


@pytest.mark.system
@pytest.mark.parametrize("name", SERVICES)
def test_restarts_are_direct_where_systemd_knows_it(machine: Machine, name: str) -> None:
    """By the generator's drop-in, over which one of the administrator counts."""
    unit = name.replace("@.", "@eu.")
    if machine.systemd < 254:
        assert machine.show(unit, "DropInPaths") == ""
        return
    assert machine.show(unit, "RestartMode") == "direct"
    machine.drop_in("[Service]\nRestartMode=normal\n", name)
    assert machine.show(unit, "RestartMode") == "normal"


GENERATOR = "/usr/lib/systemd/system-generators/geocache-cleanup-generator"


@pytest.mark.system
@pytest.mark.parametrize(
    ("answer", "files"),
    [
        ("echo systemd 253.1", 0),
        ("echo 'systemd 260~rc1 (260)'", 2),
        ("echo what", 0),
        ("exit 1", 0),
    ],
)
def test_the_generator_keeps_quiet(installed: Machine, answer: str, files: int) -> None:
    """Whatever the version of systemd, and if it is not to be found out."""
    installed.write("/opt/bin/systemctl", f"#!/bin/sh\n{answer}\n", 0o755)
    installed.run("rm -rf /opt/out; mkdir /opt/out")
    assert installed.run(f"PATH=/opt/bin:$PATH {GENERATOR} /opt/out /opt/out /opt/out") == ""
    assert len(installed.run("find /opt/out -type f").split()) == files
    assert installed.run(f"PATH=/opt/bin:$PATH {GENERATOR} /proc/no") == ""


@pytest.mark.system
@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    ("example", "tenths"),
    [(None, 2), ("other-sqlite", 2), ("metrics", 2), ("network", 10)],
    ids=str,
)
def test_the_exposure_is_low(machine: Machine, name: str, example: str | None, tenths: int) -> None:
    """The limits of the requirement; the networked example is scored with every address allowed."""
    unit = name.replace("@.", "@eu.")
    if example:
        machine.run("getent passwd geoapp || useradd --system --user-group geoapp")
        machine.use_example(example, name)
        machine.run(
            f"sed -i s/^#IPAddressAllow=any/IPAddressAllow=any/ /etc/systemd/system/{name}.d/*"
        )
        machine.run("systemctl daemon-reload")
    report = machine.run(f"systemd-analyze security --no-pager {unit}")
    found = re.search(r"Overall exposure level for .*: ([0-9.]+) ", report)
    assert found, report
    assert float(found[1]) == tenths / 10


@pytest.mark.system
def test_only_three_lines_of_the_sandbox_are_open(machine: Machine) -> None:
    """The total is rounded, which hides single tenths: so look at the lines themselves."""
    report = machine.run("systemd-analyze security --no-pager geocache-cleanup.service")
    open_lines = re.findall(r"^✗ (\S+)", report, flags=re.MULTILINE)
    assert sorted(open_lines) == [
        *("DeviceAllow=", "RestrictAddressFamilies=~AF_UNIX", "RootDirectory=/RootImage="),
    ]


@pytest.mark.system
def test_the_unit_that_runs_before_has_little_to_do_it_with(machine: Machine) -> None:
    """Of root it keeps the name: only that may reset the counter of another unit."""
    unit = "geocache-cleanup-start-limit@geocache-cleanup.service"
    report = machine.run(f"systemd-analyze security --no-pager {unit}")
    assert float(report.partition(f"for {unit}: ")[2].split()[0]) <= 0.7


@pytest.mark.system
def test_limits_and_weights_hold(machine: Machine) -> None:
    """As systemd has understood them."""
    properties = {
        "Type": "oneshot",
        "User": "geocache-cleanup",
        "TimeoutStartUSec": "2min",
        "TimeoutStopUSec": "30s",
        "MemoryMax": str(512 * 2**20),
        "TasksMax": "16",
        "CPUWeight": "20",
        "IOWeight": "20",
        "Nice": "10",
        "Restart": "on-failure",
    }
    shown = {name: machine.show("geocache-cleanup.service", name) for name in properties}
    assert shown == properties


@pytest.mark.system
def test_the_timer_is_daily_persistent_and_spread(machine: Machine) -> None:
    """04:30, and the same minute of the hour after it for ever."""
    unit = "geocache-cleanup.timer"
    assert "OnCalendar=*-*-* 04:30:00" in machine.show(unit, "TimersCalendar")
    assert machine.show(unit, "RandomizedDelayUSec") == "1h"
    assert machine.show(unit, "FixedRandomDelay") == "yes"
    assert machine.show(unit, "Persistent") == "yes"
    before = machine.show(unit, "NextElapseUSecRealtime")
    assert re.search(r" 0(4:[345]|5:[012])\d:", before)
    machine.run(f"systemctl daemon-reload; systemctl restart {unit}")
    assert machine.show(unit, "NextElapseUSecRealtime") == before


@pytest.mark.system
def test_the_timer_may_be_restarted_often(machine: Machine) -> None:
    """As by several upgrades in a row."""
    for _ in range(8):
        machine.run("systemctl restart geocache-cleanup.timer")
    assert machine.show("geocache-cleanup.timer", "ActiveState") == "active"
