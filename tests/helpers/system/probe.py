"""Try what a sandbox should deny, and print as JSON what came of it.

Runs inside, by the Python of the system: with the places to try as arguments.
"""

import ctypes
import glob
import json
import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

(LOADER,) = glob.glob("/lib*/ld-linux*.so.*")
(LIBRARY,) = glob.glob("/usr/lib/*/libz.so.1")
PROGRAM = "/usr/bin/true"
CODE = mmap.PROT_READ | mmap.PROT_EXEC


def run(*command: str) -> None:
    """Run a command; raise OSError or CalledProcessError if it does not."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def write(path: str) -> None:
    """Make a file."""
    with open(path, "xb") as file:
        file.write(bytes(mmap.PAGESIZE))


def script(path: str) -> None:
    """Run a text by the interpreter that it names."""
    with open(path, "x") as file:
        file.write("#!/bin/sh\n")
    os.chmod(path, 0o700)
    run(path)


def binary(path: str) -> None:
    """Run a copy of a program."""
    shutil.copy(PROGRAM, path)
    run(path)


def loader(path: str) -> None:
    """Run a copy of a program by the dynamic loader, which may be run itself."""
    shutil.copy(PROGRAM, path)
    run(LOADER, path)


def library(path: str) -> None:
    """Load a copy of a library."""
    shutil.copy(LIBRARY, path)
    ctypes.CDLL(path)


def private_mapping(path: str) -> None:
    """Map a file as code."""
    write(path)
    with open(path, "rb") as file:
        mmap.mmap(file.fileno(), mmap.PAGESIZE, mmap.MAP_PRIVATE, CODE).close()


def shared_mapping(path: str) -> None:
    """Map a file as code that changes with the file."""
    write(path)
    with open(path, "rb") as file:
        mmap.mmap(file.fileno(), mmap.PAGESIZE, mmap.MAP_SHARED, CODE).close()


def file_in_memory(_path: str) -> None:
    """Run a copy of a program that is on no file system."""
    file = os.memfd_create("program")
    with open(PROGRAM, "rb") as program:
        os.write(file, program.read())
    subprocess.run([f"/proc/self/fd/{file}"], pass_fds=[file], check=True)


def memory(_path: str) -> None:
    """Have memory that is written and run."""
    mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE, CODE | mmap.PROT_WRITE).close()


MEANS = (script, binary, loader, library, private_mapping, shared_mapping)


def works(means: Callable[[str], None], path: str) -> bool:
    """Tell whether something is possible; leave no file behind."""
    try:
        means(path)
    except (OSError, subprocess.CalledProcessError):
        return False
    else:
        return True
    finally:
        if os.path.lexists(path):
            os.unlink(path)


def writable_directories() -> Iterator[str]:
    """Find all directories in which a file can be made; /proc has none, but many processes."""
    for directory, below, _files in os.walk("/"):
        if directory == "/":
            below.remove("proc")
        if works(write, f"{directory}/probe"):
            yield directory


def flags(path: str) -> int:
    """Return the flags of the mount that a path is on."""
    return os.statvfs(path).f_flag


def mounts_for_both() -> Iterator[str]:
    """Find the mounts that are neither read-only nor without execution."""
    with open("/proc/self/mountinfo") as file:
        paths = {line.split()[4] for line in file}
    # Those that cannot be reached are hidden by another mount.
    for path in filter(os.path.exists, paths):
        if not flags(path) & (os.ST_RDONLY | os.ST_NOEXEC):
            yield path


def main(places: list[str]) -> None:
    """Print one line."""
    found = {
        "places": {
            place: [means.__name__ for means in MEANS if works(means, f"{place}/probe")]
            for place in places
        },
        "memory": [means.__name__ for means in (file_in_memory, memory) if works(means, "")],
        "writable": sorted(writable_directories()),
        "mounts": sorted(mounts_for_both()),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
