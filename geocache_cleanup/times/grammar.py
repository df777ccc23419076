"""The grammar of stored text: dates and times with their zones, and numbers.

``engines/server/text_search.py`` has the same in SQL, by the same words.
"""

import re

Match = re.Match[str]

_CLOCK = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
_ZONE = r"Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?"
# Behind an offset Go writes the zone's name and its monotonic clock, Java the region.
_NAME = r"(?: (?:[A-Za-z]{1,10}|[+-][0-9]{2}(?:[0-9]{2})?))?"
_MONOTONIC = r"(?: m=[+-][0-9]+(?:\.[0-9]+)?)?"
_REGION = r"(?:\[[A-Za-z0-9_+:/-]{1,40}\])?"
TEXT = re.compile(
    rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}})(?:[Tt ]{_CLOCK})?"
    rf"(?: ?({_ZONE})(?:(?<=[Z0-9]){_NAME}{_MONOTONIC}{_REGION})?)?"
)
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


def has_zone(text: str) -> bool:
    """Tell whether time text says its own zone; a bare date counts as midnight UTC."""
    match = TEXT.fullmatch(text)
    return match is not None and (match[8] is not None or match[4] is None)
