"""File systems in an image of their own, mounted by a loop device."""

import fcntl
import os
import struct
import subprocess
from pathlib import Path

# The kernel's own test of power cuts, see fs/ext4/ioctl.c: no byte more reaches the image.
_SHUTDOWN, _NOLOGFLUSH = 0x8004587D, 2


class Disk:
    """A file system in an image; ``place`` is where it is mounted."""

    def __init__(self, directory: Path, kind: str, size: int) -> None:
        self._image = directory / f"{kind}.img"
        self.place = directory / kind
        self.place.mkdir()
        with self._image.open("wb") as file:
            file.truncate(size)
        subprocess.run([f"mkfs.{kind}", "-q", self._image], check=True)
        self.mount()

    def mount(self) -> None:
        """Mount it; a journal is replayed."""
        subprocess.run(["mount", "-o", "loop", self._image, self.place], check=True)

    def unmount(self) -> None:
        """Unmount it, at the latest when nobody has a file of it open any more.

        A process that is about to start another one shares all files of this one for a moment.
        """
        subprocess.run(["umount", "--lazy", self.place], check=True)

    def sync(self) -> None:
        """Write everything to the image."""
        subprocess.run(["sync", "--file-system", self.place], check=True)

    def cut_power(self) -> None:
        """Let nothing reach the image that is not there yet, and every change fail."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def power_up(self) -> None:
        """Come back as after a power cut, with what the image holds."""
        self.unmount()
        # A copy: who shares a file, or has made a namespace of mounts, keeps the dead one alive.
        copy = self._image.with_suffix(".copy")
        subprocess.run(["cp", "--sparse=always", self._image, copy], check=True)
        copy.replace(self._image)
        self.mount()
