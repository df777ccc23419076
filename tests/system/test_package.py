"""The package as a file: checks of its form, and the parts of it that no run uses."""

import hashlib
import re
import shlex
import stat
from pathlib import Path

import pytest

from geocache_cleanup import __version__
from geocache_cleanup.events import Event
from helpers.host import call
from helpers.system.machine import Machine

pytestmark = pytest.mark.system

PROJECT = Path(__file__).parents[2]
PYTHON = "/lib/python3/dist-packages/"
DEBIAN_DOCUMENTS = ("README.md", "changelog", "copyright")
COMMANDS = {"run", "check", "history", "status", "migrate"}


def test_the_build_is_reproducible(debs: list[Path]) -> None:
    """Two builds are one file, byte by byte."""
    assert debs[0] != debs[1]
    assert len({hashlib.sha256(deb.read_bytes()).hexdigest() for deb in debs}) == 1


def test_a_packager_gets_what_the_package_has(deb: Path, tmp_path: Path) -> None:
    """The script installs all of it but Python, and what Debian's tools make of the documents."""
    directories = ["PREFIX=/usr", "zshdir=/usr/share/zsh/vendor-completions"]
    script = PROJECT / "packaging" / "install.sh"
    call("env", f"DESTDIR={tmp_path}/by-script", *directories, "sh", script)
    call("dpkg-deb", "--extract", deb, tmp_path / "package")
    call("find", tmp_path / "package", "-name", "*.gz", "-exec", "gunzip", "{}", "+")
    by_script, package = contents(tmp_path / "by-script"), contents(tmp_path / "package")
    assert by_script.items() <= package.items()
    missing = package.keys() - by_script.keys()
    left = {name for name in missing if stat.S_ISREG(package[name][0]) and PYTHON not in name}
    documents = {f"usr/share/doc/geocache-cleanup/{name}" for name in DEBIAN_DOCUMENTS}
    assert left == {"usr/bin/geocache-cleanup", *documents}


def contents(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return the mode of each file and directory below a root, and what is in it."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
    }


def test_package_and_program_have_one_version(installed: Machine) -> None:
    """The changelog of the package follows the version of the program."""
    packaged = installed.run("dpkg-query --show --showformat='${Version}' geocache-cleanup")
    assert packaged == __version__
    assert installed.run("geocache-cleanup --version").split()[-1] == __version__


def test_lintian_has_nothing_to_say(installed: Machine) -> None:
    """Down to the pedantic tags, and there is no override."""
    assert installed.run("lintian --display-info --pedantic --allow-root /opt/0.deb") == ""
    assert installed.status("test -e /usr/share/lintian/overrides/geocache-cleanup") == 1


def test_the_dependencies_are_complete(installed: Machine) -> None:
    """Apt would keep every library of the program for the sake of this package alone."""
    libraries = "python3-alembic python3-pythonjsonlogger python3-sqlalchemy"
    installed.run(f"apt-mark auto {libraries} python3-typer tzdata")
    unneeded = installed.run("apt-get --simulate autoremove")
    assert not [name for name in libraries.split() if f"Remv {name} " in unneeded]
    without = installed.run("apt-get --simulate purge --auto-remove geocache-cleanup")
    assert all(f" {name} " in without for name in [*libraries.split(), "python3-typer"])


def test_the_manual_page_is_found_and_clean(installed: Machine) -> None:
    """Shown by man, indexed by apropos, without a warning of groff."""
    assert installed.run("MANROFFOPT=-ww man --warnings geocache-cleanup >/dev/null") == ""
    page = installed.run("MANWIDTH=200 man geocache-cleanup")
    assert all(event.value in page for event in Event)
    assert all(option in page for name in COMMANDS for option in options_of(installed, name))


def test_bash_completes_commands_options_and_values(installed: Machine) -> None:
    """As loaded by bash-completion from where the package puts it."""
    script = """
        source /usr/share/bash-completion/completions/geocache-cleanup
        try() {
            COMP_WORDS=(geocache-cleanup "$@"); COMP_CWORD=$#; COMPREPLY=()
            _geocache_cleanup; echo "${COMPREPLY[@]}"
        }
        try ''; try run --dr; try history --js; try migrate --s; try run --log-format ''
        try run --log-level = d
        touch /etc/geocache-cleanup/eu.env; try check --instance ''; rm /etc/geocache-cleanup/eu.env
    """
    lines = installed.run(f"bash -euc {shlex.quote(script)}").splitlines()
    assert set(lines[0].split()) >= COMMANDS
    assert lines[1:] == ["--dry-run", "--json", "--sql", "auto json text", "debug", "eu"]


