"""What a person reads: a pass in one sentence, and why a cluster is as it is."""

from datetime import timedelta

from attrs import evolve
from fakes.views import NOW, ago, broker, controller, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.act import Done, Failure
from penstock.control.cluster.course import Course
from penstock.control.cluster.outcome import Ending
from penstock.control.cluster.sentences import describe, explained, failed, passed
from penstock.control.cluster.state import status
from penstock.model.action import How, Stop
from penstock.model.observation import Absent, Blocked, Gone, Known, Unknown
from penstock.model.operation import OpenOperation, OperationKind, OperationState, Setback, Work
from penstock.model.plan import Reasoned
from penstock.model.spec import ClusterState

PATIENCE = timedelta(seconds=60)


def told(seen, failures=(), ending=None):
    plan = seen.plan()
    done = [Done(reasoned) for reasoned in plan.actions]
    at = Course(OpenOperation("op-1", ending.kind, ending.state, NOW), ending) if ending is not None else None
    return passed(seen.view, status(seen.view, plan, NOW, PATIENCE), done, failures, at)


def why(seen, last_line="no log line"):
    return explained(seen.view, seen.plan(), lambda node: last_line)


def test_a_pass_that_heals():
    assert told(three_brokers().killed(broker(2))) == snapshot(
        "broker 2 ended with signal 9 (SIGKILL): unregister broker 2, start broker 2; ACTIVE -> HEALING"
    )


def test_a_pass_with_nothing_to_tell_tells_nothing():
    assert told(three_brokers()) == ""
    healing = three_brokers().fenced(2).with_status(state=ClusterState.HEALING, message="broker 2 must serve again")
    assert told(healing) == ""


def test_a_create_in_one_sentence():
    seen = three_brokers().creating()
    for node in seen.view.layout:
        seen = seen.with_sighting(node.id, Absent())
    assert told(seen).split("; ") == snapshot(
        [
            "broker 1 was never started: start broker 1",
            "broker 2 was never started: start broker 2",
            "broker 3 was never started: start broker 3",
            "controller 10001 was never started: start controller 10001",
            "controller 10002 was never started: start controller 10002",
            "controller 10003 was never started: start controller 10003",
        ]
    )
    assert told(three_brokers().creating()) == snapshot("CREATING -> ACTIVE")


def test_a_failed_act_is_told_once():
    failure = Failure(broker(2), "start broker 2 did not work: no Java")
    assert told(three_brokers(), [failure]) == snapshot("start broker 2 did not work: no Java")
    again = three_brokers().with_status(waiting=(str(failed(failure)),))
    assert told(again, [failure]) == ""


def test_a_remark_stands_with_its_act():
    done = [Done(Reasoned(Stop(broker(1), How.AT_ONCE), "it was frozen"), "its volume is quarantined at /there")]
    seen = three_brokers()
    assert passed(seen.view, seen.view.status, done, []) == snapshot(
        "it was frozen: stop broker 1 at once (its volume is quarantined at /there)"
    )


def test_an_operation_that_is_given_up_says_why_and_that_the_cluster_goes_back():
    seen = three_brokers()
    given_up = OpenOperation(
        "op-1",
        OperationKind.UPDATE_BROKER_TYPE,
        OperationState.UPDATE_IN_PROGRESS,
        NOW,
        work=Work(setback=Setback("NO_PROGRESS", "no progress for 600 s: it waits for broker 1: it rests")),
    )
    assert passed(seen.view, seen.view.status, [], [], Course(given_up, turned=True)) == (
        "operation UPDATE_BROKER_TYPE is given up: no progress for 600 s: it waits for broker 1: it rests; the cluster goes back"
    )
    assert passed(seen.view, seen.view.status, [], [], Course(given_up)) == "", "once is enough"


def test_the_end_of_an_operation_is_told():
    ending = Ending(OperationState.REBOOT_COMPLETE, OperationKind.REBOOT_NODE)
    assert told(three_brokers(), ending=ending) == snapshot("operation REBOOT_NODE is REBOOT_COMPLETE")


