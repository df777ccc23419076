"""Which driver a server's URL is opened with: the one it names, or the one that is installed."""

import importlib.util
from dataclasses import dataclass
from typing import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import URL

from geocache_cleanup.errors import ConfigError


@dataclass(frozen=True)
class Driver:
    """A driver: its name in a URL, the module it is, and the Debian package that has it."""

    name: str
    module: str
    package: str


_POSTGRESQL = (
    Driver("psycopg2", "psycopg2", "python3-psycopg2"),
    Driver("psycopg", "psycopg", "python3-psycopg"),
)
_MYSQL = (
    Driver("pymysql", "pymysql", "python3-pymysql"),
    Driver("mysqldb", "MySQLdb", "python3-mysqldb"),
)
_DRIVERS: Mapping[str, Sequence[Driver]] = {
    "postgresql": _POSTGRESQL,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
_EXTRAS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


def with_driver(url: URL) -> URL:
    """Return the URL with a driver that is installed.

    Raise ConfigError naming what to install, or the drivers there are.
    """
    engine = url.get_backend_name()
    known = _DRIVERS[engine]
    _, _, wanted = url.drivername.partition("+")
    choice = [driver for driver in known if wanted in {"", driver.name}]
    if not choice:
        raise ConfigError(
            f"{url.drivername!r} is not a supported driver",
            "use " + ", ".join(f"{engine}+{driver.name}://" for driver in known),
        )
    for driver in choice:
        if _is_usable(engine, driver):
            return url.set(drivername=f"{engine}+{driver.name}")
    what = choice[0].name if wanted else f"no driver for {engine}"
    raise ConfigError(
        f"{what} is {'not installed' if wanted else 'installed'}"
        + (", or needs a newer SQLAlchemy" if wanted == "psycopg" else ""),
        f"apt install {choice[0].package}, or pip install 'geocache-cleanup[{_EXTRAS[engine]}]'",
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
