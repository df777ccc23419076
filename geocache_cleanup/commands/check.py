"""The command ``check``: what a run would meet and do, looked up without changing anything."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from geocache_cleanup import __version__
from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.engines.base import Engine
from geocache_cleanup.engines.urls import files_of, open_engine
from geocache_cleanup.errors import CleanupError, DeadlineError
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.metrics import metrics_file
from geocache_cleanup.pruning import ledger
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.report import preview
from geocache_cleanup.report.advice import (
    LEDGER_NOT_ATOMIC,
    LEDGER_UNLOGGED,
    AdviceContext,
    advise,
)
from geocache_cleanup.report.check_text import check_text
from geocache_cleanup.report.document import (
    Advice,
    CheckDocument,
    LedgerReport,
    Problem,
    ShownSetting,
)
from geocache_cleanup.report.table_advice import TOO_LARGE
from geocache_cleanup.systemd import timers
from geocache_cleanup.times import instants

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_RUNS_LOOKED_AT = 50
# Of the time left, for reading the whole table.
_SHARE = 0.5


def run_check(invocation: Invocation, *, as_json: bool) -> None:
    """Print what is found; raise CleanupError for anything that would stop a run."""
    url = invocation.database_url()
    document = CheckDocument(
        version=__version__,
        settings=_shown_settings(invocation),
        cutoff=instants.render(invocation.settings.cutoff),
        retention_days=invocation.settings.retention_days,
        timers=timers.look(invocation.service_of_admin),
    )
    failure = None
    try:
        if not invocation.nothing_configured():
            _examine(invocation, url, document)
    except CleanupError as error:
        failure = error
        document.problem = Problem(
            reason=invocation.redact(error.reason),
            remedy=invocation.hint_of(error),
            exit_status=int(error.status),
        )
    document.advice = _advice(invocation, document)
    invocation.show(json.dumps(document.as_json()) if as_json else check_text(document))
    if failure:
        raise failure


def _shown_settings(invocation: Invocation) -> Sequence[ShownSetting]:
    """Return each setting with its value, safe to show, and where the value came from."""
    return [
        ShownSetting(
            option=SETTINGS[name].option,
            variable=SETTINGS[name].variable,
            value=str(invocation.fields["database"]) if name == "database_url" else given.text,
            source=given.source,
        )
        for name, given in invocation.given.items()
    ]


def _advice(invocation: Invocation, document: CheckDocument) -> Sequence[Advice]:
    is_in_view = invocation.given["database_url"].source in {"option", "environment"}
    context = AdviceContext(
        has_secret_in_view=invocation.has_password and is_in_view,
        ignores_service=invocation.ignores_service,
        timeout=invocation.settings.timeout,
        is_root=os.geteuid() == 0 and not invocation.service,
        service=invocation.service_of_admin,
    )
    return [
        Advice(found.finding, invocation.in_words_of_reader(found.remedy))
        for found in advise(document, context)
    ]


def _examine(invocation: Invocation, url: "URL", document: CheckDocument) -> None:
    """Fill in what the database says; raise CleanupError for anything that would stop a run."""
    if invocation.settings.metrics_file:
        metrics_file.open_file(invocation.settings.metrics_file).check(files_of(url))
    engine = open_engine(url, invocation.deadline)
    job = Job.of(invocation.settings, dry_run=True, run_id="")
    past = _examine_connection(engine, job, document)
    _examine_table(invocation, url, engine, job, document)
    found = preview.preview(engine, job, invocation.deadline)
    document.would_delete = found.result.deleted
    document.unreadable = found.result.unreadable
    document.kept = found.result.kept
    document.lock = preview.estimate(found, past, job.batch_seconds)
    document.writable = True


def _examine_connection(
    engine: Engine, job: Job, document: CheckDocument
) -> Sequence[Mapping[str, object]]:
    with engine.connect(write=False) as connection:
        document.connection = engine.describe(connection)
        document.findings = [Advice(*found) for found in engine.findings(connection)]
        if not engine.has_transactions(connection, ledger.NAME):
            document.findings.append(LEDGER_NOT_ATOMIC)
        found = ledger.Ledger.find(engine, connection)
        if found and not found.outlasts_crash():
            document.findings.append(LEDGER_UNLOGGED)
        runs = found.runs(_RUNS_LOOKED_AT, job.table) if found else []
        # A run that failed is not in the ledger, which is written in the same transaction; of
        # one in batches there is what it has done.
        document.ledger = LedgerReport(found is not None, runs[0] if runs else None)
        return runs


def _examine_table(
    invocation: Invocation, url: "URL", engine: Engine, job: Job, document: CheckDocument
) -> None:
    assert document.ledger is not None
    document.table = preview.describe(engine, job)
    missing = [] if document.table.index else [f"an index on {job.time_column}"]
    if not document.ledger.exists:
        missing.append(f"the ledger, the table {ledger.NAME}")
    elif {LEDGER_NOT_ATOMIC, LEDGER_UNLOGGED} & set(document.findings):
        missing.append(f"{ledger.NAME} changed: {engine.lasting}")
    document.migrate = missing
    # What a run would do is worth more than what the table holds, which can take long to read.
    share = invocation.deadline.share(_SHARE)
    try:
        document.statistics = preview.count(open_engine(url, share), job)
    except DeadlineError:
        document.findings = [*document.findings, TOO_LARGE]
        invocation.deadline.check()
