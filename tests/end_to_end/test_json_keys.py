"""The JSON of check and history has the keys that the manual lists, and no others."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from geocache_cleanup.systemd.timers import Timer
from helpers import commands, tables
from helpers.documents import json_keys


def keys(value: object, path: str = "") -> Iterator[str]:
    """Yield the keys of a document as the manual writes them."""
    # A run of the ledger is described with history.
    if isinstance(value, dict) and path != "ledger.last_run":
        for key, inner in value.items():
            yield from keys(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, path + "[]")
    else:
        yield path


def test_the_keys_of_check(tmp_path: Path) -> None:
    """Those of a check that finds all there is, and of one that finds what would stop a run."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("a", "2020-01-01")], index=False)
    url = f"--database-url=sqlite:///{path}"
    good = json.loads(commands.execute("check", url, "--json").stdout)
    bad = json.loads(commands.execute("check", url, "--json", "--table=nosuch").stdout)
    found = {*keys(good), *keys(bad)}
    # There may be no systemd here: then the list of timers is empty.
    found |= {f"timers.units[].{field.name}" for field in dataclasses.fields(Timer)}
    assert sorted(json_keys("check")) == sorted(found)
    assert set(bad) == set(good) & set(bad) | {"problem"}


def test_the_keys_of_history(tmp_path: Path) -> None:
    """Each run has them all."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("a", "2020-01-01")])
    url = f"--database-url=sqlite:///{path}"
    for command in ("migrate", "run"):
        assert commands.execute(command, url).returncode == 0
    document = json.loads(commands.execute("history", url, "--json").stdout)
    assert list(document) == ["runs"]
    assert sorted(keys(document)) == sorted(json_keys("history"))
    check = json.loads(commands.execute("check", url, "--json").stdout)
    assert check["ledger"]["last_run"] == document["runs"][0]
