"""Memory that is used up."""

from pathlib import Path

import pytest

from helpers import commands, tables
from helpers.commands import url


@pytest.mark.parametrize(("megabytes", "status"), [(60, 75), (6_000, 0)])
def test_memory_that_is_used_up(two_rows: Path, megabytes: int, status: int) -> None:
    """A value larger than the memory left is no bug; some time there may be more."""
    with tables.connected(two_rows) as connection:
        large = "CAST('2020-01-01' || zeroblob(100000000) AS TEXT)"
        connection.execute(f"INSERT INTO geo_cache (ip, last_seen) VALUES ('large', {large})")
    limit = (
        "import resource, sqlalchemy.dialects.sqlite, geocache_cleanup.cli as cli\n"
        "from geocache_cleanup.commands import run\n"
        "from geocache_cleanup.engines.sqlite import engine\n"
        f"size = int(open('/proc/self/statm').read().split()[0]) * 4096 + {megabytes} * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))"
    )
    done = commands.execute_in_python("run", url(two_rows), "--dry-run", first=limit)
    event = commands.events(done.stderr)[-1]
    assert (done.returncode, "traceback" in event) == (status, False), event
