"""What of a unit a command takes over; that it works is tried on a real systemd."""

import pytest

from geocache_cleanup.systemd import unit_file

UNIT = """# /usr/lib/systemd/system/geocache-cleanup.service
[Unit]
Description=x
[Service]
Type=oneshot
# A=comment
SystemCallFilter=@system-service
ExecPaths=/usr/bin \\
  /usr/lib
[Install]
WantedBy=x
# /etc/systemd/system/geocache-cleanup.service.d/a.conf
[Service]
ExecPaths=
"""


def test_the_lines_of_one_section() -> None:
    """Of all files in their order, with what resets a list, and lines that go on."""
    assert list(unit_file.section(UNIT, "Service")) == [
        ("Type", "oneshot"),
        ("SystemCallFilter", "@system-service"),
        ("ExecPaths", "/usr/bin    /usr/lib"),
        ("ExecPaths", ""),
    ]


def test_an_empty_line_undoes_those_before_it() -> None:
    """But where being empty has a meaning of its own."""
    lines = [("User", "a"), ("StateDirectory", "x"), ("StateDirectory", ""), ("Nice", "10")]
    assert unit_file.in_force(lines) == [("User", "a"), ("Nice", "10")]
    lines = [("CapabilityBoundingSet", "CAP_CHOWN"), ("CapabilityBoundingSet", "")]
    assert unit_file.in_force(lines) == [("CapabilityBoundingSet", "")]


@pytest.mark.parametrize("key", ["ExecPaths", "NoExecPaths", "User", "LoadCredential", "Nice"])
def test_what_is_taken_over(key: str) -> None:
    """The sandbox, the user and the settings."""
    assert unit_file.is_kept(key)


@pytest.mark.parametrize(
    "key", ["ExecStart", "ExecStartPost", "ExecStopPost", "Restart", "RestartSec", "Type"]
)
def test_what_is_left_out(key: str) -> None:
    """What starts and repeats the job."""
    assert not unit_file.is_kept(key)


@pytest.mark.parametrize(
    ("line", "program", "options"),
    [
        ("/usr/bin/geocache-cleanup run", ["/usr/bin/geocache-cleanup"], []),
        ("-/opt/x/bin/geocache-cleanup run", ["/opt/x/bin/geocache-cleanup"], []),
        (
            '/usr/bin/flock /x /usr/bin/geocache-cleanup run --table "a b" --before=now',
            ["/usr/bin/flock", "/x", "/usr/bin/geocache-cleanup"],
            ["--table=a b", "--before=now"],
        ),
    ],
)
def test_the_line_that_starts_the_job(line: str, program: list[str], options: list[str]) -> None:
    """What comes before the command, and the options behind it."""
    assert unit_file.split_start(line) == (program, options)


@pytest.mark.parametrize("line", ["", "/usr/bin/true", "/usr/bin/true run"])
def test_a_line_that_starts_something_else(line: str) -> None:
    """A command cannot act as that."""
    assert unit_file.split_start(line) == ([], [])
