"""Settings for all tests: how many examples Hypothesis tries, and on which servers."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from helpers import reporting

# pytest --hypothesis-profile=thorough is for CI and for changes to how times are read. Both try the
# same inputs each time: what a change breaks is told apart from what chance finds; that is explore.
# A machine that is busy with other things is no failure of a test.
COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=150, derandomize=True, **COMMON)
settings.register_profile("thorough", max_examples=1_500, derandomize=True, **COMMON)
settings.register_profile("explore", max_examples=5_000, **COMMON)
settings.load_profile("quick")


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


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist has counted and left out."""
    output = getattr(node, "workeroutput", {})
    reporting.left_out |= set(output.get("left_out", ()))
    reporting.tally.update(output.get("tally", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand both over, where this is such a process."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = sorted(reporting.left_out)
        session.config.workeroutput["tally"] = dict(reporting.tally)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end, where it is seen, what was tried and which tests did not run."""
    if reporting.tally:
        counts = ("faults tried", "inputs tried", "rows lost")
        told = "; ".join(f"{name}: {reporting.tally[name]}" for name in counts)
        terminalreporter.write_line(told)
    for said in sorted(reporting.left_out):
        terminalreporter.write_line(said, yellow=True)
