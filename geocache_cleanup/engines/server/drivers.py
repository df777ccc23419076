"""Which driver a server's URL is opened with: the one it names, or the one that is installed."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import URL

from geocache_cleanup.errors import ConfigError


@dataclass(frozen=True)
class Driver:
    """A driver: its name in a URL, the module it is, and the Debian package that has it."""

    name: str
    module: str
    package: str


def with_driver(url: URL, drivers: Sequence[Driver], extra: str) -> URL:
    """Return the URL with the first of some drivers that is installed, or the one it names.

    Raise ConfigError naming what to install, or the drivers there are.
    """
    engine, _, wanted = url.drivername.partition("+")
    choice = [driver for driver in drivers if wanted in {"", driver.name}]
    if not choice:
        raise ConfigError(
            f"{url.drivername!r} is not a supported driver",
            "use " + ", ".join(f"{engine}+{driver.name}://" for driver in drivers),
        )
    for driver in choice:
        if _is_usable(engine, driver):
            return url.set(drivername=f"{engine}+{driver.name}")
    what = choice[0].name if wanted else f"no driver for {engine}"
    raise ConfigError(
        f"{what} is {'not installed' if wanted else 'installed'}"
        + (", or needs a newer SQLAlchemy" if wanted == "psycopg" else ""),
        f"apt install {choice[0].package}, or pip install 'geocache-cleanup[{extra}]'",
    )


def _is_usable(engine: str, driver: Driver) -> bool:
    if importlib.util.find_spec(driver.module) is None:
        return False
    try:
        # SQLAlchemy 1.4 knows nothing of psycopg 3.
        sa.dialects.registry.load(f"{engine}.{driver.name}")
    except sa.exc.NoSuchModuleError:
        return False
    return True


def version_of(module: object) -> str:
    """Return a driver's version, without what some of them put after it."""
    parts = getattr(module, "version_info", ())[:3]
    version = getattr(module, "__version__", "") or ".".join(map(str, parts))
    return str(version).partition(" ")[0]
