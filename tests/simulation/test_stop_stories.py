"""Stops that do not end, stops that were not sent, and nodes of which nothing can be read."""

import pytest

from penstock.model.spec import ClusterState


def test_a_stop_that_cannot_end_without_controllers_is_waited_for_while_the_broker_serves(play):
    """A broker that is asked to stop hangs when the controllers go meanwhile. Killed, it could not even come back."""
    play.reboot(play.node(0))
    play.once()
    for index in (3, 4, 5):
        play.machine.ill(play.node(index)).refuses = 4000
        play.kill(play.node(index))
    play.run(200)
    assert play.machine.runs[play.node(0)][0].ended is None
    for index in (3, 4, 5):
        play.machine.ill(play.node(index)).refuses = 0
    play.settle(60)
    assert [run.status for run in play.machine.runs[play.node(0)][:-1]] == ["exit status 143"]


def test_a_stop_that_never_ends_since_the_broker_hangs_is_ended_by_force(play):
    play.reboot(play.node(0))
    play.once()
    play.hang(play.node(0))
    play.until(lambda: play.machine.runs[play.node(0)][0].ended is not None, 140)
    play.settle(60)


def test_a_control_plane_that_dies_before_the_stop_signal_restarts_the_broker_once_and_in_good_order(play):
    play.machine.dies_in_stop = True
    play.reboot(play.node(0))
    play.until(lambda: play.crashes == 1)
    play.settle(30)
    assert play.machine.verbs.count(f"stop {play.node(0)} gracefully") == 1
    assert [run.status for run in play.machine.runs[play.node(0)][:-1]] == ["exit status 143"]


def test_a_stop_that_was_not_sent_is_not_sent_while_another_broker_is_away(play):
    play.machine.dies_in_stop = True
    play.machine.ill(play.node(1)).refuses = 300
    play.reboot(play.node(0))
    play.until(lambda: play.crashes == 1)
    play.kill(play.node(1))
    play.run(125)
    assert len(play.machine.runs[play.node(0)]) == 1
    assert play.kafka.serves(1)
    play.machine.ill(play.node(1)).refuses = 0
    play.settle(60)
    assert [run.status for run in play.machine.runs[play.node(0)][:-1]] == ["exit status 143"]


def test_a_broker_whose_log_cannot_be_read_holds_up_nobodys_repair(play):
    """It halted on a disk that fails, and its log lies there too."""
    for index in (1, 2):
        play.machine.ill(play.node(index)).unheard = True
    play.fail_starts(play.node(1), 3)
    play.machine.end(play.machine.process(play.node(1)), "exit status 1")
    play.until(lambda: "its last words: reading the log of broker 2 failed" in (play.record().status.message or ""))
    play.kill(play.node(0))
    assert play.until(lambda: play.kafka.serves(1)) < 5
    play.settle(60)


@pytest.mark.parametrize("asked", [False, True])
def test_a_provider_that_cannot_be_asked_is_told_and_nothing_is_concluded_from_it(play, asked):
    if asked:
        play.reboot(play.node(0))
        play.once()
    before, acts = play.record().spec, list(play.machine.verbs)
    play.machine.unknown = "looking into the home failed: Permission denied; let the control plane's user in"
    play.run(200)
    record = play.record()
    assert record.status.waiting == (f"waits for its nodes: {play.machine.unknown}",)
    assert record.status.state is (ClusterState.REBOOTING_BROKER if asked else ClusterState.HEALING)
    assert (record.spec, play.machine.verbs) == (before, acts)
    assert len([each for each in play.sentences() if "Permission denied" in each]) == (not asked)
    play.machine.unknown = ""
    play.settle(60)
