"""What the checking load calls lost, doubled, reordered and strange; and what it pardons."""

import pytest
from oracle.load import Load, judge


def load(acked=3, renumbered=()):
    """It sent one record a second, and each was acknowledged half a second later."""
    told = Load({}, "orders", 1, name="p", renumbered=list(renumbered))
    told.sent = {f"p:0:{n}": float(n) for n in range(1, 4)}
    told.acked = {f"p:0:{n}": (0, n + 0.5) for n in range(1, acked + 1)}
    return told


def there(*sequences, partition=0):
    return {partition: [(offset, f"p:0:{n}") for offset, n in enumerate(sequences)]}


def test_all_is_well():
    judge(there(1, 2, 3), [load()])
    judge(there(1, 2, 3), [load(acked=2)])


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        (there(1, 3), "acknowledged records are lost"),
        (there(1, 2, 2, 3), "more than once"),
        (there(1, 3, 2), "comes after"),
        (there(1, 2, 3, 4), "nobody sent"),
        (there(1, 2, 3, partition=1), "found in another"),
    ],
)
def test_what_is_wrong_is_named(read, wrong):
    with pytest.raises(AssertionError, match=wrong):
        judge(read, [load()])


def test_what_the_client_gave_up_on_is_told():
    given_up = load()
    given_up.lost.append("p:0:4: timed out")
    with pytest.raises(AssertionError, match="gave up on 1 records"):
        judge(there(1, 2, 3), [given_up])


def test_nothing_acknowledged_proves_nothing():
    with pytest.raises(AssertionError, match="nothing was acknowledged"):
        judge(there(), [load(acked=0)])


def test_only_what_was_under_way_when_the_client_began_anew_may_be_there_twice():
    judge(there(1, 2, 2, 3), [load(renumbered=[2.2])])
    for moment in (1.2, 2.7):
        with pytest.raises(AssertionError, match="more than once"):
            judge(there(1, 2, 2, 3), [load(renumbered=[moment])])
