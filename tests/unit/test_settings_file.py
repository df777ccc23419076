"""Lines of a settings file that systemd passes over."""

from pathlib import Path

import pytest

from geocache_cleanup.systemd import settings_file


def problems(tmp_path: Path, text: str) -> list[str]:
    """Return what is wrong with a file of this text, without its path."""
    path = tmp_path / "settings"
    path.write_text(text, encoding="utf-8", newline="")
    return [problem.replace(f" of {path}", "") for problem in settings_file.problems(path)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# export GEOCACHE_CLEANUP_TABLE=x\n  ; GEOCACHE_CLEANUP_TABLE x\n\n",
        "GEOCACHE_CLEANUP_TABLE=x\r\nGEOCACHE_CLEANUP_TIMEOUT=3\r\n",
        " GEOCACHE_CLEANUP_TABLE = 'x'",
        "GEOCACHE_CLEANUP_TABLE=\\\nexport GEOCACHE_CLEANUP_TABLE\n",
        "export PGPASSFILE=/x\nnothing of ours\nTZ=UTC\n",
    ],
)
def test_what_systemd_takes_or_is_none_of_ours(tmp_path: Path, text: str) -> None:
    """Nothing is said of it."""
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    "line",
    [
        "export GEOCACHE_CLEANUP_DATABASE_URL=postgresql://u:hunter2@h/db",
        "GEOCACHE_CLEANUP_DATABASE_URL postgresql://u:hunter2@h/db",
        "GEOCACHE_CLEANUP_DATABASE_URL: postgresql://u:hunter2@h/db",
        "set geocache_cleanup_database_url='hunter2'",
        "GEOCACHE-CLEANUP_DATABASE_URL=hunter2",
        "GEO_CACHE_CLEANUP_DATABASE_URL hunter2",
        "\ufeffGEOCACHE_CLEANUP_DATABASE_URL=hunter2",
        "GEOCACHE_CLEANUP_DATABASE_URL-hunter2",
        "GEOCACHE_CLEANUP_hunter2",
        "hunter2_CLEANUP_URL",
    ],
)
def test_what_it_passes_over(tmp_path: Path, line: str) -> None:
    """The line is named by its number, its value never."""
    (problem,) = problems(tmp_path, f"# first\n{line}\nGEOCACHE_CLEANUP_TABLE=x\n")
    assert problem.startswith("line 2: systemd does not take ")
    assert "hunter2" not in problem


def test_a_setting_without_its_prefix(tmp_path: Path) -> None:
    """It would change nothing."""
    assert problems(tmp_path, "retention_days=30") == [
        "line 1: retention_days is no setting; did you mean GEOCACHE_CLEANUP_RETENTION_DAYS?"
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """There need be none."""
    assert settings_file.problems(tmp_path / "none") == []
