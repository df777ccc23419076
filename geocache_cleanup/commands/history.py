"""The command ``history``: past runs, from the ledger."""

import json

from geocache_cleanup.engines.urls import open_engine
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.pruning.ledger import Ledger
from geocache_cleanup.report.history_text import history_text


def show_history(invocation: Invocation, limit: int, *, as_json: bool) -> None:
    """Print the latest runs, newest first; raise ConfigError if there is no ledger."""
    url = invocation.database_url()
    runs = []
    if not invocation.nothing_configured():
        engine = open_engine(url, invocation.deadline)
        with engine.connect(write=False) as connection:
            runs = list(Ledger.require(engine, connection).runs(limit))
    invocation.show(json.dumps({"runs": runs}) if as_json else history_text(runs))
