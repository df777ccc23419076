"""From the first install to the last trace; these tests build on each other, in this order."""

import pytest

from helpers.system.machine import SERVICE, START, Machine

pytestmark = pytest.mark.system

TIMER = "geocache-cleanup.timer"
RAN = "GEOCACHE_CLEANUP_EVENT=geo_cache_cleanup_ran"
INSTALL = "apt-get install --yes --allow-downgrades -o Dpkg::Options::=--force-confold /opt/{}.deb"
OLD, NEW = INSTALL.format(0), INSTALL.format(1)
TRACES = (
    "find / -xdev ( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /opt"
    " -o -path /var/log ) -prune -o ( -iname '*geocache*' -o -iname '*geo_cache*' ) -print"
).replace("(", "\\(").replace(")", "\\)")  # fmt: skip


def timer_state(machine: Machine, timer: str = TIMER) -> tuple[str, str]:
    """Return whether a timer is enabled, and whether it waits."""
    return machine.show(timer, "UnitFileState"), machine.show(timer, "ActiveState")


def starts(machine: Machine) -> int:
    """Count how often systemd has started the service since the mark."""
    entries = machine.journal(f"_SYSTEMD_UNIT={SERVICE}")
    return len({entry["_SYSTEMD_INVOCATION_ID"] for entry in entries})


def test_installing_arms_the_timer_and_starts_nothing(fresh: Machine) -> None:
    """No run, no failed unit, a user, a directory of its own."""
    fresh.run(OLD)
    assert timer_state(fresh) == ("enabled", "active")
    assert fresh.show(SERVICE, "UnitFileState") == "static"
    assert starts(fresh) == 0
    assert fresh.run("systemctl --failed --no-legend") == ""
    state = fresh.run("stat --format='%U %G %a' /var/lib/geocache-cleanup").split()
    assert state == ["geocache-cleanup", "geocache-cleanup", "750"]


def test_starting_it_unconfigured_succeeds(fresh: Machine) -> None:
    """With one event that says what to set."""
    fresh.run(START)
    assert fresh.events() == ["skipped"]


def test_the_timer_fires_by_itself(fresh: Machine) -> None:
    """The installed timer, with nothing changed but the hour."""
    fresh.fill(stale=2, fresh=1)
    fresh.drop_in(
        "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0\nAccuracySec=1ms\n", TIMER
    )
    fresh.run(f"systemctl restart {TIMER}")
    fresh.until(lambda: len(fresh.journal(RAN)) >= 2)
    fresh.run(f"rm -r /etc/systemd/system/{TIMER}.d; systemctl daemon-reload")
    fresh.run(f"systemctl restart {TIMER}")
    assert fresh.finished() == "inactive"
    assert fresh.rows() == 1
    assert fresh.show(SERVICE, "TriggeredBy") == TIMER


def test_a_missed_run_is_made_up_for(fresh: Machine) -> None:
    """After two days without power, within the hour over which the hosts are spread."""
    fresh.run(
        f"systemctl stop {TIMER}; touch -d '2 days ago' /var/lib/systemd/timers/stamp-{TIMER};"
        f"systemctl start {TIMER}"
    )
    left = fresh.run(f'echo $(($(date -d "$(systemctl show -p NextElapseUSecRealtime --value'
                     f' {TIMER})" +%s) - $(date +%s)))')  # fmt: skip
    assert int(left) <= 3600
    fresh.run(f"systemctl stop {TIMER}; rm /var/lib/systemd/timers/stamp-{TIMER}")
    fresh.run(f"systemctl start {TIMER}")


def test_an_upgrade_lets_a_run_finish(fresh: Machine) -> None:
    """It neither waits for the run nor ends it nor starts another one."""
    fresh.fill(stale=2, fresh=1)
    with fresh.locked():
        fresh.mark()
        fresh.begin()
        process = fresh.show(SERVICE, "MainPID")
        fresh.run(NEW)
        assert fresh.run("dpkg-query -W -f '${Version}' geocache-cleanup").startswith("9999:")
        assert fresh.show(SERVICE, "MainPID") == process
        assert fresh.show(SERVICE, "ActiveState") == "activating"
    assert fresh.finished() == "inactive"
    assert fresh.rows() == 1
    assert starts(fresh) == 1
    assert timer_state(fresh) == ("enabled", "active")


def test_changed_settings_survive_an_upgrade(fresh: Machine) -> None:
    """As a configuration file, without a question where nothing changed upstream."""
    fresh.run(OLD)
    fresh.configure(retention_days=30)
    before = fresh.run("cat /etc/default/geocache-cleanup")
    fresh.run("apt-get install --yes /opt/1.deb")
    assert fresh.run("cat /etc/default/geocache-cleanup") == before


