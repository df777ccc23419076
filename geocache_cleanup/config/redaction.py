"""What of a database URL is secret, in each form in which a library may repeat it."""

import re
import urllib.parse
from collections.abc import Iterator

# Values without which nobody understands what a driver says of a connection.
_PLAIN_KEYS = {"host", "hostaddr", "port", "unix_socket"}
_PLAIN = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full", "true", "false"}
# A number, or so short that half of a sentence would go with it.
_TOO_COMMON = re.compile(r"[\d.]*|.{1,3}", re.DOTALL)
# What a part of a URL holds that was meant to be another, encoded or not: a whole URL, a
# conninfo, what stands before the host.
_OF_USER = re.compile(r"[:/=?]")
_OF_HOST = re.compile(r"[@=\s]")
_OF_DATABASE = re.compile(r":[^@]*@|@[^/]*/|://|\w\s*=")
_PASSWORD_KEY = re.compile("pass|pwd|secret|token|key", re.IGNORECASE)


def secrets_of(text: str) -> set[str]:
    """Return what may be secret in the text of a URL, whether or not that can be parsed."""
    rest = text.partition("://")[2] or text
    # An @ in a password should have been encoded.
    users = (rest.partition("@")[0], rest.rpartition("@")[0])
    found = {user.partition(":")[2] for user in users if "@" in rest}
    for pair in re.split("[&;]", rest.partition("?")[2]):
        key, _, value = pair.partition("=")
        found |= set(_parts(key, value))
    return {form for secret in found for form in _forms(secret) if form}


def is_password(key: str) -> bool:
    """Tell whether an option of a URL is for a secret."""
    return _PASSWORD_KEY.search(key) is not None


def is_misread(username: str | None, host: str | None, database: str | None) -> bool:
    """Tell whether a part of a URL that is shown holds one of a password.

    An @ or a slash in the password has that effect, or one slash too many before the user, or a
    conninfo.
    """
    shown = ((_OF_USER, username), (_OF_HOST, host), (_OF_DATABASE, database))
    return any(wrong.search(decoded(part or "")) for wrong, part in shown)


def decoded(text: str) -> str:
    """Undo percent-encoding, as often as it was applied."""
    while (plain := urllib.parse.unquote(text)) != text:
        text = plain
    return text


def _parts(key: str, value: str) -> Iterator[str]:
    """Yield the value of an option, and the parts of which a server may name one."""
    if is_password(key):
        yield value
    elif key not in _PLAIN_KEYS:
        for part in (value, *re.split(r"[\s=,:]+", decoded(value.replace("+", " ")))):
            if part not in _PLAIN and not _TOO_COMMON.fullmatch(part):
                yield part


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it was written, decoded once or more, and as each may be written again."""
    once = urllib.parse.unquote(secret)
    for text in {secret, once, urllib.parse.unquote_plus(secret), decoded(secret)}:
        yield from (text, repr(text)[1:-1], ascii(text)[1:-1])
        yield from (urllib.parse.quote(text), urllib.parse.quote(text, safe=""))
        yield urllib.parse.quote_plus(text)
        yield "; ".join(line.strip() for line in text.splitlines())
