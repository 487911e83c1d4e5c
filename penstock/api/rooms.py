"""What every operation gets besides its call: the store, the settings, a clock, the versions on offer, and topics.

An operation reads and writes rows. It starts nothing, asks no Kafka (`topics.py` does, since Kafka owns topics, and
`ceilings.py`, which counts partitions), and knows no provider: its last act is to wake the loop for the resource that it changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from attrs import frozen

from penstock.kafka.topics import Topics
from penstock.kafka.versions import Distribution
from penstock.model.spec import ClusterSpec
from penstock.settings import Settings
from penstock.store.store import Store
from penstock.wire.call import Call, Output
from penstock.wire.pages import Pages


@frozen
class Rooms:
    """The rooms that operations may enter. One value for the life of a control plane."""

    store: Store
    settings: Settings
    clock: Callable[[], datetime]
    """The wall clock, UTC; for what users see."""
    versions: Mapping[str, Distribution]
    """MSK's name of each version on offer (`4.3.x.kraft`) -> what it is; oldest first."""
    pages: Pages
    """Cuts lists into pages under tokens that cannot be forged."""
    topics: Callable[[ClusterSpec], Topics]
    """The topics of a cluster whose brokers have their addresses."""
    no_ipv6: Callable[[], str | None]
    """Why brokers cannot listen on IPv6, a sentence; None where they can. The one thing asked of the machine."""


Operation = Callable[[Call, Rooms], Output]
"""One AWS operation. Raises `wire.errors.ApiError` for what the model calls an error."""
