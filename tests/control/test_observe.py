"""A look at the world: what is asked of whom, and since when a node is idle or silent."""

from datetime import timedelta

import pytest
from attrs import define, evolve, field
from fakes.views import NOW, broker, controller, three_brokers

from penstock.compute.base import Capabilities
from penstock.control.cluster.observe import Observer
from penstock.kafka.reassign import RATES
from penstock.kafka.wire import KafkaError
from penstock.model.observation import Absent, Known, Unknown
from penstock.model.operation import OpenOperation, OperationKind, OperationState
from penstock.model.spec import Pace


@define
class Scene:
    """A provider and a Kafka that say what the view says, and note what they are asked."""

    view: object
    deaf: set = field(factory=set)
    asked: list = field(factory=list)
    unreachable: bool = False
    after_ping: object = None
    """What is so once the first node was asked itself."""
    closed: int = 0
    said: list = field(factory=list)
    """The last lines of every node's log."""
    capabilities: Capabilities = Capabilities(own_addresses=True, unprivileged=True)

    def sightings(self, cluster):
        return self.view.sightings

    def quarantined(self, cluster):
        return []

    def quorum(self):
        return self._told("quorum", self.view.quorum)

    def brokers(self):
        return self._told("brokers", self.view.brokers)

    def partitions(self):
        return self._told("partitions", self.view.partitions)

    def ping(self, number):
        self.asked.append(number)
        self.view = self.after_ping or self.view
        return number not in self.deaf

    def config(self, number, names):
        return self._told(("config", number, names), Known(dict.fromkeys(names, "1")))

    def defaults(self, names):
        return self._told(("defaults", names), Known({}))

    def tail(self, node, lines):
        self.asked.append(("tail", node.number))
        return self.said

    def mover(self):
        return self

    def reassignments(self):
        return {}

    def log_dirs(self, number):
        return ()

    def cordoned(self, number):
        return None

    def limits(self, number):
        return dict.fromkeys(RATES, 700)

    def throttled(self, topics):
        return {}

    def close(self):
        self.closed += 1

    def _told(self, what, observed):
        self.asked.append(what)
        if self.unreachable:
            raise KafkaError("nobody answered")
        return observed.value


@define
class Watch:
    """An observer over a scene, looking every half second."""

    scene: Scene
    now: object = NOW
    observer: Observer = field(init=False)

    def __attrs_post_init__(self):
        self.observer = Observer(self.scene, lambda spec, layout: self.scene)

    def look(self, depth=2, after=0.5):
        self.now += timedelta(seconds=after)
        self.scene.asked.clear()
        view = self.scene.view
        return self.observer.look(view.spec, view.status, view.layout, view.operation, depth, self.now)

    def set(self, seen):
        self.scene.view = seen.view


@pytest.fixture
def watch():
    return Watch(Scene(three_brokers().view))


def worked(seen, watch, cpu):
    """Every process used so much CPU time."""
    for node in seen.view.layout:
        if seen.view.running(node.id):
            seen = seen.with_run(node.id, cpu_seconds=cpu)
    watch.set(seen)


def test_a_look_at_nodes_asks_nobody(watch):
    view = watch.look(depth=1)
    assert watch.scene.asked == []
    assert isinstance(view.quorum, Unknown)


def test_partitions_are_asked_for_by_deep_looks_alone(watch):
    watch.look(depth=2)
    assert "partitions" not in watch.scene.asked
    watch.look(depth=3)
    assert "partitions" in watch.scene.asked


def test_the_word_of_the_cluster_counts_once_a_run_has_answered_itself(watch):
    watch.look()
    assert {1, 2, 3, 10_001, 10_002, 10_003} <= set(watch.scene.asked)
    watch.look()
    assert watch.scene.asked == ["quorum", "brokers"]


def test_a_new_run_is_asked_itself_even_where_the_controllers_still_count_on_the_old_one(watch):
    watch.look()
    watch.set(three_brokers().with_run(broker(2), pid=9999))
    watch.scene.deaf = {2}
    view = watch.look()
    assert 2 in watch.scene.asked
    assert view.answers[broker(2)] == Known(False)
    assert view.silent_since == {}


def test_a_fenced_broker_is_asked_itself(watch):
    watch.look()
    watch.set(three_brokers().fenced(3))
    watch.look()
    assert watch.scene.asked == ["quorum", "brokers", 3]


def test_nodes_that_do_not_run_or_are_suspended_are_not_asked(watch):
    watch.set(three_brokers().killed(broker(1)).with_run(broker(2), suspended=True))
    view = watch.look()
    assert not {1, 2} & set(watch.scene.asked)
    assert isinstance(view.answers[broker(1)], Unknown)
    assert view.answers[broker(2)] == Known(False)


def test_without_a_running_node_nothing_is_asked(watch):
    seen = three_brokers()
    for node in seen.view.layout:
        seen = seen.with_sighting(node.id, Absent())
    watch.set(seen)
    view = watch.look(depth=3)
    assert watch.scene.asked == []
    assert isinstance(view.partitions, Unknown)


