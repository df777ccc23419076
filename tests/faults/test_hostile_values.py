"""Hostile settings and stored values: never a traceback, never a changed database if refused."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import tables
from helpers.faults.hostile_input import AWKWARD, INJECTIONS, REFUSED, TAKEN, furnish
from helpers.faults.runs import ForkServers, arguments
from helpers.faults.template import DOCUMENTED, DatabaseTemplate
from helpers.reporting import tally

_NAMES = ("--table", "--time-column", "--time-zone", "--before", "--retention-days")
_REFUSED = DOCUMENTED - {0, 70}


@pytest.mark.parametrize("command", ["run", "check", "migrate"])
@pytest.mark.parametrize("option", _NAMES)
def test_injection_on_sqlite(
    fork_servers: ForkServers,
    template_of: Callable[..., DatabaseTemplate],
    option: str,
    command: str,
) -> None:
    """A name is a name, whatever it holds: refused, and no byte of the file changes."""
    template = template_of("delete", stale=20, fresh=20)
    with fork_servers.one() as (fork_server, place):
        for text in INJECTIONS:
            if option == "--table" and (command == "migrate" or text == INJECTIONS[-1]):
                continue  # a table of any name is made; the ledger is a table
            path = template.copy(place)
            outcome = fork_server.run(
                command, f"--database-url=sqlite:///{path}", f"{option}={text}"
            )
            tally["inputs tried"] += 1
            assert outcome.status in _REFUSED, (text, outcome)
            assert "Traceback" not in outcome.errors
            assert path.read_bytes() == template.path.read_bytes(), text


# Each in a directory of the trial's own, where they do no harm.
_METRICS_FILES = st.one_of(
    st.sampled_from([*REFUSED, *TAKEN]),
    AWKWARD.map(lambda text: text.replace("/", "\u2044")),
).map("{place}/".__add__)
_PLAIN = ("table", "time-column", "time-zone", "before", "retention-days", "timeout",
          "batch-seconds", "max-delete-percent", "log-format", "log-level")  # fmt: skip
SETTINGS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(_PLAIN), AWKWARD),
        st.tuples(st.just("reclaim"), st.one_of(st.sampled_from(["yes", "no"]), AWKWARD)),
        st.tuples(st.just("metrics-file"), _METRICS_FILES),
        st.tuples(st.just("metrics-file"), st.sampled_from(["/proc/x.prom", "/dev/null", "", "."])),
    ),
    min_size=1,
    max_size=4,
).map(dict)


@pytest.mark.faults
def test_settings_of_every_kind(
    fork_servers: ForkServers, template_of: Callable[..., DatabaseTemplate], memory: Path
) -> None:
    """Any text for any settings, as options and as variables: never 70, nothing changed."""
    template = template_of("delete", stale=20, fresh=20)
    before = template.path.read_bytes()

    @settings(max_examples=700, suppress_health_check=list(HealthCheck), deadline=None)
    @given(SETTINGS, st.booleans())
    def attempt(drawn: dict[str, str], by_option: bool) -> None:
        with (
            fork_servers.one() as (fork_server, _),
            tempfile.TemporaryDirectory(dir=memory) as place,
        ):
            path = template.copy(Path(place))
            furnish(Path(place))
            texts = {name: text.replace("{place}", place) for name, text in drawn.items()}
            options = [f"--{name}={text}" for name, text in texts.items() if by_option]
            variables = {
                "GEOCACHE_CLEANUP_" + name.upper().replace("-", "_"): text
                for name, text in texts.items()
                if not by_option
            }
            outcome = fork_server.run(
                "run", f"--database-url=sqlite:///{path}", *options, env=variables
            )
            tally["inputs tried"] += 1
            assert outcome.status in DOCUMENTED - {70}, outcome
            assert "Traceback" not in outcome.errors, outcome
            if outcome.status:
                assert path.read_bytes() == before
            assert tables.fetch(path, "PRAGMA integrity_check") == ["ok"]
            assert tables.fetch(path, "SELECT name FROM sqlite_master LIMIT 1") == ["geo_cache"]

    attempt()


@pytest.mark.faults
def test_urls_and_credentials_of_every_kind(fork_servers: ForkServers, tmp_path: Path) -> None:
    """Any bytes for a credential, any text for a URL: a documented end."""
    parts = st.tuples(
        st.sampled_from(["sqlite", "postgresql", "mysql", "mariadb", "postgresql+psycopg2", "x"]),
        st.sampled_from(["://", ":///", "://u@", "://u:p@127.0.0.1:1/", "://127.0.0.1:1/d?", ":"]),
        AWKWARD,
    ).map("".join)

    @settings(max_examples=500, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.one_of(parts.map(str.encode), AWKWARD.map(str.encode), st.binary(max_size=200)))
    def attempt(credential: bytes) -> None:
        (tmp_path / "geocache-cleanup.database-url").write_bytes(credential)
        with fork_servers.one() as (fork_server, _):
            outcome = fork_server.run(
                "run", "--dry-run", "--timeout=1", env={"CREDENTIALS_DIRECTORY": str(tmp_path)}
            )
        tally["inputs tried"] += 1
        assert outcome.status in _REFUSED, (credential, outcome)
        assert "Traceback" not in outcome.errors, (credential, outcome)

    attempt()


@pytest.mark.parametrize("examples", [20, pytest.param(300, marks=pytest.mark.faults)])
def test_stored_values_of_every_kind(
    fork_servers: ForkServers, tmp_path: Path, examples: int
) -> None:
    """Any value that SQLite stores: done, and whatever is no time or fresh is there afterwards."""
    values = st.one_of(
        AWKWARD, st.binary(max_size=30), st.integers(-(2**63), 2**63 - 1), st.floats(), st.none()
    )

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(values, min_size=1, max_size=60), st.sampled_from(["TEXT", "", "INTEGER"]))
    def attempt(stored: list[object], declared: str) -> None:
        path = tmp_path / "geo.db"
        path.unlink(missing_ok=True)
        tables.make_table(path, [(str(n), value) for n, value in enumerate(stored)], declared)
        no_times = "SELECT ip FROM geo_cache WHERE typeof(last_seen) IN ('null', 'blob')"
        kept = tables.fetch(path, no_times)
        with fork_servers.one() as (fork_server, _):
            outcome = fork_server.run(*arguments(path))
        tally["inputs tried"] += len(stored)
        assert outcome.status == 0, outcome
        left = tables.fetch(path, "SELECT count(*) FROM geo_cache")[0]
        assert outcome.last["deleted"] == len(stored) - left
        assert tables.fetch(path, no_times) == kept

    attempt()
