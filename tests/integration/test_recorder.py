"""The metrics file where the run's own event has no numbers."""

from pathlib import Path
from typing import Any

from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.events import Event
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.metrics.recorder import Recorder


def test_what_is_not_known_is_not_zero(tmp_path: Path) -> None:
    """After a commit of which nobody knows whether it took effect, the numbers are left out."""
    path = tmp_path / "geo.prom"
    invocation = Invocation({**dict.fromkeys(SETTINGS), "metrics_file": path})
    Recorder(invocation, dry_run=False)
    invocation.load()
    fields: dict[str, Any] = {
        "database": "postgresql:///db",
        "table": "geo_cache",
        "exit_status": 69,
        "deleted": None,
        "unreadable": None,
        "duration_seconds": 1.5,
    }
    assert invocation.observe(Event.FAILED, fields) is None
    text = path.read_text()
    assert "last_run_duration_seconds{" in text
    assert "last_run_deleted_rows{" not in text
    assert "last_run_unreadable_values{" not in text
    assert 'last_run_kept_rows{database="postgresql:///db",table="geo_cache"} 0.0' in text
