"""Links that others put in the way of the metrics file: nothing is written through one."""

import fcntl
import os
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from geocache_cleanup.metrics.metrics_file import PREFIX
from helpers import commands, tables
from helpers.host import LARGE_FILES

NOBODY, SOMEBODY = 65_534, 65_533
# Who becomes another user may not be able to read the source: a first run loads what it needs.
_LOAD = """
import os
from geocache_cleanup.__main__ import run
sys.argv = ["geocache-cleanup", "run", "--database-url=sqlite:///{here}/other.db",
            "--metrics-file={here}/other.prom"]
run()
os.setgroups([])
os.setresgid({user}, {user}, {user})
os.setresuid({user}, {user}, {user})
"""
OLD_METRICS = f"# HELP {PREFIX}last_run_success of another\n"


@pytest.fixture(params=["0", "1"])
def protected_symlinks(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let the kernel follow anybody's link in a sticky directory, and let it not."""
    setting = Path("/proc/sys/fs/protected_symlinks")
    with setting.open() as lock:  # it is that of the machine
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = setting.read_text()
        setting.write_text(request.param)
        yield request.param
        setting.write_text(before)


@pytest.fixture(params=[0, SOMEBODY], ids=["root", "user"])
def user(request: pytest.FixtureRequest) -> int:
    """Return who runs the job."""
    return int(request.param)


@pytest.fixture
def place(user: int) -> Iterator[Path]:
    """Return a directory that all can reach: a database in it, a sticky one, one of the user's."""
    with tempfile.TemporaryDirectory(dir=LARGE_FILES) as directory:
        here = Path(directory)
        here.chmod(0o755)
        for name, mode in (("own", 0o700), ("sticky", 0o1777)):
            (here / name).mkdir()
            (here / name).chmod(mode)
        for path in (here / "own" / "geo.db", here / "other.db"):
            tables.make_table(path, [("old", "2020-01-01")])
        (here / "own" / "precious").write_text("not for others\n")
        (here / "own" / "empty").touch()
        for path in (here / "own", *(here / "own").iterdir()):
            path.chmod(path.stat().st_mode & 0o700)
            os.chown(path, user, user)
        yield here


def run(place: Path, user: int, file: Path, first: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the job as a user, with a umask that keeps all others out."""
    return commands.execute_in_python(
        "run",
        commands.url(place / "own" / "geo.db"),
        f"--metrics-file={file}",
        first=(_LOAD.format(here=place, user=user) if user else "") + first,
        umask=0o077,
    )


def contents(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Return what is in a directory: mode and bytes of each file."""
    return {
        path.name: (path.stat().st_mode, path.read_bytes()) for path in sorted(directory.iterdir())
    }


def link(path: Path, target: object) -> Path:
    """Make a link of somebody else's."""
    path.symlink_to(str(target))
    os.lchown(path, NOBODY, NOBODY)
    return path


def link_to_file(own: Path, sticky: Path) -> Path:
    return link(sticky / "geo.prom", own / "precious")


def link_to_empty_file(own: Path, sticky: Path) -> Path:
    return link(sticky / "geo.prom", own / "empty")


def link_to_nothing(own: Path, sticky: Path) -> Path:
    return link(sticky / "geo.prom", own / "new")


def chain(own: Path, sticky: Path) -> Path:
    """Make more links than the kernel follows at once."""
    target: object = own / "precious"
    for number in range(45):
        target = link(sticky / str(number), target).name
    return link(sticky / "geo.prom", target)


def link_on_the_way(own: Path, sticky: Path) -> Path:
    return link(sticky / "way", own) / "geo.prom"


def link_from_afar(own: Path, sticky: Path) -> Path:
    """Let a link of root's lead to where others can put one."""
    (sticky.parent / "far").symlink_to("sticky/way")
    link(sticky / "way", own)
    return sticky.parent / "far" / "geo.prom"


def pipe(_: Path, sticky: Path) -> Path:
    os.mkfifo(sticky / "geo.prom", 0o666)
    return sticky / "geo.prom"


@pytest.mark.parametrize(
    "cause",
    [
        link_to_file,
        link_to_empty_file,
        link_to_nothing,
        chain,
        link_on_the_way,
        link_from_afar,
        pipe,
    ],
)
@pytest.mark.usefixtures("protected_symlinks")
def test_what_others_put_in_the_way(
    place: Path, user: int, cause: Callable[[Path, Path], Path]
) -> None:
    """Refused before the run, whoever runs it and whatever the kernel would follow."""
    file = cause(place / "own", place / "sticky")
    before = contents(place / "own")
    done = run(place, user, file)
    assert done.returncode == 78, done.stderr
    assert "metrics" in commands.events(done.stderr)[-1]["reason"]
    assert contents(place / "own") == before


@pytest.mark.usefixtures("protected_symlinks")
@pytest.mark.parametrize("text", [OLD_METRICS, "not for others\n"])
def test_a_hard_link_is_replaced(place: Path, user: int, text: str) -> None:
    """The file that it also is keeps what it holds, and its mode and owner."""
    other = place / "own" / "precious"
    other.write_text(text)
    os.link(other, place / "sticky" / "geo.prom")
    done = run(place, user, place / "sticky" / "geo.prom")
    assert done.returncode == (0 if text == OLD_METRICS else 78), done.stderr
    status = other.stat()
    assert (status.st_uid, status.st_mode & 0o777, other.read_text()) == (user, 0o600, text)


@pytest.mark.parametrize("user", [SOMEBODY])
def test_an_old_file_that_cannot_be_read(place: Path, user: int) -> None:
    """Its last success would be lost: refused beforehand, as is a directory out of reach."""
    open_directory, closed = place / "sticky", place / "closed"
    open_directory.chmod(0o777)
    (open_directory / "geo.prom").touch(0o600)
    closed.mkdir(0o700)
    for file in (open_directory / "geo.prom", closed / "geo.prom"):
        done = run(place, user, file)
        assert done.returncode == 77, done.stderr
        assert "metrics" in commands.events(done.stderr)[-1]["reason"]
    assert len(tables.fetch(place / "own" / "geo.db", "SELECT 1 FROM geo_cache")) == 1


@pytest.mark.usefixtures("protected_symlinks")
def test_mode_and_owner_of_the_new_file(place: Path, user: int) -> None:
    """Anybody may read it; by a link that root made it goes where that leads."""
    target, way = place / "target", place / "way"
    target.mkdir()
    os.chown(target, user, NOBODY)
    target.chmod(0o2755)
    way.symlink_to("target")
    for _ in range(2):
        done = run(place, user, way / "geo.prom")
        assert done.returncode == 0, done.stderr
        status = (target / "geo.prom").stat()
        assert (status.st_uid, status.st_gid) == (user, NOBODY)
        assert stat.S_IMODE(status.st_mode) == 0o644
    assert os.listdir(target) == ["geo.prom"]


@pytest.mark.usefixtures("protected_symlinks")
def test_a_directory_that_is_swapped_during_the_run(place: Path, user: int) -> None:
    """What is written goes where it was looked at, and not to what took the name."""
    sticky, address = place / "sticky", place / "notify"
    with (
        tables.connected(place / "own" / "geo.db") as connection,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        ThreadPoolExecutor() as pool,
    ):
        manager.bind(str(address))
        manager.settimeout(60)
        address.chmod(0o666)
        connection.execute("BEGIN IMMEDIATE")
        first = f"import os; os.environ['NOTIFY_SOCKET'] = {str(address)!r}\n"
        running = pool.submit(run, place, user, sticky / "geo.prom", first)
        while b"Waiting" not in manager.recv(4096):
            pass
        sticky.rename(place / "moved")
        link(sticky, place / "own")
        connection.execute("ROLLBACK")
        done = running.result()
    assert (done.returncode, "metrics_problem" in done.stderr) == (0, False), done.stderr
    assert os.listdir(place / "moved") == ["geo.prom"]
    assert not (place / "own" / "geo.prom").exists()
