"""The options of the commands, and how Typer is told to leave their text alone."""

import inspect
from collections.abc import Callable
from typing import Any, Optional

import typer
from typer.core import TyperCommand, TyperGroup

from geocache_cleanup.config import usage
from geocache_cleanup.config.settings import SETTINGS, Setting

_TEXT = {*SETTINGS, "instance"}


class _AsText:
    """Take options as the text they are, to be read with the settings.

    Typer since 0.26 loads pydantic to turn text into text, and to find that --help was not
    given: a quarter of the time of a nightly run.
    """

    params: list[Any]

    # Typer's own error would repeat them, and with them the password of a URL.
    allow_extra_args = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the arguments; of those that are wrong none is repeated either."""
        parse: Callable[[Any, list[str]], list[str]] = super().parse_args  # type: ignore[misc]  # as below
        try:
            return parse(ctx, args)
        except Exception as error:
            if not hasattr(error, "format_message"):  # Typer has no name for its usage errors
                raise
            wrong = error
        # Not as another error's cause, which a traceback would show.
        return ctx.fail(usage.explain(wrong, self.params))  # type: ignore[no-any-return]  # it raises

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if parameter.name in _TEXT:
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

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; what is none is not repeated: it may be a URL with a password."""
        if self.get_command(ctx, args[0]) is None:
            import difflib  # only for the few who mistype

            meant = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            ctx.fail("There is no such command." + (f" Did you mean {meant[0]}?" if meant else ""))
        return super().resolve_command(ctx, args)


def with_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of some settings, in this order, and ``--instance``.

    It may name its own among them. They are text, and read all together from the context; the
    command only takes them.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = {
            name: parameter
            for name, parameter in inspect.signature(command).parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD
        }
        listed = {name: own.get(name) or _parameter(SETTINGS[name]) for name in names}
        last = {name: parameter for name, parameter in own.items() if name not in names}
        context = last.pop("context")
        parameters = [context, *listed.values(), *last.values(), _INSTANCE]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
        return command

    return decorate


def _parameter(setting: Setting) -> inspect.Parameter:
    default = f", default: {setting.default}" if setting.default else ""
    text = f"{setting.help} [env: {setting.variable}{default}]"
    return _text(setting.name, setting.option, setting.metavar, text)


def _text(name: str, option: str, metavar: str, text: str) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=typer.Option(None, option, metavar=metavar, help=text),
        annotation=Optional[str],
    )


_INSTANCE = _text("instance", "--instance", "NAME", "Act as geocache-cleanup@NAME.service.")