def test_a_disabled_timer_survives_an_upgrade(fresh: Machine) -> None:
    """What an administrator has paused stays paused."""
    fresh.run(OLD)
    fresh.run(f"systemctl disable --now {TIMER}")
    fresh.run(NEW)
    assert timer_state(fresh) == ("disabled", "inactive")
    assert starts(fresh) == 1
    fresh.run(f"systemctl enable --now {TIMER}")


def test_removing_ends_runs_and_timers_and_keeps_the_data(fresh: Machine) -> None:
    """Those of instances as well; the run that is stopped rolls back, and no failure is left."""
    database = "/var/lib/geocache-cleanup/eu/cache.db"
    settings = f"GEOCACHE_CLEANUP_DATABASE_URL=sqlite:///{database}\n"
    fresh.write("/etc/geocache-cleanup/eu.env", settings, 0o600)
    fresh.run("systemctl enable --now geocache-cleanup@eu.timer geocache-cleanup@us.timer")
    fresh.run("systemctl disable --now geocache-cleanup@us.timer")
    fresh.run("install -d -o geocache-cleanup -g geocache-cleanup /var/lib/geocache-cleanup/eu")
    fresh.fill(2, 1, database)
    fresh.write("/etc/geocache-cleanup/us.env", "GEOCACHE_CLEANUP_TIMEOUT=soon\n", 0o600)
    assert fresh.status("systemctl start geocache-cleanup@us.service") == 1
    with fresh.locked(database):
        fresh.mark()
        fresh.begin("geocache-cleanup@eu.service")
        fresh.run("apt-get remove --yes geocache-cleanup")
    active = "systemctl list-units --state=active,activating,failed --no-legend"
    assert fresh.run(f"{active} 'geocache*.service' 'geocache*.timer'") == ""
    assert fresh.run("systemctl is-system-running") == "running\n"
    assert fresh.run("find /run/systemd/generator* -name '*geocache*'") == ""
    # Else a new installation would make up for the runs of the time between.
    assert fresh.run("find /var/lib/systemd/timers -name '*geocache*'") == ""
    assert fresh.rows(database) == 3
    assert fresh.status("test -e /etc/default/geocache-cleanup") == 0
    assert fresh.status("command -v geocache-cleanup") != 0


def test_installing_again_after_removal_goes_on(fresh: Machine) -> None:
    """With the settings, the data and the timers that were there; one that was disabled is not."""
    fresh.fill(stale=2, fresh=1)
    fresh.run(OLD)
    assert timer_state(fresh) == ("enabled", "active")
    assert timer_state(fresh, "geocache-cleanup@eu.timer") == ("enabled", "active")
    assert timer_state(fresh, "geocache-cleanup@us.timer") == ("disabled", "inactive")
    assert fresh.show("geocache-cleanup@eu.timer", "NextElapseUSecRealtime")
    assert fresh.run("systemctl is-system-running") == "running\n"
    fresh.run(START)
    assert fresh.rows() == 1


def test_purging_leaves_no_trace(fresh: Machine) -> None:
    """Timer stamps, links of instances and secrets included; only the user stays."""
    fresh.write("/etc/credstore/geocache-cleanup.database-url", "sqlite:////x.db\n", 0o600)
    fresh.write("/etc/credstore/geocache-cleanup.eu.database-url", "sqlite:////x.db\n", 0o600)
    for name in ("geocache-cleanup", "geocache-cleanup@eu"):
        fresh.write(f"/etc/credstore/{name}.ping-url", "http://ping.example/\n", 0o600)
    fresh.run("systemctl enable --now geocache-cleanup@eu.timer")
    assert "stamp-geocache-cleanup.timer" in fresh.run(TRACES)
    fresh.run("apt-get purge --yes geocache-cleanup")
    assert fresh.run(TRACES) == ""
    assert fresh.run("systemctl list-units --all --no-legend 'geocache*.service'") == ""
    assert fresh.run("journalctl --list-catalog | grep -c geocache || true").strip() == "0"
    fresh.run("getent passwd geocache-cleanup")


def test_installing_again_after_purge_is_a_fresh_install(fresh: Machine) -> None:
    """Enabled, and unconfigured."""
    fresh.run(OLD)
    assert timer_state(fresh) == ("enabled", "active")
    fresh.mark()
    fresh.run(START)
    assert fresh.events() == ["skipped"]