def test_an_answer_that_does_not_come_is_unknown_and_says_why(watch):
    watch.scene.unreachable = True
    view = watch.look(depth=3)
    assert view.quorum == view.brokers == view.partitions == Unknown("nobody answered")
    assert view.answers[broker(1)] == Known(True), "each was asked itself"


def test_a_node_that_the_provider_does_not_mention_was_never_started(watch):
    view = watch.scene.view
    watch.scene.view = evolve(view, sightings={k: v for k, v in view.sightings.items() if k != broker(3)})
    assert watch.look(depth=1).sighting(broker(3)) == Known(Absent())


def test_nothing_left_of_a_node_that_has_served_is_a_lost_volume_and_no_first_start(watch):
    view = watch.scene.view
    served = [evolve(place, served=place.directory) for place in view.spec.nodes]
    there = {node: seen for node, seen in view.sightings.items() if node not in (broker(3), controller(1))}
    watch.scene.view = evolve(view, spec=evolve(view.spec, nodes=tuple(served)), sightings=there)
    for node in (broker(3), controller(1)):
        bereft = watch.look(depth=1).sighting(node).value
        assert (bereft.incarnation, bereft.why) == (
            view.spec.place(node).directory,
            f"nothing is left of {node}: neither its directory nor its volume",
        )
    anew = view.spec.with_place(evolve(view.spec.place(broker(3)), served="the one before", joins=True))
    watch.scene.view = evolve(view, spec=anew, sightings=there)
    assert watch.look(depth=1).sighting(broker(3)) == Known(Absent()), "its new volume is made"


def test_a_broker_that_registers_during_a_look_is_not_taken_for_one_that_lost_its_registration(watch):
    view = watch.scene.view
    others = {number: seen for number, seen in view.brokers.value.items() if number != 3}
    watch.scene.view = evolve(view, brokers=Known(others))
    watch.scene.after_ping = view
    seen = watch.look()
    assert (seen.answers[broker(3)], seen.brokers) == (Known(True), view.brokers)


def test_a_labelled_node_that_the_cluster_does_not_know_is_a_stray(watch):
    view = watch.scene.view
    watch.scene.view = evolve(view, sightings={**view.sightings, broker(9): Known(Absent())})
    assert watch.look(depth=1).strays == (broker(9),)


def test_silence_and_idleness_are_dated_from_the_last_sign_of_life(watch):
    watch.look()
    worked(three_brokers(), watch, 11.0)
    watch.look()
    last = watch.now
    watch.scene.deaf = {2}
    worked(three_brokers().fenced(2), watch, 11.0)
    first = watch.look()
    assert first.silent_since == {broker(2): watch.now}
    assert first.idle_since == {broker(2): last}
    assert watch.look().silent_since == {broker(2): last + timedelta(seconds=0.5)}


def test_a_silent_node_that_works_is_not_idle(watch):
    watch.look()
    watch.scene.deaf = {2}
    for second in range(5):
        worked(three_brokers().fenced(2), watch, 20.0 + second)
        view = watch.look(after=1.0)
    assert view.idle_since == {}
    assert broker(2) in view.silent_since


def test_a_node_that_never_served_in_this_run_is_not_called_silent(watch):
    watch.scene.deaf = {2}
    watch.set(three_brokers().fenced(2))
    assert watch.look().silent_since == {}


def test_after_the_machine_slept_nothing_is_concluded_from_before(watch):
    watch.look()
    watch.scene.deaf = {2}
    watch.set(three_brokers().fenced(2))
    watch.look()
    view = watch.look(after=3600)
    assert view.silent_since == {broker(2): watch.now}
    assert view.idle_since == {}


def test_one_connection_is_kept_and_a_new_one_made_when_the_nodes_change(watch):
    watch.look()
    watch.look()
    assert watch.scene.closed == 0
    view = watch.scene.view
    watch.scene.view = evolve(view, layout=view.layout[:-1])
    watch.look()
    assert watch.scene.closed == 1


def test_a_voter_that_keeps_up_is_believed_and_a_late_one_asked(watch):
    watch.look()
    watch.set(three_brokers().behind(controller(2)))
    watch.look()
    assert watch.scene.asked == ["quorum", "brokers", 10_002]


def updating(target):
    """An update of the configuration is open."""
    kind = OperationKind.UPDATE_CLUSTER_CONFIGURATION
    return OpenOperation("op-1", kind, OperationState.UPDATE_IN_PROGRESS, NOW, target)


def test_brokers_are_asked_for_the_settings_that_an_open_operation_changes_and_for_no_other(watch):
    watch.set(three_brokers().killed(broker(2)).but(operation=updating({"live": {"b": "1", "a": "2"}})))
    view = watch.look(depth=3)
    asked = [each for each in watch.scene.asked if isinstance(each, tuple)]
    names = ["a", "b"]
    assert asked == [("config", 1, names), ("config", 3, names), ("defaults", names)], "once, and of those that run"
    assert view.settings == {
        1: Known({"a": "1", "b": "1"}),
        2: Unknown("it does not run"),
        3: Known({"a": "1", "b": "1"}),
    }


