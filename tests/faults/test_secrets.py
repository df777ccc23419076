"""A password never leaves the program: not raw, not encoded, not in parts, in no failure."""

import contextlib
import itertools
import random
import socket
import subprocess
import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from geocache_cleanup.config import parsers
from geocache_cleanup.config.settings import SETTINGS
from helpers import commands, processes
from helpers.faults.fault import Fault, Kind
from helpers.faults.hostile_input import PASSWORD, QUOTED_PASSWORD, leaks
from helpers.faults.runs import ForkServers, Outcome
from helpers.faults.template import DOCUMENTED
from helpers.reporting import tally

SEED = 20_260_607
_SOURCES = ("option", "environment", "credential")


def urls() -> Iterator[str]:
    """Yield URLs that hold the password, right ones and wrong ones of many kinds."""
    drivers = ("postgresql", "postgresql+psycopg2", "mysql", "mariadb+pymysql", "mysql+mysqldb")
    for driver, password in itertools.product(drivers, (QUOTED_PASSWORD, PASSWORD)):
        yield f"{driver}://user:{password}@127.0.0.1:1/db"
    for driver in drivers:
        yield f"{driver}://user@127.0.0.1:1/db?password={QUOTED_PASSWORD}"
        yield f"{driver}://user:{QUOTED_PASSWORD}@127.0.0.1:1/db?passwd={QUOTED_PASSWORD}&nonsense={QUOTED_PASSWORD}"
        yield f"{driver}://user:{QUOTED_PASSWORD}@127.0.0.1:{QUOTED_PASSWORD}/db"
        yield f"{driver}://user:{QUOTED_PASSWORD}@[::1/db"
        yield f"{driver}:/user:{QUOTED_PASSWORD}@127.0.0.1/db"
    for driver in drivers:
        yield f"{driver}://user:x@hunter2@127.0.0.1:1/db"
        yield f"{driver}:///user:hunter2@127.0.0.1:1/db"
        yield f"{driver}://us/er:hunter2@127.0.0.1:1/db"
        yield f"{driver}://user:x@y/hunter2@127.0.0.1:1/db"
        yield f"{driver}://127.0.0.1:1/user:hunter2@db"
    yield f"oracle://user:{QUOTED_PASSWORD}@127.0.0.1/db"
    yield f"postgresql+asyncpg://user:{QUOTED_PASSWORD}@127.0.0.1/db"
    yield f"sqlite:///nowhere.db?key={QUOTED_PASSWORD}"
    yield f"sqlite+pysqlcipher://:{QUOTED_PASSWORD}@/nowhere.db"
    yield f"user:{PASSWORD}"
    yield f"postgresql://user:{QUOTED_PASSWORD}@127.0.0.1:1/db?sslmode={QUOTED_PASSWORD}"
    yield f"postgresql://user:{QUOTED_PASSWORD}@127.0.0.1:1/db?options=-c%20password%3D{QUOTED_PASSWORD}"
    yield from misplaced(drivers)
    yield from sqlite_urls()


# What a driver takes, and may repeat: secrets, files that hold some, and what is none.
_OPTIONS = (
    *("sslpassword", "passfile", "options", "service", "connect_timeout", "dsn", "hunter2"),
    *("charset", "read_default_file", "init_command", "ssl_ca", "auth_plugin", "unix_socket"),
)


def misplaced(drivers: Iterable[str]) -> Iterator[str]:
    """Yield URLs that hold the password elsewhere, once or twice encoded, or in part."""
    conninfo = f"host=127.0.0.1 user=user password={PASSWORD} dbname=db"
    twice = urllib.parse.quote(QUOTED_PASSWORD)
    for driver in drivers:
        whole = f"postgresql://user:{QUOTED_PASSWORD}@127.0.0.1:1/db"
        for path in (conninfo, whole):
            for form in (path, urllib.parse.quote(path, safe=""), urllib.parse.quote(path)):
                yield f"{driver}:///{form}"
                yield f"{driver}://user@127.0.0.1:1/{form}"
        yield f"{driver}://user%3A{QUOTED_PASSWORD}@127.0.0.1:1/db"
        yield f"{driver}://user:{twice}@127.0.0.1:1/db"
        for option in _OPTIONS:
            yield f"{driver}://user@127.0.0.1:1/db?{option}={QUOTED_PASSWORD}"


