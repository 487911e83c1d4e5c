"""Steps are facts read from the view; what a user saw done stays done."""

from attrs import evolve
from fakes.views import ago, broker, controller, three_brokers

from penstock.control.cluster.outcome import complete, running
from penstock.control.cluster.steps import STEPS, finished, progress
from penstock.model.operation import OperationKind, Step


def shown(seen, before=()):
    steps = progress(seen.view, evolve(seen.view.operation, steps=tuple(before)))
    return [(step.name, step.status) for step in steps]


def rebooted(seen, number=1):
    """The broker's new run is there."""
    return seen.with_run(broker(number), revision=seen.view.node(broker(number)).revision, since=ago(1))


def test_a_reboot_from_begin_to_end():
    seen = three_brokers().rebooting(1)
    begun = [("RESTART_BROKER", "IN_PROGRESS"), ("REJOIN_CLUSTER", "PENDING")]
    assert shown(seen) == begun
    assert shown(seen.killed(broker(1))) == begun
    restarted = [("RESTART_BROKER", "COMPLETED"), ("REJOIN_CLUSTER", "IN_PROGRESS")]
    assert shown(rebooted(seen).fenced(1)) == restarted
    assert shown(rebooted(seen).out_of_sync(1)) == restarted
    assert shown(rebooted(seen)) == [("RESTART_BROKER", "COMPLETED"), ("REJOIN_CLUSTER", "COMPLETED")]


def test_a_run_that_the_controllers_only_believe_in_because_of_the_last_one_has_not_rejoined():
    """Restarted within its old session: registered, in sync, and not there."""
    assert shown(rebooted(three_brokers().rebooting(1)).silent(broker(1), 0))[1] == ("REJOIN_CLUSTER", "IN_PROGRESS")


def test_steps_never_go_backwards():
    before = [Step("RESTART_BROKER", "COMPLETED"), Step("REJOIN_CLUSTER", "IN_PROGRESS")]
    assert shown(three_brokers().rebooting(1).killed(broker(1)), before) == [
        ("RESTART_BROKER", "COMPLETED"),
        ("REJOIN_CLUSTER", "IN_PROGRESS"),
    ]


def test_a_later_step_is_not_done_before_an_earlier_one():
    assert shown(three_brokers().rebooting(1))[1] == ("REJOIN_CLUSTER", "PENDING")


def test_nothing_is_finished_while_partitions_are_not_seen_or_another_node_is_away():
    assert shown(rebooted(three_brokers().rebooting(1)).only(2))[1][1] == "IN_PROGRESS"
    assert shown(rebooted(three_brokers().rebooting(1)).behind(controller(2)))[1][1] == "IN_PROGRESS"


def test_finished_means_every_step():
    assert finished((Step("a", "COMPLETED"), Step("b", "COMPLETED")))
    assert not finished((Step("a", "COMPLETED"), Step("b", "IN_PROGRESS")))


def test_every_kind_has_steps_and_words_for_its_states():
    for kind in OperationKind:
        assert STEPS[kind]
        assert running(kind).open
        assert not complete(kind).open
