"""Acting: each action is exactly one outside call, and a failure holds up its own node alone."""

import pytest
from attrs import define, evolve, field
from fakes.views import broker, controller, three_brokers
from inline_snapshot import snapshot

from penstock.compute.base import ComputeError
from penstock.control.cluster.act import Hands, carry_out
from penstock.kafka.wire import KafkaError, KafkaRefused
from penstock.model.action import (
    AddVoter,
    Ballast,
    Cancel,
    Configure,
    Discard,
    Foreground,
    Grow,
    How,
    Lead,
    Limit,
    MakeCanary,
    Reassign,
    Remove,
    RemoveVoter,
    Renew,
    Start,
    Stop,
    Throttle,
    Unregister,
)
from penstock.model.plan import Reasoned
from penstock.model.rebalance import Move, Throttled
from penstock.model.spec import Endpoint


@define
class Recorder:
    """A provider and a Kafka that note what is asked; what is named in `broken` raises."""

    broken: set = field(factory=set)
    calls: list = field(factory=list)

    def _note(self, *call):
        self.calls.append(call)
        if any(call[:2] == each for each in self.broken):
            raise (KafkaError if call[0] in ("unregister", "elect", "set") else ComputeError)("it is broken")

    def start(self, node, leaves, fence, *, background=False):
        verb = "start in the background" if background else "start"
        self._note(verb, node.id.name, [leaf.path for leaf in leaves], fence)

    def foreground(self, node, fence):
        self._note("foreground", node.name, fence)

    def write(self, node, leaves, fence):
        self._note("write", node.id.name, [leaf.path for leaf in leaves], fence)

    def grow(self, node, fence):
        self._note("grow", node.id.name, node.resources.volume_gib, fence)

    def ballast(self, node, fence, *, held):
        self._note("ballast", node.name, held, fence)

    def stop(self, node, how, fence):
        self._note("stop", node.name, how, fence)

    def remove(self, node, fence, *, keep=False):
        self._note("remove", node.name, fence)
        return "/quarantine/7"

    def discard(self, name):
        self._note("discard", name)

    def path(self, node, name):
        return f"/nodes/{node.name}/{name}"

    def unregister(self, broker, via):
        self._note("unregister", broker, via)

    def remove_voter(self, number, directory):
        self._note("remove voter", number, directory)

    def add_voter(self, number, directory, listeners):
        self._note("add voter", number, directory, dict(listeners))

    def elect_preferred(self, via=None):
        self._note("elect", via)
        return {}

    def set_config(self, number, values):
        self._note("set", number, dict(values))

    def set_default(self, values):
        self._note("set", None, dict(values))

    def mover(self):
        return self

    def create_topic(self, name, placed, config):
        self._note("create", name, placed)

    def limit(self, rate):
        self._note("limit", rate)

    def throttle(self, topics):
        self._note("throttle", dict(topics))

    def reassign(self, targets):
        self._note("reassign", dict(targets))
        return {key: "no such topic" for key in targets if key[0] == "gone"}


def carried_out(recorder, *actions):
    hands = Hands(
        recorder,
        lambda: recorder,
        lambda leaf: b"pem",
        7,
        lambda node, directory: recorder._note("write down", node.name, directory),
        lambda node: recorder._note("retire", node.name),
        lambda: True,
    )
    return carry_out([Reasoned(action, "because") for action in actions], hands)


def node(number=1):
    return three_brokers().view.node(broker(number))


def test_what_each_action_calls():
    recorder = Recorder()
    done, failures = carried_out(
        recorder,
        Start(node()),
        Start(node(), background=True),
        Foreground(broker(1)),
        Stop(broker(1), How.GRACEFUL),
        Unregister(broker(1), (broker(2), broker(3))),
        Renew(node(), ("client.pem",)),
        Grow(node()),
        Ballast(broker(1), held=True),
        Configure(broker(1), {"num.io.threads": "16"}),
        Lead(broker(2)),
        RemoveVoter(controller(1), "lost"),
        AddVoter(controller(1), "fresh", {"CONTROLLER": ("127.0.0.9", 9093)}),
        Remove(broker(3)),
        Discard(broker(4), "7-broker-4-retired"),
    )
    assert recorder.calls == snapshot(
        [
            ("start", "broker-1", ["inner.pem", "client.pem"], 7),
            ("start in the background", "broker-1", ["inner.pem", "client.pem"], 7),
            ("foreground", "broker-1", 7),
            ("stop", "broker-1", How.GRACEFUL, 7),
            ("unregister", 1, [2, 3]),
            ("write", "broker-1", ["client.pem"], 7),
            ("set", 1, {"listener.name.client_secure.ssl.keystore.location": "/nodes/broker-1/client.pem"}),
            ("grow", "broker-1", 100, 7),
            ("ballast", "broker-1", True, 7),
            ("set", None, {"num.io.threads": "16"}),
            ("elect", 2),
            ("remove voter", 10001, "lost"),
            ("add voter", 10001, "fresh", {"CONTROLLER": ("127.0.0.9", 9093)}),
            ("remove", "broker-3", 7),
            ("discard", "7-broker-4-retired"),
        ]
    )
    assert not failures
    assert [d.remark for d in done if d.remark] == ["its volume is quarantined at /quarantine/7"]


