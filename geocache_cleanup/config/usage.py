"""What is wrong with a command line, told by the names of options alone.

What was given is never repeated: it may be a password, or a URL that holds one.
"""

from collections.abc import Sequence
from typing import Any


def explain(error: Any, parameters: Sequence[Any]) -> str:
    """Return a sentence in place of Typer's own; ``parameters`` are those of the command."""
    names = {name: parameter for parameter in parameters for name in parameter.opts}
    if hasattr(error, "possibilities"):
        meant = [name for name in error.possibilities or () if name in names]
        return "There is no such option." + (f" Did you mean {meant[0]}?" if meant else "")
    if parameter := getattr(error, "param", None):
        return f"{parameter.opts[0]} must be a number within its bounds."
    name = getattr(error, "option_name", None)
    if name in names:
        return f"{name} {'takes no' if names[name].is_flag else 'needs a'} value."
    return "The command line cannot be understood."
