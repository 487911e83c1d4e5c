"""What the loop asks of Kafka and tells it: the face that `kafka.admin` has and that a simulation can have too.

Every call awaits its answer, has a deadline of about a second, and raises `kafka.wire.KafkaError`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from penstock.model.observation import BrokerSeen, Partition, Quorum


class Admin(Protocol):
    """One connection to one cluster. `via` are numbers of nodes that may be asked, best first."""

    def brokers(self) -> Mapping[int, BrokerSeen]:
        """Every registered broker, fenced ones included."""

    def quorum(self) -> Quorum:
        """The metadata quorum as its leader describes it."""

    def partitions(self) -> tuple[Partition, ...]:
        """Every partition with its effective min ISR."""

    def ping(self, number: int) -> bool:
        """Does this very node do useful work when asked? False: no answer within the deadline."""

    def unregister(self, broker: int, via: Sequence[int]) -> None:
        """UnregisterBroker; success too where it is not registered."""

    def elect_preferred(self, via: int | None = None) -> Mapping[str, str]:
        """Elect the preferred leaders of all partitions; returns partition -> why, of those that kept another leader."""

    def set_config(self, number: int, values: Mapping[str, str]) -> None:
        """Dynamic settings of one node."""

    def set_default(self, values: Mapping[str, str]) -> None:
        """Dynamic settings of all brokers."""

    def config(self, number: int, names: Iterable[str]) -> Mapping[str, str | None]:
        """Effective values of a node's properties by name; None where Kafka hides the value."""

    def close(self) -> None:
        """End the connection."""
