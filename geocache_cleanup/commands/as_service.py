"""Commands typed where there is a service: they act as it does, none deletes by defaults."""

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.errors import ConfigError, PermissionRefusedError, SettingsError
from geocache_cleanup.systemd import service
from geocache_cleanup.systemd.delegation import Delegation
from geocache_cleanup.systemd.service import Service

if TYPE_CHECKING:
    from geocache_cleanup.invocation import Invocation

_URL = "--database-url names a database for a command to work on by itself"
# What systemd takes unescaped, see systemd-escape(1): with a backslash it finds no settings file.
_INSTANCE = re.compile(r"[A-Za-z0-9:_.-]+")


def run_as_service(invocation: "Invocation", context: Any) -> int | None:
    """Run a command as the service, and return its exit status.

    Return None where this host has none, and it is for this process to do. Raise CleanupError
    where it is for nobody.
    """
    instance = context.params["instance"]
    deletes = invocation.fields.get("dry_run") is False
    if not service.is_booted():
        _refuse_without_systemd(instance, changes=deletes or context.command.name == "migrate")
        return None
    if not (instance or service.is_installed()):
        return None
    target = _target(invocation, instance)
    if deletes:
        raise ConfigError(
            f"in a shell the job has neither the settings nor the sandbox of {target.unit}",
            f"systemctl start {target.unit}; {_URL}",
        )
    if os.geteuid() != 0:
        raise PermissionRefusedError(f"only root can act as {target.unit}", f"use sudo; {_URL}")
    return _delegate(invocation, context, target)


def _refuse_without_systemd(instance: str | None, *, changes: bool) -> None:
    if instance:
        raise ConfigError("--instance is for hosts that systemd runs", _URL)
    found = service.configured() if changes else None
    if found:
        raise ConfigError(
            f"this host has settings of {found.unit}, which this command was not given",
            f"systemctl start {found.unit} where systemd runs; {_URL}",
        )


def _target(invocation: "Invocation", instance: str | None) -> Service:
    """Return the service that is meant; raise CleanupError if there is no such instance."""
    if instance is None:
        return Service()
    if invocation.given["database_url"].source == "option":
        raise SettingsError(["--instance and --database-url exclude each other; give one"])
    if not _INSTANCE.fullmatch(instance):
        raise SettingsError(["--instance must be the name of an instance"])
    target = Service(instance)
    if os.geteuid() == 0 and not target.settings_file.exists():
        known = ", ".join(service.instances()) or "none"
        raise ConfigError(
            f"there is no instance {instance!r}: {target.settings_file} is missing",
            f"make that file, or give one of those there are: {known}",
        )
    return target


def _delegate(invocation: "Invocation", context: Any, target: Service) -> int:
    delegation = Delegation(target, context.command.name)
    if problems := delegation.problems():
        raise SettingsError(problems)
    others = [] if target.instance else service.instances()
    text = f"acting as {target.unit}, with its settings, user and sandbox"
    invocation.remark(text + (f"; for others: --instance {' or '.join(others)}" if others else ""))
    if delegation.is_outdated():
        invocation.remark(f"{target.unit} has changed on the disk: run systemctl daemon-reload")
    allowed = {option for parameter in context.command.params for option in parameter.opts}
    return delegation.run(list(_arguments(invocation, context)), allowed)


def _arguments(invocation: "Invocation", context: Any) -> Iterator[str]:
    """Yield what was given, variables too: as options they count over the service's settings."""
    for parameter in context.command.params:
        name, option = parameter.name, parameter.opts[0]
        value = context.params.get(name)
        if name in SETTINGS and name != "database_url":
            found = invocation.given[name]
            if found.source in {"option", "environment"}:
                yield f"{option}={found.text}"
        elif value is True:
            yield option
        elif value and name not in {"database_url", "instance"}:
            yield f"{option}={value}"