def test_settings_are_nobodys_business_where_none_are_changed_and_unknown_where_nobody_answers(watch):
    for quiet in (three_brokers(), three_brokers().but(operation=updating({"live": {}})), three_brokers().rebooting(1)):
        watch.set(quiet)
        assert watch.look(depth=3).settings == {}
    watch.set(three_brokers().but(operation=updating({"live": {"a": "2"}})))
    watch.scene.unreachable = True
    assert set(watch.look().settings.values()) == {Unknown("nobody answered")}


# -- nodes that start, and what they take

LOADED = "Completed load of Log() ({}/400 completed in /data) (kafka.log.LogManager)"


def starting(watch, said):
    """Broker 2 has begun and is not let in yet; its log has grown."""
    run = evolve(watch.scene.view.running(broker(2)), pid=7, since=watch.now, said=said)
    watch.set(three_brokers().with_sighting(broker(2), run).fenced(2))
    watch.scene.deaf = {2}


def test_a_broker_that_starts_tells_how_far_it_is_with_its_logs(watch):
    starting(watch, said=10)
    watch.scene.said = [LOADED.format(120)]
    view = watch.look()
    assert str(view.recovering[broker(2)]) == "120 of 400 logs"
    assert view.advanced[broker(2)] == watch.now


def test_its_log_is_read_only_when_something_was_said(watch):
    starting(watch, said=10)
    watch.look()
    assert ("tail", 2) in watch.scene.asked
    watch.look()
    assert ("tail", 2) not in watch.scene.asked


def test_words_alone_are_no_progress(watch):
    starting(watch, said=10)
    watch.scene.said = [LOADED.format(120)]
    first = watch.look().advanced[broker(2)]
    for said in (20, 30):
        run = evolve(watch.scene.view.running(broker(2)), said=said)
        watch.set(three_brokers().with_sighting(broker(2), run).fenced(2))
        watch.scene.said = [LOADED.format(120), "INCONSISTENT_CLUSTER_ID"]
        assert watch.look().advanced[broker(2)] == first
    run = evolve(run, said=40)
    watch.set(three_brokers().with_sighting(broker(2), run).fenced(2))
    watch.scene.said = [LOADED.format(121)]
    assert watch.look().advanced[broker(2)] == watch.now


def test_while_no_controller_answers_nobody_is_said_to_get_no_further(watch):
    starting(watch, said=10)
    watch.look()
    watch.scene.unreachable = True
    assert watch.look(after=300).advanced[broker(2)] == watch.now


def test_how_long_a_node_took_from_its_start_until_it_served_is_remembered(watch):
    starting(watch, said=10)
    watch.look()
    run = watch.scene.view.running(broker(2))
    watch.scene.deaf = set()
    watch.set(three_brokers().with_sighting(broker(2), run))
    assert watch.look(after=3.5).pace == Pace({"broker-2": 4.0})


def test_nobody_guesses_how_long_a_node_took_that_served_already(watch):
    assert watch.look().pace == Pace()


def test_settling_is_dated_from_its_last_progress_and_measured_to_its_end(watch):
    watch.set(three_brokers().killed(broker(2)).fenced(2))
    watch.look(3)
    watch.set(three_brokers().out_of_sync(2))
    began = watch.look(3).unsettled_since
    assert began == watch.now
    assert watch.look(3, after=5).unsettled_since == began
    one_less = three_brokers().out_of_sync(2).view.partitions.value[1:]
    watch.set(three_brokers().with_topics(three_brokers().view.partitions.value[0], *one_less))
    assert watch.look(3).unsettled_since == watch.now
    watch.set(three_brokers())
    view = watch.look(3)
    assert view.unsettled_since is None
    assert view.pace.settling == 6.0


def test_what_a_rebalance_costs_is_measured_while_all_serve_and_limits_are_seen_anyway(watch):
    kind = OperationKind.INCREASE_BROKER_COUNT
    moving = OpenOperation("op-1", kind, OperationState.UPDATE_IN_PROGRESS, NOW, {"rebalance": True})
    watch.set(three_brokers().killed(broker(3)).fenced(3).but(operation=moving))
    for _ in range(40):
        view = watch.look(depth=3)
    assert view.traffic.limits == {1: 700, 2: 700}
    assert not view.traffic.measured, "while brokers start there is nothing to be measured"
    watch.set(three_brokers().but(operation=moving))
    assert not watch.look(depth=3).traffic.measured, "time in which a broker was away does not count"
    for _ in range(40):
        view = watch.look(depth=3)
    assert view.traffic.limits == {1: 700, 2: 700, 3: 700}
    assert "its topic is not there" in view.traffic.unmeasured
