"""Settings for all tests: how many examples Hypothesis tries, on which servers, what stays."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from helpers import reporting

# pytest --hypothesis-profile=thorough is for CI and for changes to how times are read. Both try the
# same inputs each time: what a change breaks is told apart from what chance finds; that is explore.
# A machine that is busy with other things is no failure of a test.
COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=150, derandomize=True, **COMMON)
settings.register_profile("thorough", max_examples=1_000, derandomize=True, **COMMON)
settings.register_profile("explore", max_examples=5_000, **COMMON)
settings.load_profile("quick")

_PASSED = pytest.StashKey[bool]()
_SCRATCH = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let it be chosen which database servers to run the tests of servers on."""
    parser.addoption(
        "--servers",
        default="some",
        metavar="some|all|NAME,...",
        help="servers for tests/servers: those of this machine and a part of the tests on all"
        " others (some), all tests on all, or all tests on those named, as they are in"
        " helpers/servers/releases.py",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let all that the tests write be in one directory of this session."""
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.stash[_SCRATCH] = Path(tempfile.mkdtemp(prefix="geocache-cleanup-tests-"))
        config.option.basetemp = str(config.stash[_SCRATCH])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember of each test whether it has passed."""
    outcome: Any = yield
    report = outcome.get_result()
    item.stash[_PASSED] = report.passed and item.stash.get(_PASSED, True)


@pytest.fixture
def tmp_path(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Remove what a test has written if it passed: thousands shall need no more room than one."""
    yield tmp_path
    if request.node.stash.get(_PASSED, False):
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist has counted and left out."""
    output = getattr(node, "workeroutput", {})
    reporting.left_out |= set(output.get("left_out", ()))
    reporting.tally.update(output.get("tally", {}))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Hand both over, where this is such a process."""
    session.config.stash[_PASSED] = exitstatus in {
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    }
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = sorted(reporting.left_out)
        session.config.workeroutput["tally"] = dict(reporting.tally)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end, where it is seen, what was tried and which tests did not run."""
    if reporting.tally:
        counts = ("tables tried", "values judged", "faults tried", "inputs tried", "rows lost")
        told = "; ".join(f"{name}: {reporting.tally[name]}" for name in counts)
        terminalreporter.write_line(told)
    for said in sorted(reporting.left_out):
        terminalreporter.write_line(said, yellow=True)
    config = terminalreporter.config
    if _SCRATCH in config.stash and not config.stash.get(_PASSED, False):
        terminalreporter.write_line(f"What the tests wrote is kept in {config.stash[_SCRATCH]}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind that nobody has to look at, and nothing that is still mounted."""
    scratch = config.stash.get(_SCRATCH, None)
    is_mounted = str(scratch) in Path("/proc/mounts").read_text()
    if scratch and config.stash.get(_PASSED, False) and not is_mounted:
        shutil.rmtree(scratch, ignore_errors=True)
