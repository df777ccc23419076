"""Paths of databases: any name is opened, and who may not write there is told."""

import os
import subprocess
from pathlib import Path

import pytest

from helpers import commands, tables
from helpers.commands import url


@pytest.mark.parametrize(
    "name",
    ["with space", "quo'te", 'dou"ble', "per%20cent", "hash#", "ünïcode", "a&b=c", "new\nline"],
)
def test_awkward_paths(tmp_path: Path, name: str) -> None:
    """Any path that SQLAlchemy's URL can name is opened as it is."""
    path = tmp_path / name / "geo.db"
    path.parent.mkdir()
    tables.make_table(path, [("a", "2020-01-01"), ("b", "2099-01-01")])
    done = commands.execute("run", url(path))
    assert done.returncode == 0, done.stderr
    assert tables.fetch(path, "SELECT ip FROM geo_cache") == ["b"]
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
def test_question_mark_in_a_path(tmp_path: Path, form: str) -> None:
    """SQLAlchemy ends a path at ``?``: percent-encoded it is part of the path."""
    path = tmp_path / "what?.db"
    tables.make_table(path, [("a", "2020-01-01")])
    named = form.format(str(path).replace("?", "%3F"))
    assert commands.execute("run", f"--database-url={named}").returncode == 0
    assert tables.fetch(path, "SELECT ip FROM geo_cache") == []


@pytest.mark.parametrize("what", ["file", "directory"])
def test_read_only_for_this_user(tmp_path: Path, what: str) -> None:
    """A file or directory that may not be written ends the run as refused permission."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("a", "2020-01-01")])
    before = path.read_bytes()
    {"file": path, "directory": tmp_path}[what].chmod(0o555)
    for command in ("run", "check"):
        done = without_privileges(command, url(path))
        assert done.returncode == 77, done.stderr
        event = commands.events(done.stderr)[-1]
        assert (event["exit_status"], event["retryable"]) == (77, False)
    tmp_path.chmod(0o755)
    assert path.read_bytes() == before


def test_link_beside_which_nothing_can_be_written(tmp_path: Path) -> None:
    """SQLite makes its journal beside the file itself: it is there that one has to be able to."""
    path, link = tmp_path / "geo.db", tmp_path / "links" / "geo.db"
    tables.make_table(path, [("a", "2020-01-01")])
    link.parent.mkdir()
    link.symlink_to(path)
    link.parent.chmod(0o555)
    for command in (["check"], ["run", "--batch-seconds=1"]):
        done = without_privileges(*command, url(link))
        assert done.returncode == 0, done.stderr
    link.parent.chmod(0o755)


def without_privileges(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as this user, but without root's power over permissions."""
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    return subprocess.run(
        [*(prefix if os.geteuid() == 0 else []), *commands.COMMAND, *arguments],
        capture_output=True,
        text=True,
        env=commands.environment(),
        timeout=60,
        check=False,
    )
