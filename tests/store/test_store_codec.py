"""Specs as JSON: every one comes back as it was, also when fields were added or dropped since it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.ids import ClusterId
from penstock.model.spec import ClientBroker, ClusterSpec, ClusterState, ClusterStatus, Endpoint, NodePlace, Subnet
from penstock.store.codec import decode, encode, same
from penstock.store.errors import StoreError

TEXT = st.text(max_size=12)
MOMENTS = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=30))])
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
for kind, strategy in {
    datetime: MOMENTS,
    ClusterId: TEXT.map(ClusterId),
    Endpoint: st.builds(Endpoint, address=TEXT, ports=st.dictionaries(TEXT, st.integers(1, 65535), max_size=3)),
}.items():
    st.register_type_strategy(kind, strategy)  # type: ignore[arg-type]
SPECS = st.builds(
    ClusterSpec,
    api=st.dictionaries(TEXT, JSON, max_size=3),
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
    subnets=st.lists(st.builds(Subnet), max_size=3).map(tuple),
    nodes=st.lists(st.builds(NodePlace), max_size=3).map(tuple),
)


@given(SPECS)
def test_a_spec_comes_back_as_it_was(spec: ClusterSpec) -> None:
    text = json.dumps(encode(spec))
    assert decode(json.loads(text), ClusterSpec, "spec") == spec


@given(st.builds(ClusterStatus))
def test_a_status_comes_back_as_it_was(status: ClusterStatus) -> None:
    back = decode(json.loads(json.dumps(encode(status))), ClusterStatus, "status")
    assert back == status
    assert type(back.state) is ClusterState


def test_a_spec_from_before_a_field_and_one_from_after_it_are_read(a_cluster: Callable[..., ClusterSpec]) -> None:
    spec = a_cluster()
    document = encode(spec)
    for added_since in ("tags", "leaves_after", "removed", "paused", "configuration"):
        del document[added_since]
    document["from_a_newer_penstock"] = {"x": 1}
    assert decode(document, ClusterSpec, "spec") == evolve(spec, tags={})


def test_what_cannot_be_read_is_named_in_a_sentence(a_cluster: Callable[..., ClusterSpec]) -> None:
    for spoil in ({"client_broker": "TELEPATHY"}, {"created": "2026-03-01T12:00:00"}, {"nodes": None}):
        with pytest.raises(
            StoreError, match=r"stored spec of cluster x cannot be read.*restore the store from a backup"
        ):
            decode(encode(a_cluster()) | spoil, ClusterSpec, "spec of cluster x")


def test_a_moment_without_time_zone_is_refused_before_it_is_written(a_cluster: Callable[..., ClusterSpec]) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        encode(a_cluster(created=datetime(2026, 3, 1)))


def test_order_and_tuples_make_no_difference_and_values_do() -> None:
    assert same({"a": (1, 2), "b": ClientBroker.TLS}, {"b": "TLS", "a": [1, 2]})
    assert not same({"a": [1, 2]}, {"a": [2, 1]})
