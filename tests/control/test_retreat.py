"""When an operation is given up, and what becomes of it: by proof, or after a long time without progress."""

from datetime import timedelta

import pytest
from attrs import evolve
from fakes.views import NOW, ago, broker, brokers_of, controller, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.act import Failure
from penstock.control.cluster.course import course
from penstock.control.cluster.rebalance.step import weighed
from penstock.control.cluster.retreat import (
    HOPELESS_REFUSALS,
    HOPELESS_RUNS,
    LOST_RUNS,
    REMEDIES,
    Way,
    gone_back,
    way,
)
from penstock.control.cluster.steps import STEPS
from penstock.model.action import How, Retire, Stop
from penstock.model.observation import Gone, Known, Recovery
from penstock.model.operation import OpenOperation, OperationKind, OperationState, Setback, Step, Work
from penstock.model.plan import Reasoned
from penstock.model.rebalance import BrokerFacts, Facts, Limits, PartitionFacts, Traffic

PATIENCE = timedelta(seconds=600)
LONG_AGO = ago(700)
KIND = OperationKind
BEFORE = {"before": {"instance_type": "kafka.m5.large"}}
SCALED = {"NumberOfBrokerNodes": 6, "rebalance": True}


def operation(kind=KIND.UPDATE_BROKER_TYPE, target=BEFORE, **changes):
    source = {"NumberOfBrokerNodes": 3} if kind is KIND.INCREASE_BROKER_COUNT else {}
    open_ = OpenOperation("op-1", kind, OperationState.UPDATE_IN_PROGRESS, ago(60), target, source=source)
    return evolve(open_, **changes)


def after(seen, open_, *, failures=(), waiting=("waits for broker 1: it rests",), said="FATAL it will not", **options):
    seen = seen.with_status(waiting=waiting).but(operation=open_)
    options.setdefault("lost_sight", False)
    return course(seen.view, open_, seen.view.status, failures, NOW, PATIENCE, lambda node: said, **options)


def outdated():
    """Another type is wanted and no broker has it yet."""
    return three_brokers().with_spec(instance_type="kafka.m7g.xlarge")


def gone(runs):
    return Gone(ago(1), "exit status 1", short_runs=runs)


def idle(open_, seen, since=LONG_AGO):
    """The operation has come as far as it is now, and that was then."""
    work = after(seen, open_).operation.work
    return evolve(open_, work=evolve(work, marked=since))


def test_a_node_that_ends_again_and_again_turns_the_operation_with_its_own_words():
    at = after(outdated().with_sighting(broker(1), gone(HOPELESS_RUNS)), operation())
    assert at.turned
    assert at.ending is None
    assert at.operation.work.setback == Setback(
        "BROKER_CANNOT_START",
        "broker 1 ended 3 times in a row soon after its start with exit status 1: FATAL it will not",
    )
    silent = after(outdated().with_sighting(controller(2), gone(4)), operation(), said="")
    assert (
        silent.operation.work.setback.why
        == "controller 10002 ended 4 times in a row soon after its start with exit status 1"
    )


def test_one_crash_or_two_prove_nothing_and_a_node_that_runs_is_given_its_time():
    assert not after(outdated(), operation()).turned
    assert not after(outdated().with_sighting(broker(1), gone(HOPELESS_RUNS - 1)), operation()).turned


def test_what_kafka_refuses_again_and_again_turns_the_operation_with_its_reason():
    refused = [
        Failure(broker(1), "set a=b did not work: Kafka answered INVALID_CONFIG (40): no", heals=False, refused=True)
    ]
    open_ = operation()
    for _ in range(HOPELESS_REFUSALS - 1):
        at = after(outdated(), open_, failures=refused)
        assert not at.turned
        open_ = at.operation
    assert after(outdated(), open_).operation.work.refusals == 0, "in a row, that is"
    at = after(outdated(), open_, failures=refused)
    assert at.turned
    assert at.operation.work.setback == Setback("PROPERTY_REFUSED", refused[0].why)


def test_no_progress_for_long_turns_it_and_says_on_what_it_waited():
    at = after(outdated(), idle(operation(), outdated()))
    assert at.turned
    assert at.operation.work.setback == Setback("NO_PROGRESS", "no progress for 700 s: it waits for broker 1: it rests")


