"""From whatever ends a command to one event and an exit status."""

import contextlib
import dataclasses
import os
import threading
import traceback
from typing import Iterator, Mapping, Optional

import typer

from geocache_cleanup.errors import CleanupError, ExitStatus, Interrupted, Partial, SettingsError
from geocache_cleanup.events import Event, exit_status_of
from geocache_cleanup.invocation import Invocation

_BUG_HINT = "this is a bug in geocache-cleanup; please report it with this event"
_SECONDS_TO_TELL = 0.4


@contextlib.contextmanager
def error_boundary(invocation: Invocation) -> Iterator[None]:
    """Turn whatever ends a command into one event and its exit status."""
    invocation.give_up = lambda: _give_up(invocation)
    try:
        invocation.deadline.install_signal_handlers()
        invocation.load()
        yield
    except typer.Exit:
        raise
    except Interrupted as stop:
        _fail_softly(invocation, stop)
    except CleanupError as error:
        _fail(invocation, error.status, error.reason, error.hint, error)
    except MemoryError as error:
        hint = "see free -m, MemoryMax= of the unit, and ulimit -v"
        _fail(invocation, ExitStatus.TEMPFAIL, "the memory is used up", hint, error)
    except OSError as error:
        reason = f"reading or writing failed: {error}"
        _fail(invocation, ExitStatus.IOERR, reason, "see where the output goes, and df", error)
    except Exception as error:  # noqa: BLE001 - a bug has to leave an event too
        text = "".join(traceback.format_exception(error))
        reason = f"{type(error).__name__}: {error}"
        _fail(
            invocation,
            ExitStatus.SOFTWARE,
            reason,
            _BUG_HINT,
            error,
            traceback=invocation.redact(text),
        )
    finally:
        invocation.watchdog.stop()
        invocation.deadline.ignore_signals()


def _give_up(invocation: Invocation) -> None:
    """End the process, whatever it waits for: SQLite undoes what is not committed."""
    # It may be the log that hangs, when nobody reads it.
    threading.Timer(_SECONDS_TO_TELL, os._exit, [int(ExitStatus.TEMPFAIL)]).start()
    try:
        error = invocation.deadline.timeout_error()
        if invocation.deadline.finishing or invocation.settings.batch_seconds:
            error = error.of_commit()
        _fail(invocation, error.status, error.reason, error.hint, error)
    finally:
        os._exit(ExitStatus.TEMPFAIL)


def _fail_softly(invocation: Invocation, stop: Interrupted) -> None:
    fields = {"signal": stop.signal_name, **_done(invocation, stop.partial)}
    message = f"Stopped by {stop.signal_name}; {_outcome(stop.partial)}"
    invocation.emit(Event.INTERRUPTED, "warning", message, **fields)
    raise typer.Exit(exit_status_of(Event.INTERRUPTED, fields))


def _fail(
    invocation: Invocation,
    status: ExitStatus,
    reason: str,
    hint: str,
    error: BaseException,
    **fields: object,
) -> None:
    reason = invocation.redact(reason)
    # A bug may come in the middle of batches as well.
    partial: Optional[Partial] = getattr(error, "partial", None)
    in_doubt = isinstance(error, CleanupError) and error.in_doubt
    if partial and not in_doubt:
        reason += f"; {_outcome(partial)}"
    if isinstance(error, SettingsError):
        fields["problems"] = list(error.problems)
    invocation.emit(
        Event.FAILED,
        "error",
        f"Failed: {reason}",
        **_done(invocation, partial, unknown=in_doubt),
        exit_status=int(status),
        reason=reason,
        hint=hint,
        retryable=status.retryable,
        **fields,
    )
    raise typer.Exit(int(status))


def _outcome(partial: Optional[Partial]) -> str:
    if partial is None or not partial.batches:
        return "nothing was deleted"
    return (
        f"{partial.deleted} rows were deleted in {partial.batches} batches, "
        f"{partial.remaining} remain"
    )


def _done(
    invocation: Invocation, partial: Optional[Partial], *, unknown: bool = False
) -> Mapping[str, object]:
    """Return what a run that ended early did: nothing, or some batches, in so many seconds.

    Where it is ``unknown`` whether the last commit took effect, the numbers are None.
    """
    if "run_id" not in invocation.fields:
        return {}
    done: dict[str, Optional[int]] = {"deleted": 0, "unreadable": 0, "batches": 0}
    if partial is not None:
        done = dataclasses.asdict(partial)
    if unknown:
        done = dict.fromkeys(done)
    return {**done, "duration_seconds": round(invocation.deadline.elapsed, 3)}
