"""The wheel and the source distribution: what is in them, and that they serve their purpose."""

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path, PurePath

import pytest

from helpers import commands, distributions
from helpers.host import PROJECT

PACKAGING = PROJECT / "packaging"
# Where pip and pipx put them for their user, beside the copy that install.sh installs.
COPIES = {
    "share/man/man8/geocache-cleanup.8": "man/geocache-cleanup.8",
    "share/bash-completion/completions/geocache-cleanup": "completions/bash/geocache-cleanup",
    "share/fish/vendor_completions.d/geocache-cleanup.fish": (
        "completions/fish/geocache-cleanup.fish"
    ),
    "share/zsh/site-functions/_geocache-cleanup": "completions/zsh/_geocache-cleanup",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(distributions.build(tmp_path_factory.mktemp("wheel"), "wheel"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the top of a source distribution."""
    sdist = distributions.build(tmp_path_factory.mktemp("sdist"), "sdist")
    return distributions.unpack(sdist, tmp_path_factory.mktemp("elsewhere"))


def contents(wheel: Path) -> dict[str, bytes]:
    """Return what is in a wheel; the data, which goes into the environment, by its path there."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name.partition(".data/data/")[2] or name: archive.read(name)
            for name in archive.namelist()
        }


def test_the_wheel_has_all_that_the_script_installs(wheel: dict[str, bytes]) -> None:
    """The directories of packaging/ are named one by one: none is forgotten."""
    files = {path.relative_to(PACKAGING): path for path in PACKAGING.rglob("*") if path.is_file()}
    wanted = {
        f"share/geocache-cleanup/{name}": path.read_bytes()
        for name, path in files.items()
        if name.parts[0] not in {"debian", "build-deb.sh"}
    }
    wanted |= {name: (PACKAGING / source).read_bytes() for name, source in COPIES.items()}
    assert {name: data for name, data in wheel.items() if name.startswith("share/")} == wanted


def test_the_metadata_is_for_users(wheel: dict[str, bytes]) -> None:
    """What tests and linters need is nobody else's to install."""
    (name,) = [name for name in wheel if PurePath(name).name == "METADATA"]
    metadata = message_from_bytes(wheel[name])
    assert set(metadata.get_all("Provides-Extra", [])) == {
        *("metrics", "mysql", "postgresql", "tzdata"),
    }
    assert metadata["Author"]
    assert metadata["Keywords"]
    assert metadata.get_all("Classifier")
    assert metadata["License-Expression"] == "MIT"
    assert any(PurePath(name).name == "LICENSE" for name in wheel)


def test_the_source_distribution_builds_the_same_wheel(
    unpacked: Path, wheel: dict[str, bytes], tmp_path: Path
) -> None:
    """Away from the checkout, and from what git knows."""
    assert contents(distributions.build(tmp_path, "wheel", unpacked)) == wheel


def test_the_source_distribution_passes_its_unit_tests(unpacked: Path) -> None:
    """On the program that is in it, which comes before the one that is installed."""
    tested = "import geocache_cleanup, sys; sys.stdout.write(geocache_cleanup.__file__)"
    shown = subprocess.run(
        [sys.executable, "-c", tested],
        cwd=unpacked,
        env=commands.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(shown.stdout).is_relative_to(unpacked)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/unit"],
        cwd=unpacked,
        env=commands.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