def test_progress_begins_the_time_anew():
    waited = idle(operation(), outdated())
    rolled = outdated()
    rolled = rolled.with_run(broker(1), revision=rolled.view.node(broker(1)).revision, since=ago(1))
    at = after(rolled, waited)
    assert not at.turned
    assert at.operation.work.marked == NOW


def test_a_node_that_comes_and_goes_makes_no_progress():
    rolled = outdated()
    rolled = rolled.with_run(broker(1), revision=rolled.view.node(broker(1)).revision, since=ago(1))
    waited = idle(operation(), rolled)
    assert after(rolled.killed(broker(1)), waited).turned
    assert after(rolled, waited).turned


def test_replicas_that_catch_up_are_waited_for():
    behind = outdated().out_of_sync(2)
    at = after(behind, idle(operation(), behind))
    assert not at.turned
    assert at.operation.work.marked == NOW


def test_a_broker_that_reads_its_logs_is_waited_for():
    reads = outdated().starting(broker(2), ago(4000)).fenced(2).but(recovering={broker(2): Recovery(120, 400)})
    at = after(reads, idle(operation(), reads))
    assert not at.turned
    assert at.operation.work.marked == NOW


def test_time_in_which_nobody_looked_is_no_time_without_progress():
    at = after(outdated(), idle(operation(), outdated()), lost_sight=True)
    assert not at.turned
    assert at.operation.work.marked == NOW


def test_an_operation_that_was_given_up_fails_when_the_cluster_is_what_it_was():
    given_up = operation(work=Work(setback=Setback("NO_PROGRESS", "it waited"), marked=NOW))
    assert after(outdated(), given_up).ending is None, "brokers still run what was given up"
    assert after(three_brokers().out_of_sync(1), given_up).ending is None
    ending = after(three_brokers(), given_up).ending
    assert (ending.state, ending.code) == (OperationState.UPDATE_FAILED, "NO_PROGRESS")
    assert ending.why == snapshot(
        "it waited; the cluster is what it was before. Mend what it waited for (`penstock explain` tells what is so now), and ask again."
    )


def test_the_way_back_has_its_time_too():
    given_up = idle(operation(work=Work(setback=Setback("NO_PROGRESS", "it waited"))), outdated())
    assert after(outdated(), given_up).ending.why == snapshot(
        "it waited; and it is not back yet: waits for broker 1: it rests. Mend what it waited for (`penstock explain` tells what is so now), and ask again."
    )
    assert "not back yet: the cluster did not come to serve" in after(outdated(), given_up, waiting=()).ending.why


def test_a_node_that_cannot_run_with_what_was_there_before_either_is_left_to_healing():
    given_up = operation(work=Work(setback=Setback("BROKER_CANNOT_START", "it ended"), marked=NOW))
    assert after(three_brokers().with_sighting(broker(1), gone(LOST_RUNS - 1)), given_up).ending is None
    ending = after(three_brokers().with_sighting(broker(1), gone(LOST_RUNS)), given_up).ending
    assert ending.why == snapshot(
        "it ended; and it is not back yet: waits for broker 1: it rests. Mend what its log tells (`penstock logs`), or ask for something else."
    )


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_an_operation_that_failed_tells_why_what_became_of_it_and_what_to_do(code):
    for kind, target in ((KIND.UPDATE_BROKER_TYPE, BEFORE), (KIND.UPDATE_BROKER_EBS_VOLUME, BEFORE)):
        given_up = operation(kind, target, work=Work(setback=Setback(code, "it ended"), marked=NOW))
        why, then, remedy = after(three_brokers(), given_up).ending.why.replace("; ", ". ", 1).split(". ", 2)
        assert (why, remedy) == ("it ended", REMEDIES[code])
        assert then


def test_steps_stand_still_on_the_way_back():
    steps = (Step("ROLL_BROKERS", "IN_PROGRESS"), Step("SET_DYNAMIC_PROPERTIES", "PENDING"))
    given_up = operation(steps=steps, work=Work(setback=Setback("NO_PROGRESS", "it waited"), marked=NOW))
    assert after(three_brokers(), given_up).operation.steps == steps


