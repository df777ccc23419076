"""Text for people fits into 80 columns and shows nothing that a terminal would act on."""

from hypothesis import given
from hypothesis import strategies as st

from geocache_cleanup.report.layout import WIDTH, aligned, columns, moment, wrap

CELLS = st.one_of(st.none(), st.integers(-(10**12), 10**12), st.text(max_size=300))


def test_numbers_are_aligned_at_the_right_and_words_at_the_left() -> None:
    """The head of a column of numbers is a word, and stands at the right as well."""
    assert aligned([("name", "rows", "note"), ("a", 5, None), ("long", 1_000, "x")], 2) == [
        "  name  rows  note",
        "  a        5",
        "  long  1000  x",
    ]


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), indent=st.integers(0, 4))
def test_any_cells(rows: list[tuple[object, object]], indent: int) -> None:
    """Whatever a database holds: a first column that is too wide is the only one to be wider."""
    widest = max(len(ascii(str(first))) for first, _ in rows) + indent
    for line in columns(rows, indent).split("\n"):
        assert line.isprintable()
        assert len(line) <= max(WIDTH, widest + 2)


@given(text=st.text(max_size=400), indent=st.integers(0, 8), hanging=st.integers(0, 4))
def test_wrapped_text(text: str, indent: int, hanging: int) -> None:
    """Names and paths that are too long for a line are cut."""
    for line in wrap(text, indent, hanging).split("\n"):
        assert line.isprintable()
        assert len(line) <= WIDTH


def test_moments_are_shown_to_the_second() -> None:
    """What is no time stays as it is stored."""
    assert moment("2026-06-03T12:00:00.123456Z") == "2026-06-03 12:00:00"
    assert moment("yesterday") == "yesterday"
