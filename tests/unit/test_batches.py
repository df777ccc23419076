"""What batches are made of: keys in order, and sizes that follow what was measured."""

from array import array

from geocache_cleanup.engines.backlog import KeyedBacklog, Slice, SortedKeys
from geocache_cleanup.pruning.batch_sizer import BatchSizer


def test_keys_come_in_order() -> None:
    """Keys are taken in ascending order, also those beyond the range they were expected in."""
    keys = SortedKeys(10, 1_000)
    given = [5, 10**12, -3, 999, 10, 500, 501, 2**62]
    keys.add(given[:3])
    keys.add(given[3:])
    assert len(keys) == len(given)
    assert [*keys.take(3), *keys.take(100)] == sorted(given)
    assert (len(keys), keys.take(1)) == (0, [])


def test_the_pace_follows_what_was_measured() -> None:
    """Batches grow in steps while they are quick, and shrink at once when one was slow."""
    sizer = BatchSizer(0.1)
    first = sizer.rows(60)
    sizer.learn(first, 0.0001)
    for rows in (0, 1, 2 * first - 1):  # so few are quick anyway
        assert sizer.rows(60) == 2 * first
        sizer.learn(rows, 0.09)
    sizer.learn(2 * first, 1.0)
    assert 0 < sizer.rows(60) < first / 2
    few = BatchSizer(0.1)
    few.learn(1, 1.0)
    assert 0 < few.rows(60) < first / 2
    assert sizer.rows(0.01) < sizer.rows(60)
    assert sizer.pause(0) > sizer.pause(1) > 0


def test_a_backlog_is_found_in_shares() -> None:
    """Each of so many keys and a slice at most; then it is complete."""
    slices = (Slice(array("q", [n + 2, n, n + 1]), unreadable=1) for n in (6, 0, 3))
    backlog = KeyedBacklog((0, 9), slices, lambda keys: keys, most=4)  # type: ignore[arg-type,return-value]  # no statement is executed
    assert not backlog.is_complete
    backlog.search(60.0)
    assert (backlog.remaining, backlog.unreadable, backlog.is_complete) == (6, 2, False)
    backlog.search(60.0)
    assert (backlog.remaining, backlog.unreadable, backlog.is_complete) == (3, 3, True)


def test_the_time_of_a_search_is_bounded() -> None:
    """What it has found then is deleted first."""
    slices = (Slice(array("q", [n])) for n in range(100))
    backlog = KeyedBacklog((0, 99), slices, lambda keys: keys)  # type: ignore[arg-type,return-value]  # no statement is executed
    backlog.search(0.0)
    assert (backlog.remaining, backlog.is_complete) == (1, False)
