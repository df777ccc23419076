"""What tests may do to the machine that they run on."""

import os
import re

from helpers.processes import status_of

_CAP_SYS_ADMIN = 21  # see capabilities(7)


def may_mount() -> bool:
    """Tell whether this is a root that may mount file systems, which one in a container is not."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status_of(os.getpid()), re.MULTILINE)
    return os.geteuid() == 0 and found is not None and bool(int(found[1], 16) >> _CAP_SYS_ADMIN & 1)