def test_on_the_way_back_the_old_values_are_the_wanted_ones():
    target = {"live": {"a": "new"}, "live_before": {"a": "old"}}
    assert operation(target=target).live == {"a": "new"}
    assert operation(target=target, work=Work(setback=Setback("X", "y"))).live == {"a": "old"}


def test_brokers_that_joined_leave_again_unless_all_of_them_serve():
    six = brokers_of(6)
    open_ = operation(KIND.INCREASE_BROKER_COUNT, SCALED)
    assert way(six.view, open_) is Way.BACK
    back = gone_back(six.view.spec, open_)
    assert [place.leaving for place in back.brokers] == [False] * 3 + [True] * 3
    joined = evolve(open_, steps=(Step("START_BROKERS", "COMPLETED"), Step("MOVE_PARTITIONS", "IN_PROGRESS")))
    assert way(six.view, joined) is Way.END
    at = after(six, idle(joined, six))
    assert at.turned
    assert not at.goes_back
    held = after(six, at.operation)
    assert held.ending is None, "whether moves are still throttled is not known"
    ended = after(six.but(balance=Known(weighed(Facts((), ()), Limits()))), at.operation).ending
    assert (ended.code, ended.stays) == ("NO_PROGRESS", True)


def test_an_operation_whose_way_back_takes_too_long_says_what_it_leaves_throttled():
    six = brokers_of(6)
    joined = (Step("START_BROKERS", "COMPLETED"), Step("MOVE_PARTITIONS", "IN_PROGRESS"))
    work = Work(setback=Setback("NO_PROGRESS", "it waited", stays=True), throttles=("orders",))
    open_ = idle(operation(KIND.INCREASE_BROKER_COUNT, SCALED, steps=joined, work=work), six)
    assert after(six, open_).ending.throttled == ("orders",), "it is not known whether it is lifted"
    seen = six.but(balance=Known(weighed(Facts((), ()), Limits())), traffic=Traffic(limits={1: 100}))
    open_ = idle(open_, seen)
    assert after(seen, open_).ending.throttled == ("orders",)
    assert after(seen.but(traffic=Traffic(limits={1: None})), open_).ending.throttled == ()


def test_an_operation_is_never_over_while_something_is_here_of_a_broker_that_has_left():
    six = brokers_of(6)
    work = Work(setback=Setback("NO_PROGRESS", "it waited"))
    five = six.with_spec(nodes=six.view.spec.without(broker(6)).nodes, retired=(broker(6),))
    open_ = idle(operation(KIND.INCREASE_BROKER_COUNT, SCALED, work=work), five)
    assert after(five, open_).ending is None, "it would be a stranger from now on, and left alone"
    gone_too = five.but(sightings={node: seen for node, seen in five.view.sightings.items() if node != broker(6)})
    assert after(gone_too, open_).ending


def test_brokers_that_were_to_leave_stay_unless_one_has_left():
    six = brokers_of(6)
    leaving = tuple(evolve(place, leaving=place.id.number > 3) for place in six.view.spec.nodes)
    six = six.with_spec(nodes=leaving)
    open_ = operation(KIND.DECREASE_BROKER_COUNT, SCALED)
    assert way(six.view, open_) is Way.BACK
    assert not any(place.leaving for place in gone_back(six.view.spec, open_).nodes)
    left = six.with_spec(retired=(broker(6),))
    assert way(left.view, open_) is Way.WAIT
    assert not after(left, idle(open_, left)).turned


def test_a_reboot_is_taken_back_only_while_its_broker_was_not_stopped():
    waits = three_brokers().rebooting(1)
    open_ = waits.view.operation
    assert way(waits.view, open_) is Way.BACK
    assert gone_back(waits.view.spec, open_) == three_brokers().view.spec
    assert way(waits.with_run(broker(1), stopping=ago(1)).view, open_) is Way.WAIT
    assert way(waits.killed(broker(1)).view, open_) is Way.WAIT
    assert way(waits.with_run(broker(1), revision=waits.view.node(broker(1)).revision).view, open_) is Way.WAIT


