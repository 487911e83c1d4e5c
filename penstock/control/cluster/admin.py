"""What the loop asks of Kafka and tells it: the face that `kafka.admin` has and that a simulation can have too.

Every call awaits its answer, has a deadline of about a second, and raises `kafka.wire.KafkaError`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from penstock.kafka.logdirs import LogDir
from penstock.kafka.reassign import Reassignment
from penstock.model.observation import BrokerSeen, Partition, Quorum
from penstock.model.rebalance import Key, Throttled


class Mover(Protocol):
    """The side of Kafka that moves replicas."""

    def log_dirs(self, number: int) -> tuple[LogDir, ...]:
        """What lies in the log directories of one broker."""

    def reassignments(self) -> Mapping[Key, Reassignment]:
        """Every reassignment under way."""

    def reassign(self, targets: Mapping[Key, Sequence[int] | None]) -> Mapping[Key, str]:
        """Order replicas, or with None take an order back; returns partition -> why, of those that were refused."""

    def cordoned(self, number: int) -> bool | None:
        """Is the broker closed to new replicas? None where its Kafka knows no such thing."""

    def cordon(self, number: int) -> bool:
        """Close the broker to new replicas; False where its Kafka cannot."""

    def uncordon(self, number: int) -> None:
        """Open it again."""

    def limits(self, number: int) -> Mapping[str, int]:
        """The rates that the broker has, by property; empty where there is none."""

    def limit(self, rate: int | None) -> None:
        """Bytes a second that each broker spends on throttled replicas, in each direction; None lifts it."""

    def throttled(self, topics: Iterable[str]) -> Mapping[str, Throttled]:
        """Those of the topics that have throttled replicas, and which."""

    def throttle(self, topics: Mapping[str, Throttled | None]) -> None:
        """Set which replicas of topics are throttled; None lifts it."""


class Canary(Protocol):
    """What measures how long producers wait."""

    def probe(self, leaders: Mapping[int, int]) -> Sequence[float]:
        """Milliseconds of each record since the last probe; `leaders`: partition of the canary's topic -> its leader."""


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

    def remove_voter(self, number: int, directory: str) -> None:
        """Take the controller with this volume from the voters; success too where it is none."""

    def add_voter(self, number: int, directory: str, listeners: Mapping[str, tuple[str, int]]) -> None:
        """Make a controller that is caught up a voter; refused where the quorum counts it on whichever volume."""

    def elect_preferred(self, via: int | None = None) -> Mapping[str, str]:
        """Elect the preferred leaders of all partitions; returns partition -> why, of those that kept another leader."""

    def set_config(self, number: int, values: Mapping[str, str]) -> None:
        """Dynamic settings of one node."""

    def set_default(self, values: Mapping[str, str]) -> None:
        """Dynamic settings of all brokers."""

    def config(self, number: int, names: Iterable[str]) -> Mapping[str, str | None]:
        """Effective values of a node's properties by name; None where Kafka hides the value."""

    def defaults(self, names: Iterable[str]) -> Mapping[str, str | None]:
        """What is kept for all brokers, of these properties; one that was never set is left out."""

    def mover(self) -> Mover:
        """The same cluster's moving side."""

    def canary(self) -> Canary:
        """The same cluster's canary; its topic need not be there yet."""

    def create_topic(self, name: str, placed: Sequence[Sequence[int]], config: Mapping[str, str]) -> None:
        """Create a topic with these brokers for each partition, the leader first."""

    def close(self) -> None:
        """End the connection."""
