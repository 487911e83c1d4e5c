"""What a look learns of throttles and of latency, and what it makes of a canary that does not work."""

from attrs import define, field

from penstock.control.cluster.canary import glimpsed
from penstock.kafka.reassign import RATES
from penstock.kafka.wire import KafkaUnreachable
from penstock.model.observation import Partition
from penstock.model.rebalance import Throttled

CANARY = "__amazon_msk_canary"


@define
class Kafka:
    """Limits of brokers, throttles of topics, and a canary that says how long it took, or why it did not."""

    rates: dict = field(factory=dict)
    said: object = (1.5, 2.5)
    asked: list = field(factory=list)

    def mover(self):
        return self

    def canary(self):
        return self

    def limits(self, number):
        return self.rates.get(number, {})

    def throttled(self, topics):
        self.asked.append(topics)
        return {"t": Throttled(frozenset({(0, 1)}))}

    def probe(self, leaders):
        self.asked.append(leaders)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def led(*leaders):
    return [Partition(CANARY, index, leader, (1, 2), (1, 2)) for index, leader in enumerate(leaders)]


ORDERS = Partition("t", 0, 1, (1, 2), (1, 2))


def test_limits_are_those_that_hold_both_ways():
    kafka = Kafka({1: dict.fromkeys(RATES, 700), 2: {RATES[0]: 700}, 4: {RATES[0]: 700, RATES[1]: 9}})
    seen = glimpsed(kafka, [ORDERS], [1, 2, 3, 4], ["t"])
    assert seen.limits == {1: 700, 2: 0, 3: None, 4: 0}, "half a limit is not the one that was set here"
    assert seen.throttled == {"t": Throttled(frozenset({(0, 1)}))}


def test_without_its_topic_nothing_is_produced():
    kafka = Kafka()
    seen = glimpsed(kafka, [ORDERS], [1], ["t", "deleted since"])
    assert (seen.canary, seen.records, seen.trouble) == (False, (), "its topic is not there")
    assert kafka.asked == [["t"]]


def test_the_leaders_of_its_topic_are_asked():
    kafka = Kafka()
    seen = glimpsed(kafka, [ORDERS, *led(2, -1, 1)], [1, 2], ["t"])
    assert kafka.asked[-1] == {0: 2, 2: 1}
    assert (seen.canary, seen.records, seen.trouble) == (True, (1.5, 2.5), "")
    leaderless = glimpsed(kafka, led(-1), [1], [])
    assert (leaderless.canary, leaderless.trouble) == (True, "no partition of its topic has a leader")


def test_a_canary_that_does_not_work_is_told_and_costs_nothing_else():
    seen = glimpsed(Kafka(said=KafkaUnreachable("nobody answered")), led(1), [1], [])
    assert (seen.canary, seen.records, seen.trouble) == (True, (), "nobody answered")
    assert seen.limits == {1: None}
