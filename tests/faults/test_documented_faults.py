"""The table of faults in OPERATING: every row is backed by a test, named here."""

import re
from pathlib import Path

import pytest

from helpers.documents import table

_HERE = Path(__file__).parent
# From the fault, as the table names it, to the exit statuses and the test.
BACKED_BY = {
    "kill -9 of the run": ("by signal", "test_kill.py::test_kill_at_any_moment"),
    "kill -9 between two writes to the disk": (
        "by signal",
        "test_failing_io.py::test_death_at_each_change",
    ),
    "The power fails": ("none", "test_power_cut.py::test_at_any_moment"),
    "kill -9 of a run on a server": ("by signal", "test_kill_servers.py::test_kill_at_any_moment"),
    "The server dies under the run": (
        "69",
        "test_kill_servers.py::test_a_server_killed_at_any_moment",
    ),
    "The disk is full": ("74", "test_full_disks.py::test_a_disk_that_fills_up_at_each_stage"),
    "The disk has no inodes": ("74", "test_full_disks.py::test_a_disk_without_inodes"),
    "Space for temporary files is full": (
        "0",
        "test_full_disks.py::test_temporary_files_have_no_room",
    ),
    "Likewise, with a table WITHOUT ROWID or with triggers": (
        "74",
        "test_full_disks.py::test_temporary_files_are_told_from_the_database",
    ),
    "Reading, writing or syncing fails": ("74", "test_failing_io.py::test_each_call_fails"),
    "The quota is used up": ("74", "test_quota.py::test_the_quota_is_used_up"),
    "The file system is read-only": ("77", "test_full_disks.py::test_a_read_only_remount"),
    "The file is replaced or deleted during a run": (
        "0, 66, 74 or 75",
        "test_damaged_files.py::test_the_file_is_replaced_or_deleted_under_way",
    ),
    "Pages of the database are damaged": (
        "65",
        "test_damaged_files.py::test_damage_at_random_places",
    ),
    "A crashed writer left a journal": (
        "0",
        "test_damaged_files.py::test_what_a_crashed_writer_left",
    ),
    "The database stays locked": ("75", "test_concurrency.py::test_locked_for_ever"),
    "The clock is years ahead": ("65", "test_clocks.py::test_a_clock_ahead_meets_the_guard"),
    "The clock is years behind": ("0", "test_clocks.py::test_a_clock_behind_deletes_less"),
    "The clock steps during a run": ("0", "test_clocks.py::test_a_clock_that_steps_under_way"),
    "Stored values are no times": ("0", "test_hostile_values.py::test_stored_values_of_every_kind"),
    "A setting holds SQL": ("2 or 78", "test_hostile_values.py::test_injection_on_sqlite"),
    "The metrics file named is the database, or another file": (
        "78",
        "test_metrics_path.py::test_what_is_no_metrics_file",
    ),
    "A table, rights or the ledger on a server change during a run": (
        "0, 65, 69, 75, 77 or 78",
        "test_meddled_servers.py::test_meddled_with_at_any_message",
    ),
    "The server answers nonsense": (
        "69, 75, 77 or 78",
        "test_secrets.py::test_servers_that_talk_nonsense",
    ),
    "The application writes all the time": (
        "0",
        "test_concurrency.py::test_a_writer_at_full_speed",
    ),
    "Two runs at once on SQLite": ("0", "test_concurrency.py::test_two_runs_at_once"),
    "Two runs at once on a server": (
        "75",
        "../servers/test_interruptions.py::test_the_second_run_ends_at_once",
    ),
    "A migration during a run": ("0", "test_concurrency.py::test_a_migration_during_a_run"),
}


def test_every_row_names_its_test() -> None:
    """No row without a test, no test of a row that is gone, and the same exit status in both."""
    rows = table("| fault | exit status | retried |")
    assert [row[0] for row in rows] == list(BACKED_BY)
    for fault, status, retried, _ in rows:
        assert status == BACKED_BY[fault][0], fault
        assert re.fullmatch("yes|no|if [0-9]+( or [0-9]+)?", retried), fault


@pytest.mark.parametrize(
    ("fault", "backing"), [(row, test) for row, (_, test) in BACKED_BY.items()]
)
def test_the_test_exists(fault: str, backing: str) -> None:
    """The test named is there; it passes, or this session fails as well."""
    file, _, name = backing.partition("::")
    assert re.search(rf"^def {name}\(", (_HERE / file).read_text(), re.MULTILINE), fault
