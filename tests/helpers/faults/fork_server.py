"""Starts the command as processes forked from one that has imported it: some 20 a second a core.

A process forked here lives, fails and dies as one started from a shell does, but is at work at
once, so that hundreds of faults fit into minutes. One request a line of JSON on stdin; the
answers are the child's pid, and how it ended.
"""

import contextlib
import ctypes
import json
import os
import sys
import traceback
from typing import Any

import sqlalchemy.dialects.sqlite.pysqlite  # noqa: F401 - here and below: so that children have it

import geocache_cleanup.__main__
import geocache_cleanup.cli
import geocache_cleanup.commands.check
import geocache_cleanup.commands.history
import geocache_cleanup.commands.run
import geocache_cleanup.engines.sqlite.engine
import geocache_cleanup.schema.migrate

with contextlib.suppress(ImportError):
    import prometheus_client.parser  # noqa: F401 - likewise


def exec_command(request: dict[str, Any]) -> None:
    """Run the command in this process, with its output in files; does not return."""
    directory = request["output"]
    for number, name in enumerate(("in", "out", "err")):
        source = "/dev/null" if number == 0 else os.path.join(directory, name)
        os.dup2(os.open(source, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["geocache-cleanup", *request["arguments"]]
    shim = ctypes.CDLL(None)
    if fault := request["fault"]:
        shim.failing_io_shift_clock(*map(ctypes.c_long, fault["clock"]))
        shim.failing_io_arm(
            fault["kinds"], ctypes.c_long(fault["nth"]), fault["action"], fault["number"],
            os.fsencode(fault["part"]),
        )  # fmt: skip
    status = 1
    try:
        status = geocache_cleanup.__main__.run()
    except BaseException:  # noqa: BLE001 - what Python itself would do
        traceback.print_exc()
    if fault:
        shim.failing_io_arm(0, ctypes.c_long(0), 0, 0, b"")
        with open(os.path.join(directory, "io"), "w", encoding="ascii") as report:
            json.dump([shim.failing_io_seen(), shim.failing_io_hits()], report)
    os._exit(status)


def answer(number: int) -> None:
    """Write one line."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def serve() -> None:
    """Start what is asked for, one process at a time, until the end of the input."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            exec_command(json.loads(line))
        answer(pid)
        # Until told to, leave even a dead child its pid: the test may be about to kill it.
        sys.stdin.readline()
        answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    serve()