def test_fish_completes_commands_options_and_values(installed: Machine) -> None:
    """As loaded by fish from where the package puts it."""

    def completed(line: str) -> set[str]:
        output = installed.run(f'fish -c "complete -C {shlex.quote(line)}"')
        return {answer.split("\t")[0] for answer in output.splitlines()}

    assert completed("geocache-cleanup ") >= COMMANDS
    assert completed("geocache-cleanup run --dry") == {"--dry-run"}
    assert completed("geocache-cleanup run --log-format ") == {"auto", "json", "text"}


def test_zsh_completes_commands_and_options(installed: Machine) -> None:
    """Typed into an interactive zsh, since its completion runs nowhere else."""
    script = """
        zmodload zsh/zpty
        zpty -b shell zsh -f -i
        say() { zpty -w shell "$1"; }
        say "PS1=; autoload -Uz compinit; compinit -u -D; LISTMAX=999"
        zpty -n -w shell "geocache-cleanup $WORDS"$'\\t'
        shown=
        repeat 600; do
            while zpty -r -t shell output; do shown+=$output; done
            missing=
            for word in $=WANTED; do [[ $shown == *$word* ]] || missing=$word; done
            [[ -z $missing ]] && break
            sleep 0.1
        done
        print -r -- "$shown"
        zpty -d shell
    """

    def completed(words: str, *wanted: str) -> str:
        """Return what is shown once all that is wanted is there, or after a minute."""
        variables = f"WORDS={shlex.quote(words)} WANTED={shlex.quote(' '.join(wanted))} TERM=dumb"
        return installed.run(f"{variables} zsh -fc {shlex.quote(script)}")

    assert "geocache-cleanup run --dry-run" in completed("run --dr", "--dry-run")
    listed = completed("", *COMMANDS)
    assert all(command in listed for command in COMMANDS)


def options_of(machine: Machine, command: str) -> set[str]:
    """Return the options that the program itself lists."""
    text = machine.run(f"COLUMNS=200 geocache-cleanup {command} --help")
    return set(re.findall(r"^ +(?:-h, )?(--[a-z-]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_completions_know_every_option(installed: Machine, command: str) -> None:
    """And no other, so that they do not fall behind the program."""
    wanted = options_of(installed, command)
    assert len(wanted) > 4
    source = "source /usr/share/bash-completion/completions/geocache-cleanup"
    script = f"""{source}; COMP_WORDS=(geocache-cleanup {command} --); COMP_CWORD=2
        _geocache_cleanup; echo "${{COMPREPLY[@]}}" """
    assert set(installed.run(f"bash -euc {shlex.quote(script)}").split()) == wanted
    words = shlex.quote(f"geocache-cleanup {command} --")
    lines = installed.run(f'fish -c "complete -C {words}"').splitlines()
    assert {line.split("\t")[0].rstrip("=") for line in lines} == wanted
    zsh = (PROJECT / "packaging/completions/zsh/_geocache-cleanup").read_text()
    assert all(re.search(rf"\)?{option}[=\[]", zsh) for option in wanted)


def test_autopkgtest_prunes_through_the_installed_unit(machine: Machine) -> None:
    """The package's own test, by Debian's tool, in this booted system."""
    machine.run("mkdir -p /opt/tree")
    machine.run("rm -rf /opt/tree/debian")
    for path in (PROJECT / "packaging" / "debian").rglob("*"):
        if path.is_file():
            name = path.relative_to(PROJECT / "packaging")
            machine.write(f"/opt/tree/{name}", path.read_text(), path.stat().st_mode)
    output = machine.run(
        "autopkgtest --ignore-restrictions=isolation-container --no-built-binaries"
        " /opt/0.deb /opt/tree -- null 2>&1",
        timeout=900,
    )
    assert "prune                PASS" in output
