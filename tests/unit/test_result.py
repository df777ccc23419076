"""One record has the numbers of a run, for the event, the ledger and the metrics file."""

import dataclasses

from geocache_cleanup.metrics.metrics_file import HELP
from geocache_cleanup.pruning.ledger import LEDGER
from geocache_cleanup.result import METRICS, Result


def test_an_event_leaves_out_what_has_nothing_to_say() -> None:
    """Of the usual run four numbers are told."""
    assert Result(deleted=5, batches=1, duration_seconds=0.5).as_fields() == {
        "deleted": 5,
        "unreadable": 0,
        "batches": 1,
        "duration_seconds": 0.5,
    }
    told = Result(remaining=0, atomic=False, freed_pages=0).as_fields()
    assert (told["remaining"], told["atomic"], told["freed_pages"]) == (0, False, 0)


def test_in_doubt_no_count_is_told() -> None:
    """Only the ledger knows then; how long it took is known."""
    fields = dict(Result(deleted=5, remaining=3, duration_seconds=0.5).as_fields(in_doubt=True))
    assert fields.pop("duration_seconds") == 0.5
    assert set(fields) == {"deleted", "unreadable", "batches", "remaining"}
    assert set(fields.values()) == {None}


def test_metrics_and_columns_belong_to_fields() -> None:
    """A metric without a field would always be 0, and a column without one would fail the run."""
    names = {field.name for field in dataclasses.fields(Result)}
    assert set(METRICS) <= names
    assert all(HELP[metric.name] == metric.help for metric in METRICS.values())
    assert {"deleted", "unreadable", "batches", "duration_seconds"} <= names & set(LEDGER.c.keys())