def test_a_broker_whose_unregistration_was_not_answered_is_not_started_in_that_pass():
    """The answer is awaited: a late one would hit the successor."""
    recorder = Recorder({("unregister", 1)})
    done, failures = carried_out(recorder, Unregister(broker(1), (broker(2),)), Start(node(1)), Start(node(2)))
    assert [call[:2] for call in recorder.calls] == [("unregister", 1), ("start", "broker-2")]
    assert [str(d.reasoned.action) for d in done] == ["start broker 2"]
    assert [failure.why for failure in failures] == snapshot(["unregister broker 1 did not work: it is broken"])


def test_what_was_proved_by_a_look_is_not_done_when_that_is_old_and_all_else_is():
    recorder = Recorder()
    hands = Hands(recorder, lambda: recorder, lambda leaf: b"pem", 7, *[lambda *_: None] * 2, lambda: False)
    plan = [
        Reasoned(Stop(broker(1)), "a roll", disrupts=True),
        Reasoned(Unregister(broker(2), (broker(3),)), "it died", heals=True),
        Reasoned(Start(node(2)), "it died", heals=True),
        Reasoned(Start(node(3)), "it died too", heals=True),
        Reasoned(Stop(controller(1), How.AT_ONCE), "it is frozen", heals=True),
    ]
    _, failures = carry_out(plan, hands)
    assert [call[:2] for call in recorder.calls] == [("start", "broker-3"), ("stop", "controller-10001")]
    assert [(failure.why, failure.heals) for failure in failures] == snapshot(
        [
            (
                "stop broker 1 gracefully was not done: the look that allowed it is too old; the next one decides anew",
                False,
            ),
            ("unregister broker 2 was not done: the look that allowed it is too old; the next one decides anew", True),
        ]
    )


def test_a_start_that_fails_is_a_repair_under_way_and_a_failed_election_is_not():
    recorder = Recorder({("start", "broker-1"), ("elect", 2)})
    _, failures = carried_out(recorder, Start(node(1)), Lead(broker(2)))
    assert [(str(failure.target), failure.heals) for failure in failures] == [("broker 1", True), ("broker 2", False)]


def test_ballast_that_stays_holds_up_a_repair_and_ballast_that_cannot_be_laid_does_not():
    recorder = Recorder({("ballast", "broker-1"), ("ballast", "broker-2")})
    _, failures = carried_out(recorder, Ballast(broker(1), held=False), Ballast(broker(2), held=True))
    assert [(failure.why, failure.heals) for failure in failures] == snapshot(
        [
            ("delete the ballast in the volume of broker 1 did not work: it is broken", True),
            ("lay ballast into the volume of broker 2 did not work: it is broken", False),
        ]
    )


def test_a_volume_that_does_not_grow_and_a_setting_that_is_not_taken_are_no_repairs():
    recorder = Recorder({("grow", "broker-1"), ("set", None)})
    _, failures = carried_out(recorder, Grow(node(1)), Configure(broker(2), {"num.io.threads": "16"}))
    assert [(failure.why, failure.heals) for failure in failures] == snapshot(
        [
            ("grow the volume of broker 1 to 100 GiB did not work: it is broken", False),
            ("set num.io.threads=16 did not work: it is broken", False),
        ]
    )


@pytest.mark.parametrize(("code", "lasting"), [(40, True), (42, True), (44, True), (41, False), (7, False)])
def test_what_kafka_will_not_have_is_told_from_what_it_cannot_take_now(code, lasting):
    """INVALID_CONFIG, INVALID_REQUEST and POLICY_VIOLATION; not NOT_CONTROLLER, not REQUEST_TIMED_OUT."""

    class Refusing(Recorder):
        def set_default(self, values):
            raise KafkaRefused("setting a=b", code)

    _, (failure,) = carried_out(Refusing(), Configure(broker(1), {"a": "b"}))
    assert failure.refused is lasting


def test_a_certificate_is_read_again_by_every_listener_that_shows_it():
    recorder = Recorder()
    dual = evolve(node(), beside=(Endpoint("fd00::1", {"CLIENT_IPV6": 20092, "CLIENT_SECURE_IPV6": 20094}),))
    carried_out(recorder, Renew(dual, ("client.pem",)))
    (_, _, said) = recorder.calls[-1]
    assert said == {
        f"listener.name.{name}.ssl.keystore.location": "/nodes/broker-1/client.pem"
        for name in ("client_secure", "client_secure_ipv6")
    }


def test_moves_are_ordered_with_what_slows_them_down():
    recorder = Recorder()
    move = Move(("t", 0), (4, 2), (4,), (1,), 5, needed=False, why="")
    slowed = Throttled(frozenset({(0, 1)}), frozenset({(0, 4)}))
    done, failures = carried_out(
        recorder,
        MakeCanary(broker(1), ((1, 2, 3), (2, 3, 1))),
        Limit(broker(1), 700),
        Throttle(broker(1), {"t": slowed, "u": None}),
        Reassign(broker(1), (move,)),
        Cancel(broker(1), (("t", 1),)),
    )
    assert (len(done), failures) == (5, [])
    assert recorder.calls == [
        ("create", "__amazon_msk_canary", ((1, 2, 3), (2, 3, 1))),
        ("limit", 700),
        ("throttle", {"t": slowed, "u": None}),
        ("reassign", {("t", 0): (4, 2)}),
        ("reassign", {("t", 1): None}),
    ]


def test_what_kafka_refuses_to_take_back_is_told():
    _, (failure,) = carried_out(Recorder(), Cancel(broker(1), (("gone", 1),)))
    assert "take back 1 moves (gone-1) did not work: gone-1: no such topic" in failure.why
    assert not failure.heals