def sqlite_urls() -> Iterator[str]:
    """Yield URLs of SQLite that were meant for something else."""
    yield f"sqlite:////nowhere/geo.db%3Fkey={QUOTED_PASSWORD}"
    yield f"sqlite:////nowhere/geo.db%3Fkey%3D{QUOTED_PASSWORD}"
    yield f"sqlite:////nowhere/geo.db;password={PASSWORD}"
    yield "sqlite:////nowhere/geo.db?hunter2=1"
    yield f"sqlite:///user:{PASSWORD}@127.0.0.1/db"
    yield f"sqlite:///user:{QUOTED_PASSWORD}@127.0.0.1/db"
    yield f"sqlite:///postgresql://user:{QUOTED_PASSWORD}@127.0.0.1/db"
    yield f"sqlite://user:{QUOTED_PASSWORD}@/geo.db"
    yield f"sqlite:///file:/nowhere/geo.db?uri=true&key={QUOTED_PASSWORD}"


def given(url: str, source: str, directory: Path) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and the environment that hand a URL over."""
    if source == "option":
        return [f"--database-url={url}"], {}
    if source == "environment":
        return [], {"GEOCACHE_CLEANUP_DATABASE_URL": url}
    (directory / "geocache-cleanup.database-url").write_text(url)
    return [], {"CREDENTIALS_DIRECTORY": str(directory)}


# Each URL has 24 trials: such steps come to every command, source and format.
@pytest.mark.parametrize("step", [97, pytest.param(5, marks=pytest.mark.faults)])
def test_every_failure_of_every_url(fork_servers: ForkServers, tmp_path: Path, step: int) -> None:
    """Each command, each source, each log format: a documented end that shows no secret."""
    trials = list(itertools.product(urls(), _SOURCES, COMMANDS, ("json", "text")))
    for url, source, command, form in trials[::step]:
        arguments, environment = given(url, source, tmp_path)
        arguments = [command, "--timeout=2", f"--log-format={form}", *arguments]
        outcome, texts = everything_written(fork_servers, arguments, environment)
        assert outcome.status in DOCUMENTED - {0, 70}, (url, outcome)
        assert not leaks(*texts), (url, texts)
        assert "Traceback" not in outcome.errors, outcome


COMMANDS = ("run", "check", "history", "migrate")


def everything_written(
    fork_servers: ForkServers, arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[Outcome, list[str]]:
    """Run a command; return how it ended, and all that it said: to systemd and Prometheus too."""
    with (
        fork_servers.one() as (fork_server, place),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        metrics, address = place / "geo.prom", place / "notify"
        for path in (metrics, address):
            path.unlink(missing_ok=True)
        manager.bind(str(address))
        manager.setblocking(False)
        more = {"NOTIFY_SOCKET": str(address), "GEOCACHE_CLEANUP_METRICS_FILE": str(metrics)}
        outcome = fork_server.run(*arguments, env={**more, **environment})
        texts = [outcome.output, outcome.errors]
        texts += [metrics.read_text()] if metrics.exists() else []
        with contextlib.suppress(BlockingIOError):
            while True:
                texts.append(manager.recv(1 << 16).decode())
    tally["inputs tried"] += 1
    return outcome, texts


_URL = f"postgresql://user:{QUOTED_PASSWORD}@127.0.0.1:1/db"
# Slips of the keyboard: what stands in the wrong place may be the password, or a URL with it.
_SLIPS = (
    *((option,) for option in ("--hunter2", "-hunter2", "-p", "--databse-url", "--database-url")),
    *((f"{option}={_URL}",) for option in ("--databse-url", "--help", "--dry-run", "--json", "-u")),
    *(("-p", "hunter2"), ("--limit", "hunter2"), ("--max-age", _URL), ("--sql=hunter2",)),
    *(("hunter2",), (_URL,), (_URL, _URL), ("--", _URL), (f"--version={_URL}",)),
    *((f"--instance={_URL}",), ("--limit=0x1hunter2",)),
)


@pytest.mark.parametrize("command", [(), *((name,) for name in (*COMMANDS, "status"))])
def test_usage_errors(fork_servers: ForkServers, command: tuple[str, ...]) -> None:
    """No argument is repeated, whatever is wrong with it."""
    for slip in _SLIPS:
        outcome, texts = everything_written(fork_servers, [*command, *slip], {})
        assert not leaks(*texts), (slip, texts)
        assert "Traceback" not in outcome.errors, outcome


@pytest.mark.parametrize("source", ["option", "environment"])
def test_values_of_other_settings(fork_servers: ForkServers, source: str) -> None:
    """A URL given to the wrong one is refused, and repeated by no command."""
    for setting, command in itertools.product(SETTINGS.values(), ("run", "check", "migrate")):
        if setting.name == "database_url":
            continue
        for text in (_URL, "hunter2://" if setting.read is parsers.name else "hunter2/"):
            arguments = [f"{setting.option}={text}"] if source == "option" else []
            environment = {} if source == "option" else {setting.variable: text}
            outcome, texts = everything_written(
                fork_servers, [command, "--database-url=sqlite:////nowhere/geo.db", *arguments],
                environment,
            )  # fmt: skip
            assert not leaks(*texts), (setting, texts)
            assert outcome.status in DOCUMENTED - {0, 70}, outcome


def test_variables_that_are_none(fork_servers: ForkServers) -> None:
    """Their names are told, not what they hold."""
    names = (
        "GEOCACHE_CLEANUP_PASSWORD",
        "GEOCACHE_CLEANUP_DATABASE_UR",
        "geo_cleanup_database_url",
    )
    outcome, texts = everything_written(fork_servers, ["check"], dict.fromkeys(names, _URL))
    assert outcome.status == 2
    assert all(name in outcome.errors for name in names)
    assert not leaks(*texts), texts


def answer(listener: socket.socket, greetings: list[bytes]) -> None:
    """Greet one connection after another with these bytes, and hang up."""
    with contextlib.suppress(OSError):  # the test is over, or the client has hung up
        for greeting in greetings:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(greeting)


@pytest.mark.parametrize("driver", ["postgresql+psycopg2", "mysql+pymysql", "mysql+mysqldb"])
def test_servers_that_talk_nonsense(fork_servers: ForkServers, driver: str) -> None:
    """Whatever bytes answer, even the password itself, the end is documented and silent."""
    mysql = b"\x4a\x00\x00\x00\x0a5.5.5\x00" + bytes(70)
    echo = b"E" + (len(PASSWORD.encode()) + 40).to_bytes(4, "big") + (
        b"SFATAL\x00C28P01\x00Mno: " + PASSWORD.encode() + b"\x00\x00"
    )  # fmt: skip
    refusal = b"\xff\x15\x04#28000no " + PASSWORD.encode()
    denied = len(refusal).to_bytes(3, "little") + b"\x00" + refusal
    greetings = [
        b"",
        b"\x00" * 100,
        b"HTTP/1.1 400\r\n\r\n",
        random.Random(SEED).randbytes(500),
        mysql,
        echo,
        denied,
    ]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener, greetings * 3), daemon=True).start()
        url = f"{driver}://user:{QUOTED_PASSWORD}@127.0.0.1:{listener.getsockname()[1]}/db"
        for _ in greetings:
            with fork_servers.one() as (fork_server, _place):
                outcome = fork_server.run(
                    "run", "--timeout=3", env={"GEOCACHE_CLEANUP_DATABASE_URL": url}
                )
            tally["faults tried"] += 1
            assert outcome.status in {69, 74, 75, 77, 78}, outcome
            assert not leaks(outcome.output, outcome.errors), outcome
            assert outcome.seconds < 3 + processes.PROMPT


def test_what_others_may_see_of_the_process(tmp_path: Path) -> None:
    """A credential is in no argument and no variable, and none of its own files."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        url = (
            f"postgresql+psycopg2://user:{QUOTED_PASSWORD}@127.0.0.1:{listener.getsockname()[1]}/db"
        )
        _, environment = given(url, "credential", tmp_path)
        process = subprocess.Popen(
            [*commands.COMMAND, "run", "--timeout=20"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=commands.environment(environment),
        )
        connection, _ = listener.accept()
        seen = [Path(f"/proc/{process.pid}/{name}").read_text() for name in ("cmdline", "environ")]
        process.terminate()
        output, errors = process.communicate(timeout=30)
        connection.close()
    assert not leaks(*seen), seen
    assert not leaks(output, errors)
    outcome = Outcome(process.returncode, output, errors, 0)
    assert (outcome.status, outcome.last["event"]) == (0, "geo_cache_cleanup_interrupted")


def test_the_units_allow_no_core_dump() -> None:
    """The memory of a process that crashes holds the password."""
    units = Path(__file__).parents[2] / "packaging" / "systemd"
    for unit in sorted(units.glob("*.service")):
        assert "LimitCORE=0" in unit.read_text(), unit


def test_a_bug_would_show_no_secret(fork_servers: ForkServers) -> None:
    """Even where a system call fails that never does, the event has no secret."""
    url = f"mysql+pymysql://user:{QUOTED_PASSWORD}@127.0.0.1:1/db?ssl_ca=/nowhere/{QUOTED_PASSWORD}"
    for nth in range(1, 30):
        with fork_servers.one() as (fork_server, _):
            outcome = fork_server.run(
                "run", "--timeout=2", env={"GEOCACHE_CLEANUP_DATABASE_URL": url},
                fault=Fault(Kind.OPEN, nth, part="/"),
            )  # fmt: skip
        tally["faults tried"] += 1
        assert not leaks(outcome.output, outcome.errors), outcome
