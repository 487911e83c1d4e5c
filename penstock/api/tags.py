"""Tags of clusters and configurations. A tag is no update: it needs no state, opens no operation and leaves `currentVersion` alone,
so that a client that tags and updates in one go does not trip over its own tag."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from attrs import evolve

from penstock.api.arns import tagged_of
from penstock.api.rooms import Rooms
from penstock.store.records import ClusterRecord, ConfigurationRecord
from penstock.store.transaction import Transaction
from penstock.wire.call import Call, Output
from penstock.wire.errors import BadRequest

MOST_TAGS = 50
LONGEST_KEY = 128
LONGEST_VALUE = 256
_SIGNS = frozenset("_.:/=+-@")
_CLASSES = frozenset("LZN")
"""Unicode's letters, separators and numbers: with the signs, what CloudFormation's pattern lets through (msk.md 1.8)."""


def tag_resource(call: Call, rooms: Rooms) -> Output:
    """Add tags to a resource or replace their values. Raises NotFound, and BadRequest past MSK's limits."""
    with rooms.store.write() as tx:
        record = tagged_of(tx, call)
        merged = {**_tags(record), **call.params["Tags"]}
        check_tags(call.params["Tags"], merged)
        _keep(tx, record, merged)
    return {}


def untag_resource(call: Call, rooms: Rooms) -> Output:
    """Take tags away by key; keys that are not there are no error. Raises NotFound."""
    with rooms.store.write() as tx:
        record = tagged_of(tx, call)
        _keep(tx, record, {key: value for key, value in _tags(record).items() if key not in call.params["TagKeys"]})
    return {}


def list_tags_for_resource(call: Call, rooms: Rooms) -> Output:
    """The tags of a resource. Raises NotFound."""
    with rooms.store.read() as tx:
        return {"Tags": dict(_tags(tagged_of(tx, call)))}


def check_tags(new: Mapping[str, str], all_of_them: Mapping[str, str] | None = None) -> None:
    """Raise BadRequest naming `tags` where `new` breaks MSK's rules (msk.md 1.4.9, 12.1).

    `all_of_them`: every tag that the resource would then carry, for the limit; default: the new ones."""
    for key, value in new.items():
        if not 1 <= len(key) <= LONGEST_KEY:
            raise _refusal(f"a key has 1 to {LONGEST_KEY} characters; {key[:20]!r}… has {len(key)}.")
        if key.lower().startswith("aws:"):
            raise _refusal(f"the key {key!r} begins with `aws:`, which is reserved; choose another prefix.")
        if len(value) > LONGEST_VALUE:
            raise _refusal(f"a value has at most {LONGEST_VALUE} characters; that of {key!r} has {len(value)}.")
        for text in (key, value):
            if not all(sign in _SIGNS or unicodedata.category(sign)[0] in _CLASSES for sign in text):
                raise _refusal(f"{text!r} holds a character other than letters, digits, spaces and _ . : / = + - @.")
    count = len(new if all_of_them is None else all_of_them)
    if count > MOST_TAGS:
        raise _refusal(f"a resource has at most {MOST_TAGS} tags, and this would make {count}.")


def _refusal(why: str) -> BadRequest:
    return BadRequest(f"tags: {why}", invalid_parameter="tags")


def _tags(record: ClusterRecord | ConfigurationRecord) -> Mapping[str, str]:
    return record.spec.tags if isinstance(record, ClusterRecord) else record.tags


def _keep(tx: Transaction, record: ClusterRecord | ConfigurationRecord, tags: Mapping[str, str]) -> None:
    if tags == _tags(record):
        return
    if isinstance(record, ClusterRecord):
        tx.clusters.put_spec(evolve(record.spec, tags=tags), bump=False)
    else:
        tx.configurations.tag(record.arn, tags)
