"""A file that is only ever replaced: whatever has its name is neither written nor followed."""

import contextlib
import os
import stat

from geocache_cleanup.errors import ConfigError, PermissionRefusedError
from geocache_cleanup.metrics.directory import open_directory

# To read what is small; and no pipe or device may keep the reader, should one take the name.
_MOST_BYTES = 1 << 16
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o644
_OF_ITS_OWN = "set --metrics-file to a file of its own"


class ReplacedFile:
    """The metrics file: a name in a directory that is opened once, and kept to the end.

    The new file is put together beside the old one and takes its name in one step. Anybody may
    read it (mode 0644, whatever the umask), as the node exporter is another user. It belongs to
    the user of the job and to their group, or that of a directory with the set-group-ID bit;
    whose the old one was does not count.
    """

    def __init__(self, path: str, beginning: bytes) -> None:
        """Open the directory; raise CleanupError if there is none that can be used.

        ``beginning`` is what tells the file from others; an empty one may be replaced as well.
        """
        self.path = path
        self._beginning = beginning
        directory, self._name = os.path.split(path)
        try:
            self._directory = open_directory(directory)
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigError(
                f"there is no directory {directory!r} for the metrics file", "set --metrics-file"
            ) from None
        except OSError as error:
            raise _unusable(path, error) from None

    def check(self, forbidden: frozenset[str]) -> None:
        """Raise CleanupError if it could not be replaced, or is another's; nothing is changed.

        ``forbidden`` are real paths.
        """
        # It is the directory that counts, as the file itself is not written.
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self._directory):
            raise PermissionRefusedError(
                f"no permission to write the metrics file in {os.path.dirname(self.path)!r}",
                "give the directory to the user of the job",
                "give the directory to the user of the job, and copy the example metrics.conf to "
                "the unit's drop-ins: ReadWritePaths= and NoExecPaths= are the directory",
            )
        # One of a name that SQLite uses, even where there is none yet, would keep others out.
        if any(map(self._is, forbidden)):
            raise ConfigError(
                f"the metrics file {self.path!r} is a file of the database", _OF_ITS_OWN
            )
        try:
            old = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
            self._check_old(old)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _unusable(self.path, error) from None

    def _is(self, path: str) -> bool:
        if os.path.basename(path) != self._name:
            return False
        with contextlib.suppress(OSError):
            return os.path.samestat(os.stat(os.path.dirname(path)), os.fstat(self._directory))
        return False

    def _check_old(self, old: os.stat_result) -> None:
        """Refuse to replace what is no metrics file, whatever made somebody name it."""
        if stat.S_ISLNK(old.st_mode):
            raise ConfigError(f"the metrics file {self.path!r} is a symbolic link", _OF_ITS_OWN)
        is_file = stat.S_ISREG(old.st_mode)
        if is_file:
            self._check_owner(old)
        if not is_file or not self._is_metrics():
            raise ConfigError(
                f"{self.path!r} exists and is not a metrics file of geocache-cleanup", _OF_ITS_OWN
            )

    def _check_owner(self, old: os.stat_result) -> None:
        directory = os.fstat(self._directory)
        owners = {0, old.st_uid, directory.st_uid}
        if directory.st_mode & stat.S_ISVTX and os.geteuid() not in owners:
            raise PermissionRefusedError(
                f"the metrics file {self.path!r} belongs to another user, and its directory is "
                "sticky",
                "remove the file: the next run makes it anew",
            )

    def _is_metrics(self) -> bool:
        # The beginning, not any part: the database itself holds what the file is about, too.
        return (self.read() or self._beginning).startswith(self._beginning)

    def read(self) -> bytes:
        """Return the beginning of what is there; raise OSError if that cannot be read."""
        number = os.open(self._name, _READ, dir_fd=self._directory)
        with open(number, "rb") as file:
            return file.read(_MOST_BYTES)

    def replace(self, content: bytes) -> None:
        """Replace it in one step; raise OSError if that fails, the old file is then intact."""
        new = f".geocache-cleanup-{os.urandom(8).hex()}"
        number = os.open(new, _NEW, 0o600, dir_fd=self._directory)
        try:
            with open(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(number, _MODE)
                os.fsync(number)
            os.replace(new, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except BaseException:
            os.unlink(new, dir_fd=self._directory)
            raise


def _unusable(path: str, error: OSError) -> ConfigError | PermissionRefusedError:
    reason = f"the metrics file {path!r} cannot be reached or read: {error.strerror}"
    if isinstance(error, PermissionError):
        return PermissionRefusedError(
            reason, "give the directory and what is in its place to the user of the job"
        )
    return ConfigError(reason, "set --metrics-file")
