"""Restarting every broker in use, and changing a setting without any restart."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import frozen

from benchmarks.by_hand import BROKERS, by_hand, serve
from benchmarks.client import Load, Reach, Watch, first_record, lost, until
from benchmarks.ours import Ours, ours
from benchmarks.result import Result
from penstock.kafka.distributions import Installed

STATIC = "log.cleaner.min.cleanable.ratio=0.6\nnum.replica.fetchers=3\nreplica.fetch.max.bytes=2097152\n"
"""Brokers read `replica.fetch.max.bytes` at their start alone."""
DYNAMIC = STATIC + "log.retention.bytes=1073741824\nmessage.max.bytes=2000000\n"


@frozen
class Roll:
    """What a roll came to. `silence` is the longest time in which nothing at all was acknowledged."""

    seconds: float
    failed: int
    silence: float
    missing: int


def measure(kafka: Installed) -> list[Result]:
    """Three brokers under load, by hand and by an update of the configuration; then one that Kafka takes at run time."""
    with by_hand(kafka) as hand:
        hand.format()
        serve(hand)
        first_record(hand.reach)
        watch = Watch(hand.reach)

        def careful() -> None:
            for number in BROKERS:
                hand.stop(number)
                hand.start(number)
                until("the broker", hand.serving)
                until("full ISR", watch.full, every=0.1)

        theirs = _rolled(hand.reach, careful)
    with ours() as side:
        arn, reach = side.create("bench")
        first_record(reach)
        configuration = side.kafka.create_configuration(
            Name="rolled", KafkaVersions=[], ServerProperties=STATIC.encode()
        )["Arn"]
        before = side.pids()
        mine = _rolled(reach, lambda: _configured(side, arn, configuration, 1))
        restarted = sum(before[node] != pid for node, pid in side.pids().items())
        side.kafka.update_configuration(Arn=configuration, ServerProperties=DYNAMIC.encode())
        before = side.pids()
        began = time.monotonic()
        _configured(side, arn, configuration, 2)
        dynamic = time.monotonic() - began
        undisturbed = float(sum(before[node] != pid for node, pid in side.pids().items()))
    count = len(BROKERS)
    return [
        Result("roll of three brokers under load, each", "s", mine.seconds / count, theirs.seconds / count, 5.0, 0.4),
        Result("… brokers restarted", "", float(restarted), float(count)),
        Result("… failed produces at acks=all", "", float(mine.failed), float(theirs.failed), 0.0),
        Result("… longest time without an acknowledgement", "s", mine.silence, theirs.silence, 1.0),
        Result("… acknowledged records lost", "", float(mine.missing), float(theirs.missing), 0.0),
        Result("change of settings that Kafka takes at run time", "s", dynamic, goal=2.0),
        Result("… brokers restarted for it", "", undisturbed, goal=0.0),
    ]


def _rolled(reach: Reach, roll: Callable[[], None]) -> Roll:
    watch = Watch(reach)
    until("a quiet start", watch.full)
    with Load(reach) as load:
        time.sleep(3)
        load.silence = 0.0
        began = time.monotonic()
        roll()
        seconds = time.monotonic() - began
        time.sleep(1)
    return Roll(seconds, load.failed, load.silence, lost(reach, load.acked))


def _configured(side: Ours, arn: str, configuration: str, revision: int) -> None:
    side.change(arn, "update_cluster_configuration", ConfigurationInfo={"Arn": configuration, "Revision": revision})
