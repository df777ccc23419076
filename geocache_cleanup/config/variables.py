"""Variables that look like settings and are none: a mistyped one must not leave a default."""

from collections.abc import Iterable, Iterator, Sequence

from geocache_cleanup.config.settings import SETTINGS, VARIABLE_PREFIX

_KNOWN = [setting.variable for setting in SETTINGS.values()]
# How alike a name without our prefix must be to one of ours, as difflib counts it.
_ALIKE = 0.85


def unknown(environment: Iterable[str]) -> Sequence[str]:
    """Return a problem for each variable of the environment that was probably meant for us."""
    return list(_unknown(environment))


def _unknown(environment: Iterable[str]) -> Iterator[str]:
    for name in environment:
        upper = name.upper().replace("-", "_")
        if name in _KNOWN or ("CLEAN" not in upper and "CACHE" not in upper):
            continue
        meant = _closest(upper)
        if meant or upper.startswith(VARIABLE_PREFIX):
            yield f"{name} is no setting" + (f"; did you mean {meant}?" if meant else "")


def _closest(name: str) -> str | None:
    import difflib  # only for the few who mistype

    low = 0.6 if name.startswith(VARIABLE_PREFIX) else _ALIKE
    return next(iter(difflib.get_close_matches(name, _KNOWN, 1, low)), None)
