"""What the end of a session tells beside what passed: what was tried, and what was left out."""

from collections import Counter
from collections.abc import Sequence

import pytest

# What was left out, and why, to be told at the end.
left_out: set[str] = set()
# How many faults and inputs were tried, and what was lost, to be told at the end.
tally: Counter[str] = Counter()


def leave_out(
    config: pytest.Config, items: list[pytest.Item], some: Sequence[pytest.Item], why: str = ""
) -> None:
    """Take tests out of those to run, and remember why if there is something to tell."""
    gone = set(some)
    config.hook.pytest_deselected(items=list(some))
    items[:] = [item for item in items if item not in gone]
    if gone and why:
        left_out.add(f"{len(gone)} tests were left out: {why}")
