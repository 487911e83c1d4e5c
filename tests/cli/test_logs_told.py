"""What `penstock logs --follow` prints between two looks at a log."""

import pytest

from penstock.cli.show import later


@pytest.mark.parametrize(
    ("before", "now", "fresh"),
    [
        ("a b c", "a b c", ""),
        ("a b c", "a b c d e", "d e"),
        ("a b c", "b c d", "d"),  # the window has moved on
        ("a b a", "a b a", ""),  # a line that was there before
        ("a a", "a a a", "a"),
        ("", "a b", "a b"),
        ("", "", ""),
        ("a b c", "a b cd e", "cd e"),  # it was being written
        ("a b", "c d", "c d"),  # cut, or much was said
        ("a b", "", ""),
    ],
)
def test_every_line_is_told_once(before, now, fresh):
    assert later(before.split(), now.split()) == fresh.split()
