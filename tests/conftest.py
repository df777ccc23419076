"""Settings for all tests: how many examples Hypothesis tries, and on which servers."""

from typing import Any

import pytest
import support
from hypothesis import HealthCheck, settings

# pytest --hypothesis-profile=thorough is for CI and for changes to how times are read.
# A machine that is busy with other things is no failure of a test.
SLOW = [HealthCheck.too_slow]
settings.register_profile("quick", max_examples=150, deadline=None, suppress_health_check=SLOW)
settings.register_profile("thorough", max_examples=1_500, deadline=None, suppress_health_check=SLOW)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let it be chosen which database servers to run the tests of servers on."""
    parser.addoption(
        "--servers",
        default="some",
        metavar="some|all|NAME,...",
        help="servers for tests/servers: those of this machine and a part of the tests on all"
        " others (some), all tests on all, or all tests on those named; see servers/releases.py",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist has left out."""
    support.left_out |= set(getattr(node, "workeroutput", {}).get("left_out", ()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what was left out, where this is such a process."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = sorted(support.left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end, where it is seen, which tests did not run."""
    for said in sorted(support.left_out):
        terminalreporter.write_line(said, yellow=True)