def test_a_configuration_comes_back_as_the_store_gives_it():
    """Rows are JSON, where a pair is a list; a spec that differs in that alone would be laid out anew for ever."""
    spec = evolve(three_brokers().view.spec, configuration=("arn:tuned", 2))
    configured = KIND.UPDATE_CLUSTER_CONFIGURATION
    back = gone_back(spec, operation(configured, {"before": {"configuration": ["arn:tuned", 1]}}))
    assert back.configuration == ("arn:tuned", 1)
    assert gone_back(spec, operation(configured, {"before": {"configuration": None}})).configuration is None


@pytest.mark.parametrize("kind", STEPS)
def test_every_kind_has_its_rule(kind):
    target = {"number": 1, **({"before": {}} if kind not in (KIND.UPDATE_CLUSTER_MONITORING,) else {})}
    expected = Way.WAIT if kind in (KIND.UPDATE_CLUSTER_MONITORING, KIND.REBOOT_NODE) else Way.BACK
    assert way(three_brokers().view, operation(kind, target)) is expected


def test_one_that_was_written_out_in_the_same_pass_has_left_too():
    six = brokers_of(6)
    leaving = tuple(evolve(place, leaving=place.id.number > 3) for place in six.view.spec.nodes)
    six = six.with_spec(nodes=leaving)
    open_ = idle(operation(KIND.DECREASE_BROKER_COUNT, FEWER), six)
    assert after(six, open_).goes_back
    assert not after(six, open_, done=[Reasoned(Retire(broker(4)), "it is empty")]).turned


def shrunk(**changes):
    """Three of six brokers have left, and nothing of them is here any more."""
    seen = brokers_of(3)
    facts = Facts(tuple(BrokerFacts(n, f"az{n}", 2**40, 0) for n in (1, 2, 3)), ())
    limits = dict.fromkeys((1, 2, 3), None)
    traffic = Traffic(limits=limits, writing=False)
    return seen.but(**{"balance": Known(weighed(facts, Limits())), "traffic": traffic, **changes})


FEWER = {"NumberOfBrokerNodes": 3, "rebalance": True}
UNEVEN = Facts(
    tuple(BrokerFacts(n, f"az{(n - 1) % 3}", 2**40, 0) for n in (1, 2, 3, 4, 5, 6)),
    tuple(PartitionFacts("t", i, (1, 2, 3), 1, (1, 2, 3), 2**30) for i in range(12)),
)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"balance": Known(weighed(UNEVEN, Limits()))}, "more is to be moved"),
        ({"traffic": Traffic(limits=dict.fromkeys((1, 2, 3), 2**23), rate=2**23, writing=True)}, "a limit is left"),
        ({"cordoned": {1: True}}, "a broker that stays is closed"),
    ],
)
def test_what_was_done_to_move_partitions_does_not_outlive_the_operation(changes, why):
    open_ = operation(KIND.DECREASE_BROKER_COUNT, FEWER)
    assert after(shrunk(), open_, waiting=()).ending.state is OperationState.UPDATE_COMPLETE
    assert after(shrunk(**changes), open_, waiting=()).ending is None, why


def test_it_is_not_over_while_a_broker_was_stopped_for_something_else():
    """Its certificate ends, say: the last step was done before that."""
    open_ = operation(KIND.DECREASE_BROKER_COUNT, FEWER)
    open_ = evolve(open_, steps=after(shrunk(), open_, waiting=()).operation.steps)
    stop = Reasoned(Stop(broker(1), How.GRACEFUL), "its certificate ends", disrupts=True)
    assert after(shrunk(), open_, waiting=()).ending
    assert after(shrunk(), open_, waiting=(), done=[stop]).ending is None
    assert after(shrunk().with_run(broker(1), stopping=ago(1)), open_, waiting=()).ending is None
    assert after(shrunk().out_of_sync(1), open_, waiting=()).ending is None


def test_an_operation_that_ends_with_brokers_closed_says_so():
    work = Work(setback=Setback("NO_PROGRESS", "it waited"))
    open_ = idle(operation(KIND.DECREASE_BROKER_COUNT, FEWER, work=work), shrunk())
    assert not after(shrunk(), open_).ending.restrained
    assert after(shrunk(cordoned={1: True}), evolve(open_, work=evolve(open_.work, marked=ago(1)))).ending is None
    assert after(shrunk(cordoned={1: True}), open_).ending.restrained, "the way back took too long"