def test_a_healthy_cluster_explained():
    assert "\n".join(why(three_brokers())) == snapshot("""\
orders is ACTIVE since 2030-01-01 11:11:40Z.
broker 1 at 127.64.0.1 runs as pid 101 since 2030-01-01 11:10:00Z (seen in the process table) and serves (by the controllers).
broker 2 at 127.64.64.2 runs as pid 102 since 2030-01-01 11:10:00Z (seen in the process table) and serves (by the controllers).
broker 3 at 127.64.128.3 runs as pid 103 since 2030-01-01 11:10:00Z (seen in the process table) and serves (by the controllers).
controller 10001 at 127.64.0.4 runs as pid 10101 since 2030-01-01 11:10:00Z (seen in the process table) and serves (by the controllers).
controller 10002 at 127.64.64.5 runs as pid 10102 since 2030-01-01 11:10:00Z (seen in the process table) and serves (by the controllers).
controller 10003 at 127.64.128.6 runs as pid 10103 since 2030-01-01 11:10:00Z (seen in the process table) and serves (by the controllers).
The quorum is led by controller 10001 in epoch 7.
There is nothing to do.\
""")


def test_a_node_that_keeps_ending_explained():
    """Which node, what is known and how, its last log line, what is waited for, the next try and when."""
    seen = (
        three_brokers()
        .fenced(2)
        .with_sighting(broker(2), Gone(ago(1), "exit status 1", short_runs=3))
        .with_status(state=ClusterState.HEALING, since=ago(20), message="broker 2 ended with exit status 1")
    )
    lines = [line for line in why(seen, "FATAL disk is read-only") if " and serves" not in line]
    assert [line.partition(" (seen")[::2] for line in lines] == snapshot(
        [
            ("orders is HEALING since 2030-01-01 11:59:40Z. broker 2 ended with exit status 1", ""),
            (
                "broker 2 at 127.64.64.2 ended at 11:59:59Z with exit status 1, 3 times in a row soon after its start",
                " in the process table) and does not serve (by the controllers).",
            ),
            ("  Its last log line: FATAL disk is read-only", ""),
            ("The quorum is led by controller 10001 in epoch 7.", ""),
            ("Partitions with replicas out of sync: orders-0, orders-1, orders-2.", ""),
            (
                "It waits for broker 2: it ended soon after its start 3 times in a row (exit status 1); next try 12:00:03Z.",
                "",
            ),
        ]
    )


def test_what_comes_next_is_told_with_its_evidence():
    lines = why(three_brokers().killed(broker(2)))
    assert [line for line in lines if line.startswith("Next")] == snapshot(
        [
            "Next: unregister broker 2, because broker 2 ended with signal 9 (SIGKILL).",
            "Next: start broker 2, because broker 2 ended with signal 9 (SIGKILL).",
        ]
    )


def test_a_broker_that_is_starting_is_not_nothing_to_do():
    """A plan without actions while something is wrong has to say on what it waits."""
    lines = why(three_brokers().fenced(2).silent(broker(2), 1).but(silent_since={}, idle_since={}))
    assert "There is nothing to do." not in lines
    assert [line for line in lines if line.startswith("It waits")] == snapshot(
        ["It waits for broker 2: started, and not serving yet."]
    )


def test_what_is_not_known_is_told_as_such():
    lines = why(three_brokers().but(quorum=Unknown("no node answered")).with_sighting(broker(3), Unknown("no folder")))
    assert [line for line in lines if "not known" in line] == snapshot(
        [
            "broker 3 at 127.64.128.3 is not known: no folder (seen in the process table) and does not serve (by the controllers).",
            "The quorum is not known: no node answered.",
        ]
    )


def test_sightings_in_words():
    run = three_brokers().view.running(controller(1))
    words = [
        describe(seen)
        for seen in (
            Known(run),
            Known(evolve(run, suspended=True)),
            Known(Gone(ago(5), "exit status 1")),
            Known(Gone(ago(5), "exit status 1", short_runs=4)),
            Known(Gone(None, "the machine restarted")),
            Known(Absent()),
            Known(Blocked("Port 9092 is taken.", "End pid 77.")),
            Unknown("its folder cannot be read"),
        )
    ]
    assert words == snapshot(
        [
            "runs as pid 10101 since 2030-01-01 11:10:00Z",
            "is suspended (stopped by a signal) as pid 10101 since 2030-01-01 11:10:00Z",
            "ended at 11:59:55Z with exit status 1",
            "ended at 11:59:55Z with exit status 1, 4 times in a row soon after its start",
            "ended with the machine restarted",
            "was never started",
            "cannot run: Port 9092 is taken. End pid 77.",
            "is not known: its folder cannot be read",
        ]
    )
