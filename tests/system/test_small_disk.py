"""A disk on which a database fits, and a copy of it does not."""

import subprocess
from pathlib import Path

import pytest

from helpers import commands, jobs
from helpers.commands import url
from helpers.databases import count, make_database

ROWS = 20_000


@pytest.mark.system
def test_no_room_for_a_copy(tmp_path: Path) -> None:
    """A VACUUM that may not fit is not begun; the warning has the size that it needs."""
    database = make_database(tmp_path / "geo.db", ROWS, "delete")
    small = tmp_path / "small"
    small.mkdir()
    size = database.stat().st_size * 5 // 4
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", small], check=True)
    try:
        copy = small / "geo.db"
        copy.write_bytes(database.read_bytes())
        done = commands.execute(
            "run",
            url(copy),
            f"--before={jobs.CUTOFF}",
            "--reclaim=yes",
            "--batch-seconds=0.01",
            env={"TMPDIR": str(small)},
        )
        reclaimed = commands.events(done.stderr)[-1]
        assert (done.returncode, reclaimed["level"]) == (0, "warning")
        assert "bytes in" in reclaimed["reason"]
        assert count(copy) == ROWS // 2
    finally:
        subprocess.run(["umount", small], check=True)
