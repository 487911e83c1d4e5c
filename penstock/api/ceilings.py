"""How many partitions brokers may hold and still be updated, where MSK's own limits are wanted (`realism = "msk"`).

MSK lets a Standard broker hold more than its size should, and refuses then to change the configuration and to go to a smaller
size (msk.md 3.2). Kafka alone knows how many there are, so it is asked, as for topics."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from penstock.api.arns import cluster_of
from penstock.api.rooms import Rooms
from penstock.kafka.sizes import size_of
from penstock.kafka.wire import KafkaError
from penstock.settings import Realism
from penstock.wire.call import Call
from penstock.wire.errors import BadRequest

log = structlog.get_logger(__name__)

Held = Mapping[int, int]
"""Number of a broker -> replicas that it holds; empty where there are no ceilings, or nobody knows."""

ASKING = frozenset({"UpdateBrokerType", "UpdateClusterConfiguration"})
"""Operations that ask for it."""


def held(call: Call, rooms: Rooms) -> Held:
    """What the brokers of the call's cluster hold. Not inside a transaction: Kafka may take seconds to answer.

    A cluster that does not answer is not refused for it: too many partitions are no danger to it. Raises NotFound."""
    if rooms.settings.realism is not Realism.MSK:
        return {}
    with rooms.store.read() as tx:
        record = cluster_of(tx, call)
    if record.spec.removed or not record.status.completed:
        return {}
    try:
        return rooms.topics(record.spec).held()
    except KafkaError as silence:
        log.warning("partitions were not counted", cluster=record.spec.id, operation=call.operation, why=str(silence))
        return {}


def check(held: Held, instance_type: str, path: str) -> None:
    """Raise BadRequest where a broker holds more than brokers of that type may hold to be updated."""
    most = size_of(instance_type).partitions
    over = {number: count for number, count in sorted(held.items()) if count > most}
    if over:
        which = ", ".join(f"broker {number} has {count}" for number, count in over.items())
        raise BadRequest(
            f"{path}: the number of partitions per broker exceeds the maximum for {instance_type}, which is {most} with all "
            f"replicas: {which}. Delete topics, or add brokers and move partitions to them.",
            path,
        )
