"""What the demo of the README prints is what the README shows of it."""

import re
import subprocess
import sys

from helpers import commands
from helpers.documents import block
from helpers.host import PROJECT

TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?")


def test_the_demo_prints_what_the_readme_shows() -> None:
    """Line by line, but for the time of day."""
    demo = [sys.executable, str(PROJECT / "tests" / "demo.py")]
    done = subprocess.run(
        demo, capture_output=True, text=True, env=commands.environment(), check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The events come on standard error.
    printed = TIME.sub("TIME", done.stdout + done.stderr).splitlines()
    for part in ("Rows by age", "$ geocache-cleanup run"):
        for line in TIME.sub("TIME", block(part)).splitlines():
            assert line in printed
