"""`CurrentVersion`: looks like MSK's, never comes back."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from penstock.model.ids import ClusterId, new_cluster_id
from penstock.store.versions import current_version


@given(st.uuids(), st.sets(st.integers(1, 2**40), min_size=2, max_size=50))
def test_no_two_versions_of_a_cluster_share_a_string(uuid: object, counts: set[int]) -> None:
    cluster = ClusterId(f"{uuid}-1")
    strings = [current_version(cluster, count) for count in counts]
    assert len(set(strings)) == len(counts)
    assert all(re.fullmatch(r"K[A-Z0-9]{12,13}", string) for string in strings)
    assert strings == [current_version(cluster, count) for count in counts]


def test_ten_thousand_updates_in_a_row_never_repeat() -> None:
    cluster = new_cluster_id()
    assert len({current_version(cluster, count) for count in range(1, 10_001)}) == 10_000


def test_two_clusters_count_differently_and_neighbours_have_nothing_in_common() -> None:
    one, two = new_cluster_id(), new_cluster_id()
    assert current_version(one, 1) != current_version(two, 1)
    first, second = current_version(one, 1), current_version(one, 2)
    assert sum(a == b for a, b in zip(first[1:], second[1:], strict=False)) < 8
