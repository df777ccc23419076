"""Prune stale rows from a geo_cache table, as a oneshot job for a systemd timer.

The data goes one way, and each folder answers one question:

- ``cli``         which commands and options there are; ``commands/`` what each of them does
- ``config/``     what is set, and by what: option, environment, credential, default
- ``invocation``  one command under way; ``error_boundary`` whatever ends it, as one event and an
  exit status; ``deadline`` and ``watchdog`` end it in time
- ``engines/``    how a database is opened, its table found and searched; a folder for each engine
- ``times/``      when a stored value is stale: no database, only values and ranges
- ``pruning/``    the transaction, or the series of them, and the ledger of runs
- ``result``      what a run did, for the event, the ledger and ``metrics/``
- ``events``, ``log``, ``systemd/``  what is told, and to whom
- ``report/``     what check and history show; ``schema/`` what migrate makes

Nothing imports what stands above it in a run: ``times/`` knows no engine, an engine no job, the
job no command. Only the top of the package reads settings from the environment, prints or exits.
"""

__version__ = "0.3.0"
