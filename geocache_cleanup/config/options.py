"""The options of the commands, and how Typer is told to leave their text alone."""

from typing import Any, Optional

import typer
from typer.core import TyperCommand, TyperGroup

from geocache_cleanup.config.settings import SETTINGS


class _AsText:
    """Take options as the text they are, to be read with the settings.

    Typer since 0.26 loads pydantic to turn text into text, and to find that --help was not
    given: a quarter of the time of a nightly run.
    """

    params: list[Any]

    # Typer's own error would repeat them, and with them the password of a URL.
    allow_extra_args = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if parameter.name in SETTINGS:
                parameter.process_value = _as_given

    def get_help_option(self, context: Any) -> Any:
        """Return the option; it is converted only where it was given."""
        option = super().get_help_option(context)  # type: ignore[misc]  # of the class it is mixed into
        convert = option.process_value
        option.process_value = lambda context, value: value and convert(context, value)
        return option


def _as_given(_context: object, value: Optional[str]) -> Optional[str]:
    return value


class TextCommand(_AsText, TyperCommand):
    """A command that takes its options as text."""


class TextGroup(_AsText, TyperGroup):
    """The group of the commands."""


def _option(name: str) -> Any:
    """Declare a setting's option: as text, so that all settings are checked together."""
    setting = SETTINGS[name]
    default = f", default: {setting.default}" if setting.default else ""
    return typer.Option(
        None, setting.option, help=f"{setting.help} [env: {setting.variable}{default}]"
    )


DATABASE_URL = _option("database_url")
TABLE = _option("table")
TIME_COLUMN = _option("time_column")
RETENTION_DAYS = _option("retention_days")
BEFORE = _option("before")
TIME_ZONE = _option("time_zone")
TIMEOUT = _option("timeout")
BATCH_SECONDS = _option("batch_seconds")
RECLAIM = _option("reclaim")
MAX_DELETE_PERCENT = _option("max_delete_percent")
METRICS_FILE = _option("metrics_file")
LOG_FORMAT = _option("log_format")
LOG_LEVEL = _option("log_level")
JSON = typer.Option(False, "--json", help="Print one JSON document.")
