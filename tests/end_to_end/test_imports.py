"""Starting up stays cheap: what a command imports."""

import ast
from pathlib import Path

import pytest

from helpers import commands, tables


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["run", "--help"], 0),
        (["run", "--no-such-option"], 2),
        (["run", "--retention-days=ninety"], 2),
        (["check", "--time-zone=Mars"], 2),
    ],
)
def test_quick_answers_import_no_database_library(arguments: list[str], status: int) -> None:
    """Help and bad settings answer at once."""
    assert imported(arguments, "sqlalchemy", "alembic", "sqlite3") == (status, [])


def test_a_run_imports_one_engine(tmp_path: Path) -> None:
    """What other engines need costs a nightly run nothing."""
    tables.make_table(tmp_path / "geo.db", [("old", "2020-01-01T00:00:00Z")])
    arguments = ["run", f"--database-url=sqlite:///{tmp_path}/geo.db"]
    others = ("sqlalchemy.dialects.mysql", "sqlalchemy.dialects.postgresql", "alembic")
    assert imported(arguments, "sqlite3", *others) == (0, ["sqlite3"])


def imported(arguments: list[str], *names: str) -> tuple[int, list[str]]:
    """Run a command; return its exit status, and which of some modules it imported."""
    listed = f"print([name for name in {names!r} if name in sys.modules], flush=True)"
    first = f"import os\nend = os._exit\nos._exit = lambda status: {listed} or end(status)"
    done = commands.execute_in_python(*arguments, first=first)
    return done.returncode, ast.literal_eval(done.stdout.splitlines()[-1])
