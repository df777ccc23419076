"""From whatever ends a command to one event and an exit status."""

import contextlib
import dataclasses
import traceback
from collections.abc import Iterator, Mapping

import typer

from geocache_cleanup.errors import CleanupError, ExitStatus, Interrupted, SettingsError
from geocache_cleanup.events import Event, exit_status_of
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.result import NOT_ATOMIC, Result

_BUG_HINT = "this is a bug in geocache-cleanup; please report it with this event"


@contextlib.contextmanager
def error_boundary(invocation: Invocation) -> Iterator[None]:
    """Turn whatever ends a command into one event and its exit status."""
    invocation.on_expiry = lambda: _fail_late(invocation)
    try:
        invocation.deadline.install_signal_handlers()
        invocation.load()
        yield
    except typer.Exit:
        raise
    except Interrupted as stop:
        _fail_softly(invocation, stop)
    except CleanupError as error:
        _fail(invocation, error.status, error.reason, invocation.hint_of(error), error)
    except MemoryError as error:
        hint = "see free -m, MemoryMax= of the unit, and ulimit -v"
        _fail(invocation, ExitStatus.TEMPFAIL, "the memory is used up", hint, error)
    except OSError as error:
        reason = f"reading or writing failed: {error}"
        _fail(invocation, ExitStatus.IOERR, reason, "see where the output goes, and df", error)
    except Exception as error:  # noqa: BLE001 - a bug has to leave an event too
        text = invocation.redact("".join(traceback.format_exception(error)))
        reason = f"{type(error).__name__}: {error}"
        _fail(invocation, ExitStatus.SOFTWARE, reason, _BUG_HINT, error, traceback=text)
    finally:
        invocation.watchdog.stop()
        invocation.deadline.ignore_signals()


def _fail_late(invocation: Invocation) -> None:
    """Tell why the process is about to end; SQLite undoes what is not committed."""
    error = invocation.deadline.timeout_error()
    is_in_batches = invocation.settings.batch_seconds and invocation.fields.get("dry_run") is False
    if invocation.deadline.finishing or is_in_batches:
        error = error.of_commit()
    _fail(invocation, error.status, error.reason, invocation.hint_of(error), error)


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
    partial: Result | None = getattr(error, "partial", None)
    in_doubt = isinstance(error, CleanupError) and error.in_doubt
    if in_doubt and "run_id" in invocation.fields:
        reason += ": only the ledger tells what was deleted"
    elif partial and not in_doubt:
        reason += f"; {_outcome(partial)}"
    if isinstance(error, SettingsError):
        fields["problems"] = list(error.problems)
    invocation.emit(
        Event.FAILED,
        "error",
        f"Failed: {reason}",
        **_done(invocation, partial, in_doubt=in_doubt),
        exit_status=int(status),
        reason=reason,
        hint=hint,
        retryable=status.retryable,
        **fields,
    )
    raise typer.Exit(int(status))


def _outcome(partial: Result | None) -> str:
    partial = partial or Result()
    done = (
        f"{partial.deleted} rows were deleted in {partial.batches} batches, "
        f"{'more' if partial.remaining is None else partial.remaining} remain"
    )
    notes = [done] * bool(partial.batches) + [NOT_ATOMIC] * (not partial.atomic)
    return "; ".join(notes or ["nothing was deleted"])


def _done(
    invocation: Invocation, partial: Result | None, *, in_doubt: bool = False
) -> Mapping[str, object]:
    """Return what a run that ended early did: nothing, or some batches, in so many seconds."""
    if "run_id" not in invocation.fields:
        return {}
    seconds = round(invocation.deadline.elapsed, 3)
    result = dataclasses.replace(partial or Result(), duration_seconds=seconds)
    is_counted = result.atomic or bool(result.batches)
    return result.as_fields(in_doubt=in_doubt or not is_counted)
