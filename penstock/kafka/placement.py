"""Where the nodes of a cluster stand: numbers, subnets, and the identities that never change.

Pure but for the `fresh` argument, the source of random uuids."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4, uuid5

from penstock.model.ids import FIRST_CONTROLLER, ClusterId, NodeId, Role
from penstock.model.spec import NodePlace, Subnet

CONTROLLERS = 3
"""Voters of the metadata quorum: one may be lost."""


def new_kafka_id(fresh: Callable[[], UUID] = uuid4) -> str:
    """A fresh id as Kafka writes cluster and directory ids: 22 characters of base64url, never beginning with `-`.

    Kafka's own tools refuse a leading `-`, because a command line would take it for an option."""
    while True:
        text = kafka_id_text(fresh())
        if not text.startswith("-"):
            return text


def kafka_id_text(value: UUID) -> str:
    """The 22 characters of base64url that Kafka writes for a uuid."""
    return urlsafe_b64encode(value.bytes).decode().rstrip("=")


def kafka_id_bytes(text: str) -> bytes:
    """The 16 bytes behind such an id. ValueError where the text is not one."""
    if re.fullmatch(r"[\w-]{22}", text, re.ASCII) is None:
        raise ValueError(f"{text!r} is not an id of Kafka: it takes 22 characters of base64url")
    return urlsafe_b64decode(text + "==")


def next_directory(directory: str) -> str:
    """The directory id that follows a lost one: always the same for the same, so that planning it twice makes one."""
    following = kafka_id_text(uuid5(UUID(bytes=kafka_id_bytes(directory)), "lost"))
    return next_directory(following) if following.startswith("-") else following


def new_nodes(
    cluster: ClusterId,
    subnets: Sequence[Subnet],
    brokers: int,
    controllers: int = CONTROLLERS,
    *,
    fresh: Callable[[], UUID] = uuid4,
) -> tuple[NodePlace, ...]:
    """The nodes of a new cluster: brokers 1..n, then controllers from 10001, each kind round robin over the subnets.

    With two subnets the controllers stand 2 + 1. Raises ValueError for no subnets, no brokers or no controllers."""
    return add_brokers(cluster, subnets, 0, brokers, fresh=fresh) + tuple(
        _place(NodeId(cluster, Role.CONTROLLER, FIRST_CONTROLLER + index), subnets[index % len(subnets)], fresh)
        for index in range(_at_least_one(controllers, "controllers"))
    )


def add_brokers(
    cluster: ClusterId, subnets: Sequence[Subnet], present: int, wanted: int, *, fresh: Callable[[], UUID] = uuid4
) -> tuple[NodePlace, ...]:
    """The brokers `present + 1`..`wanted`, so placed that all of them stand round robin over the subnets."""
    if not subnets:
        raise ValueError("a cluster needs at least one subnet to stand in")
    return tuple(
        _place(NodeId(cluster, Role.BROKER, number), subnets[(number - 1) % len(subnets)], fresh)
        for number in range(present + 1, _at_least_one(wanted, "brokers") + 1)
    )


def _place(node: NodeId, subnet: Subnet, fresh: Callable[[], UUID]) -> NodePlace:
    return NodePlace(id=node, subnet=subnet, uuid=str(fresh()), directory=new_kafka_id(fresh))


def _at_least_one(count: int, what: str) -> int:
    if count < 1:
        raise ValueError(f"a cluster cannot have {count} {what}; it needs one at least")
    return count
