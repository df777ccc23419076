"""What check and history show: documents, made part by part, that are printed as they are."""

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

from geocache_cleanup import __version__
from geocache_cleanup.deadline import DeadlineShare
from geocache_cleanup.errors import CleanupError, DeadlineError
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.metrics import file as metrics
from geocache_cleanup.report import advice
from geocache_cleanup.report.finding import AdviceContext
from geocache_cleanup.systemd import service_settings, timers
from geocache_cleanup.times import instants

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from geocache_cleanup.engines.base import Backend
    from geocache_cleanup.pruning.job import Job

_RUNS_LOOKED_AT = 50
# Of the time left, for reading the whole table.
_SHARE = 0.5


@contextlib.contextmanager
def checking(invocation: Invocation) -> Iterator[dict[str, Any]]:
    """Yield the document of check to be filled in; what ends that early becomes a part of it."""
    document: dict[str, Any] = {
        "version": __version__,
        "settings": invocation.shown_settings(),
        "cutoff": instants.render(invocation.settings.cutoff),
        "retention_days": invocation.settings.retention_days,
        "timers": dataclasses.asdict(timers.look()),
    }
    try:
        yield document
    except CleanupError as error:
        document["problem"] = {
            "reason": invocation.redact(error.reason),
            "remedy": error.hint,
            "exit_status": int(error.status),
        }
        raise
    finally:
        hints = AdviceContext(
            has_secret_in_view=bool(invocation.secrets) and _is_in_view(invocation),
            ignores_service=service_settings.is_ignored(invocation.given),
            timeout=invocation.settings.timeout,
            is_root=os.geteuid() == 0,
        )
        document["advice"] = [dataclasses.asdict(found) for found in advice.advise(document, hints)]


def examine(invocation: Invocation, url: "URL", document: dict[str, Any]) -> None:
    """Fill in what the database says; raise CleanupError for anything that would stop a run."""
    from geocache_cleanup.engines.urls import files_of, open_backend  # these import SQLAlchemy
    from geocache_cleanup.pruning.job import Job

    if invocation.settings.metrics_file:
        metrics.check(invocation.settings.metrics_file, files_of(url))
    backend = open_backend(url, invocation.deadline)
    job = Job.of(invocation.settings, dry_run=True, run_id="")
    past = _connect(backend, url, job, document)
    _examine_table(invocation, url, backend, job, document)
    _preview(invocation, backend, job, document, past)


def _connect(
    backend: "Backend", url: "URL", job: "Job", document: dict[str, Any]
) -> Sequence[Mapping[str, object]]:
    from geocache_cleanup.engines.base import connect
    from geocache_cleanup.pruning import ledger
    from geocache_cleanup.report import connection as work

    with connect(backend, write=False) as connection:
        document["connection"] = dataclasses.asdict(work.describe(connection, url))
        has_ledger = ledger.exists(connection)
        runs = ledger.read(connection, _RUNS_LOOKED_AT, job.table) if has_ledger else []
        # A run that failed is not in the ledger, which is written in the same transaction; of
        # one in batches there is what it has done.
        document["ledger"] = {"exists": has_ledger, "last_run": runs[0] if runs else None}
        return runs


def _examine_table(
    invocation: Invocation, url: "URL", backend: "Backend", job: "Job", document: dict[str, Any]
) -> None:
    from geocache_cleanup.engines.urls import open_backend
    from geocache_cleanup.report import preview as work

    table = work.describe(backend, job)
    document["table"] = dataclasses.asdict(table)
    document["migrate"] = _missing(job, table.index, has_ledger=document["ledger"]["exists"])
    # What a run would do is worth more than what the table holds, which can take long to read.
    share = DeadlineShare(invocation.deadline, _SHARE)
    try:
        counts = work.count(open_backend(url, share), job)
    except DeadlineError:
        invocation.deadline.check()
    else:
        document["table"].update(dataclasses.asdict(counts))


def _preview(
    invocation: Invocation,
    backend: "Backend",
    job: "Job",
    document: dict[str, Any],
    past: Sequence[Mapping[str, object]],
) -> None:
    from geocache_cleanup.report import preview as work

    preview = work.preview(backend, job, invocation.deadline)
    document["would_delete"] = preview.result.deleted
    document["unreadable"] = preview.result.unreadable
    document["lock"] = dataclasses.asdict(work.estimate(preview, past, job.batch_seconds))
    document["writable"] = True


def _missing(job: "Job", index: object, *, has_ledger: bool) -> Sequence[str]:
    """Return what migrate would make, in a few words each."""
    from geocache_cleanup.pruning import ledger

    missing = [] if index else [f"an index on {job.time_column}"]
    return missing if has_ledger else [*missing, f"the ledger, the table {ledger.NAME}"]


def past_runs(invocation: Invocation, url: "URL", limit: int) -> Sequence[Mapping[str, object]]:
    """Return the latest runs in the ledger, newest first; raise CleanupError if there is none."""
    from geocache_cleanup.engines.base import connect
    from geocache_cleanup.engines.urls import open_backend
    from geocache_cleanup.pruning import ledger

    with connect(open_backend(url, invocation.deadline), write=False) as connection:
        return ledger.read(connection, limit)


def _is_in_view(invocation: Invocation) -> bool:
    """Tell whether the URL was given where others on the host can see it."""
    return invocation.given["database_url"].source in {"option", "environment"}
