"""A metrics file that is something else, the database above all: refused, and left as it is."""

import os
from pathlib import Path

import pytest

from helpers.faults.hostile_input import REFUSED, TAKEN, furnish
from helpers.faults.runs import ForkServers, Outcome, arguments
from helpers.faults.template import DatabaseTemplate, one_event, verify


def run(fork_servers: ForkServers, path: Path, name: str) -> Outcome:
    """Run with the metrics beside the database."""
    with fork_servers.one() as (fork_server, _):
        return fork_server.run(
            *arguments(path, "--reclaim=yes", f"--metrics-file={path.parent}/{name}")
        )


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_metrics_file(
    fork_servers: ForkServers, template: DatabaseTemplate, tmp_path: Path, name: str
) -> None:
    """Refused before the run, in which case nothing at all changes."""
    path = template.copy(tmp_path)
    furnish(tmp_path)
    names = sorted(os.listdir(tmp_path))
    outcome = run(fork_servers, path, name)
    assert one_event(outcome)["exit_status"] == 78, outcome
    assert "metrics" in outcome.last["reason"]
    assert sorted(os.listdir(tmp_path)) == names
    assert path.read_bytes() == template.path.read_bytes()
    assert verify(template, path, outcome) == 0


@pytest.mark.parametrize("name", TAKEN)
def test_awkward_names(
    fork_servers: ForkServers, template: DatabaseTemplate, tmp_path: Path, name: str
) -> None:
    """They are names of files."""
    path = template.copy(tmp_path)
    furnish(tmp_path)
    outcome = run(fork_servers, path, name)
    assert "metrics_problem" not in outcome.events[1], outcome
    assert (tmp_path / name).read_text().startswith("# HELP geocache_cleanup_")
    assert verify(template, path, outcome) == template.stale
