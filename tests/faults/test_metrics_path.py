"""A metrics file that is something else, the database above all: refused, and left as it is."""

import os
from pathlib import Path

import pytest

from faults.processes import Nurseries, Outcome, arguments
from faults.world import World, one_event, verify

# Beside the database: itself, what SQLite makes there, links, what is no file, or in no directory.
REFUSED = (
    *("geo.db", "geo.db-wal", "geo.db-shm", "geo.db-journal", "link", "hard"),
    *("directory", "to-directory", ".", "absent/x.prom", "geo.db/x.prom"),
)
# A link to nothing is followed, one to itself replaced.
TAKEN = ("geo.prom", "empty", "dangling", "loop", "a b'\";#%&$`\\\n\t\u2603", "-", "--table")


def furnish(place: Path) -> None:
    """Put what may be named beside the database."""
    (place / "directory").mkdir()
    (place / "empty").touch()
    os.link(place / "geo.db", place / "hard")
    (place / "link").symlink_to("geo.db")
    (place / "to-directory").symlink_to("directory")
    (place / "dangling").symlink_to("nothing.prom")
    (place / "loop").symlink_to("loop")


def run(nurseries: Nurseries, path: Path, name: str) -> Outcome:
    """Run with the metrics beside the database."""
    with nurseries.one() as (nursery, _):
        return nursery.run(
            *arguments(path, "--reclaim=yes", f"--metrics-file={path.parent}/{name}")
        )


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_metrics_file(
    nurseries: Nurseries, world: World, tmp_path: Path, name: str
) -> None:
    """Refused before the run, in which case nothing at all changes."""
    path = world.copy(tmp_path)
    furnish(tmp_path)
    names = sorted(os.listdir(tmp_path))
    outcome = run(nurseries, path, name)
    assert one_event(outcome)["exit_status"] == 78, outcome
    assert "metrics" in outcome.last["reason"]
    assert sorted(os.listdir(tmp_path)) == names
    assert path.read_bytes() == world.template.read_bytes()
    assert verify(world, path, outcome) == 0


@pytest.mark.parametrize("name", TAKEN)
def test_awkward_names(nurseries: Nurseries, world: World, tmp_path: Path, name: str) -> None:
    """They are names of files."""
    path = world.copy(tmp_path)
    furnish(tmp_path)
    outcome = run(nurseries, path, name)
    assert "metrics_problem" not in outcome.events[1], outcome
    assert (tmp_path / name).read_text().startswith("# HELP geocache_cleanup_")
    assert verify(world, path, outcome) == world.stale


def test_a_name_that_is_too_long(nurseries: Nurseries, world: World, tmp_path: Path) -> None:
    """It is noticed when the file is written: the run is done, and no other file is left."""
    path = world.copy(tmp_path)
    outcome = run(nurseries, path, "x" * 256)
    assert "metrics_problem" in outcome.events[1], outcome
    assert not list(tmp_path.glob(".geocache*"))
    assert verify(world, path, outcome) == world.stale
