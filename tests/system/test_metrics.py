"""The metrics file as Prometheus takes it: by its own tools, and written by the service."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.documents import block
from helpers.host import PROJECT, call
from helpers.processes import wait_until
from helpers.system.machine import DATABASE, START, Machine
from helpers.system.prometheus import exporting, get

pytestmark = pytest.mark.system

DIRECTORY = "/var/lib/prometheus/node-exporter"
FILE = f"{DIRECTORY}/geocache-cleanup.prom"
RULES = PROJECT / "packaging" / "examples" / "geocache-cleanup.rules.yml"


def lint(programs: Path, text: str) -> "subprocess.CompletedProcess[str]":
    """Let promtool look at metrics."""
    return subprocess.run(
        [programs / "promtool", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_alert_rules(programs: Path, tmp_path: Path) -> None:
    """They are valid, and fire when they should, by a scenario for promtool."""
    scenario = Path(__file__).with_name("geocache-cleanup.rules.test.yml")
    for path in (RULES, scenario):
        (tmp_path / path.name).write_text(path.read_text())
    promtool = str(programs / "promtool")
    call(promtool, "check", "rules", str(RULES))
    assert "SUCCESS" in call(promtool, "test", "rules", str(tmp_path / scenario.name))
    # Every alert is part of it.
    names = [line.split()[-1] for line in RULES.read_text().splitlines() if "alert:" in line]
    assert len(names) == 6
    assert all(f"alertname: {name}\n" in scenario.read_text() for name in names)


@pytest.fixture
def reporting(machine: Machine) -> Iterator[Machine]:
    """Return a machine set up as OPERATING says, with the node exporter's directory."""
    machine.run(f"mkdir -p {DIRECTORY}")
    recipe = block("dpkg-statoverride").splitlines()
    machine.run("\n".join(recipe))
    machine.configure(metrics_file=FILE)
    machine.fill(stale=3, fresh=2)
    machine.sqlite("CREATE INDEX ix_last_seen ON geo_cache (last_seen)")
    yield machine
    machine.run(f"dpkg-statoverride --remove {DIRECTORY}; rm -r {DIRECTORY}")


def test_the_service_writes_it(reporting: Machine, programs: Path) -> None:
    """Inside its sandbox, for everybody to read, in words that promtool does not object to."""
    reporting.run(START)
    text = reporting.run(f"cat {FILE}")
    assert "last_run_deleted_rows{" in text
    assert "oldest_remaining" in text
    assert reporting.run(f"stat --format='%a %U' {FILE}") == "644 geocache-cleanup\n"
    assert reporting.run(f"ls -A {DIRECTORY}") == "geocache-cleanup.prom\n"
    checked = lint(programs, text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert lint(programs, text.replace(" gauge", " counter")).returncode != 0


def test_a_failed_run_is_in_it(reporting: Machine) -> None:
    """And keeps the time of the last success."""
    reporting.run(START)
    success = line(reporting, "last_success_timestamp_seconds")
    reporting.configure(metrics_file=FILE, time_column="nosuch")
    assert reporting.status(START) == 1
    assert line(reporting, "last_run_success").endswith(" 0.0")
    assert line(reporting, "last_run_exit_status").endswith(" 78.0")
    assert line(reporting, "last_success_timestamp_seconds") == success


def line(machine: Machine, name: str) -> str:
    """Return the one line of a metric."""
    return machine.run(f"grep '^geocache_cleanup_{name}{{' {FILE}").strip()


def test_without_the_drop_in_nothing_is_done(reporting: Machine) -> None:
    """The sandbox keeps the directory read-only: the run says so before it deletes."""
    reporting.run("rm -r /etc/systemd/system/geocache-cleanup.service.d; systemctl daemon-reload")
    assert reporting.status(START) == 1
    assert reporting.show("geocache-cleanup.service", "ExecMainStatus") == "77"
    assert reporting.rows() == 5
    (entry,) = reporting.journal("GEOCACHE_CLEANUP_EXIT_STATUS=77")
    assert "ReadWritePaths" in entry["GEOCACHE_CLEANUP_HINT"]


def test_a_file_of_root_is_in_the_way(reporting: Machine) -> None:
    """Left by a run by hand; in a sticky directory the service cannot replace it."""
    reporting.run(
        f"geocache-cleanup run --database-url=sqlite:///{DATABASE} --metrics-file={FILE}"
        " --before=2000-01-01"
    )
    assert reporting.status(START) == 1
    (entry,) = reporting.journal("GEOCACHE_CLEANUP_EXIT_STATUS=77")
    assert "remove the file" in entry["GEOCACHE_CLEANUP_HINT"]
    assert reporting.rows() == 5
    reporting.run(f"rm {FILE}; {START}")
    assert reporting.rows() == 2


def test_two_instances_do_not_clash(reporting: Machine, programs: Path, tmp_path: Path) -> None:
    """The node exporter takes the files of both."""
    reporting.run("install -d -o geocache-cleanup /var/lib/geocache-cleanup/eu")
    other = "/var/lib/geocache-cleanup/eu/cache.db"
    reporting.fill(stale=1, fresh=1, database=other)
    reporting.use_example("metrics", "geocache-cleanup@.service")
    settings = (f"DATABASE_URL=sqlite:///{other}", f"METRICS_FILE={DIRECTORY}/eu.prom")
    reporting.write(
        "/etc/geocache-cleanup/eu.env", "".join(f"GEOCACHE_CLEANUP_{line}\n" for line in settings)
    )
    reporting.run(f"{START}; systemctl start geocache-cleanup@eu.service")
    for path in (FILE, f"{DIRECTORY}/eu.prom"):
        (tmp_path / Path(path).name).write_text(reporting.run(f"cat {path}"))
    with exporting(programs, tmp_path) as address:
        wait_until("the node exporter", lambda: get(f"http://{address}/metrics"))
        text = get(f"http://{address}/metrics")
    assert "node_textfile_scrape_error 0" in text
    deleted = [line for line in text.splitlines() if "last_run_deleted_rows{" in line]
    assert sorted(line.split()[-1] for line in deleted) == ["1", "3"]
