"""What is not Python, put where a packager wants it."""

import os
import subprocess
from pathlib import Path

from helpers.host import PROJECT

SCRIPT = PROJECT / "packaging" / "install.sh"
# What its own copies are made of, and what only Debian has.
LEFT_OUT = {"install.sh", "build-deb.sh", "debian"}


def installed(root: Path, **variables: str) -> dict[str, Path]:
    """Run the script from another directory; return the files by their paths below the root."""
    subprocess.run(
        ["sh", SCRIPT],
        check=True,
        cwd=root.parent,
        env={"PATH": os.environ["PATH"], "DESTDIR": root.name, **variables},
    )
    return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}


def sources() -> list[bytes]:
    """Return the contents of all that is in packaging/."""
    packaging = SCRIPT.parent
    files = [path for path in packaging.rglob("*") if path.is_file()]
    return [
        path.read_bytes() for path in files if path.relative_to(packaging).parts[0] not in LEFT_OUT
    ]


def test_everything_is_installed_and_nothing_is_changed(tmp_path: Path) -> None:
    """A file that is added to packaging/ is not forgotten here."""
    files = installed(tmp_path / "root")
    assert sorted(path.read_bytes() for path in files.values()) == sorted(sources())
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o644, 0o755}
    assert [name for name, path in files.items() if os.access(path, os.X_OK)] == [
        "usr/local/lib/systemd/system-generators/geocache-cleanup-generator"
    ]
    assert (tmp_path / "root/etc/geocache-cleanup").is_dir()


def test_the_usual_directories_can_be_named(tmp_path: Path) -> None:
    """Each of them, and the prefix for those that are not."""
    names = "sysconfdir docdir mandir bashdir fishdir zshdir unitdir generatordir catalogdir"
    names += " sysusersdir tmpfilesdir"
    given = {name: f"/x/{name}" for name in names.split()}
    assert {name.split("/")[1] for name in installed(tmp_path / "root", **given)} == {*given}
    assert {name.split("/")[0] for name in installed(tmp_path / "other", PREFIX="/p")} == {
        "p",
        "etc",
    }


def test_an_upgrade_keeps_the_settings_and_what_their_directory_allows(tmp_path: Path) -> None:
    """They are the administrator's; all else is replaced."""
    root = tmp_path / "root"
    files = installed(root)
    settings = files["etc/default/geocache-cleanup"]
    settings.write_text("mine")
    unit = files["usr/local/lib/systemd/system/geocache-cleanup.service"]
    unit.write_text("old")
    (root / "etc/geocache-cleanup").chmod(0o700)
    installed(root)
    assert settings.read_text() == "mine"
    assert unit.read_text() != "old"
    assert (root / "etc/geocache-cleanup").stat().st_mode & 0o777 == 0o700
