"""Stories with a name: what befalls a cluster at rest, and what comes of it."""

from itertools import pairwise

import pytest
from attrs import evolve
from fakes.kafka import FakeKafka
from simulation.play import KEY, Play

from penstock.kafka.runtimes import NotPrepared
from penstock.model.spec import ClusterState
from penstock.store.store import Store


def test_a_create_is_active_as_soon_as_everything_serves(store):
    play = Play(store)
    assert play.until(lambda: play.state is ClusterState.ACTIVE) < 5
    assert all(play.kafka.serves(node.number) for node in play.nodes())
    play.clear_up()


def test_a_crash_after_every_single_call_of_a_create_starts_every_node_once(store):
    play = Play(store)
    for _ in range(12):
        play.machine.crash_after = 0
        play.once()
    assert play.crashes >= 6
    play.until(play.at_rest)
    acts = [verb for verb in play.machine.verbs if verb != "elect"]
    assert sorted(acts) == sorted(f"start {node}" for node in play.nodes())
    play.clear_up()


@pytest.mark.parametrize("crash_after", range(4))
def test_a_killed_broker_is_back_at_once_wherever_the_control_plane_dies(play, crash_after):
    play.machine.crash_after = crash_after
    play.kill(play.node(0))
    assert play.until(lambda: play.kafka.serves(1)) < 5
    play.settle(30)
    assert len(play.machine.runs[play.node(0)]) == 2


def test_a_killed_broker_does_not_wait_for_its_session(play):
    play.kill(play.node(1))
    play.run(0.2)
    assert play.machine.verbs[-2:] == ["unregister 2", "start broker 2"]
    assert play.state is ClusterState.HEALING
    assert play.until(lambda: play.kafka.serves(2)) < 3, "a session lasts 3 s"
    play.settle(30)


def test_a_frozen_node_is_back_within_ten_seconds(play):
    for index in range(6):
        node = play.node(index)
        play.suspend(node)
        assert play.until(lambda node=node: play.kafka.serves(node.number), 30) < 10
        play.settle(30)


def test_two_frozen_controllers_do_not_wait_for_each_other(play):
    for index in (3, 4):
        play.suspend(play.node(index))
    play.settle(40)


def test_a_process_that_hangs_without_a_signal_is_found_by_its_silence(play):
    play.hang(play.node(2))
    play.settle(40)
    assert len(play.machine.runs[play.node(2)]) == 2


def test_everything_down_is_a_start_and_nobody_is_unregistered(play):
    play.machine.verbs.clear()
    for node in play.nodes():
        play.kill(node)
    play.settle(40)
    acts = [verb for verb in play.machine.verbs if verb != "elect"]
    assert sorted(acts) == sorted(f"start {node}" for node in play.nodes())


def test_a_reboot_restarts_its_broker_once_and_shows_its_steps(play):
    play.machine.verbs.clear()
    play.reboot(play.node(1))
    play.once()
    assert play.state is ClusterState.REBOOTING_BROKER
    assert [step.status for step in play.operations()[-1].steps] == ["IN_PROGRESS", "PENDING"]
    play.settle(40)
    assert play.machine.verbs[:3] == ["stop broker 2 gracefully", "unregister 2", "start broker 2"]
    assert [step.status for step in play.operations()[-1].steps] == ["COMPLETED", "COMPLETED"]


def test_a_reboot_waits_while_another_broker_is_away_and_says_so(play):
    play.machine.ill(play.node(2)).refuses = 20
    play.kill(play.node(2))
    play.reboot(play.node(0))
    play.run(3)
    assert "stop broker 1 gracefully" not in play.machine.verbs
    assert any("broker 3 must serve first" in wait for wait in play.record().status.waiting)
    play.settle(60)


def test_a_late_unregistration_that_hits_the_successor_is_found_and_repaired(play):
    play.lose_an_answer("late")
    play.kill(play.node(0))
    play.settle(200)
    assert play.kafka.late == []


def test_an_order_that_is_never_answered_holds_up_the_start_no_longer_than_the_session(play):
    for _ in range(50):
        play.lose_an_answer("dropped")
    play.kill(play.node(0))
    assert play.until(lambda: play.kafka.serves(1), 30) < 10
    play.settle(60)


def test_a_node_that_fails_again_and_again_rests_longer_and_longer_and_its_last_words_are_told(play):
    play.fail_starts(play.node(0), 5)
    play.kill(play.node(0))
    play.run(9)
    begun = [run.since for run in play.machine.runs[play.node(0)]][1:]
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(begun)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 4
    status = play.record().status
    assert status.state is ClusterState.HEALING
    assert "exit status 1" in status.message
    play.settle(120)


def test_a_create_that_cannot_work_fails_with_cause_and_fix_and_can_be_deleted(store):
    play = Play(store)
    play.fail_starts(play.node(0), 10_000)
    taken = play.until(lambda: play.state is ClusterState.FAILED, 200)
    assert 60 <= taken < 90
    assert "exit status 1" in play.record().status.message
    assert "delete the cluster" in play.record().status.message
    play.clear_up()


def test_a_create_that_nobody_looked_at_for_minutes_goes_on_and_has_not_failed(store):
    play = Play(store)
    play.fail_starts(play.node(0), 3)
    play.run(5)
    play.down(300)
    play.once()
    assert play.state is ClusterState.CREATING
    play.settle(60)
    play.clear_up()


def test_a_deletion_that_comes_while_addresses_are_written_down_is_not_lost(store):
    play = Play(store)
    around = play.plane._around

    def called_meanwhile():
        play.delete()
        return play.machine.now

    play.plane = type(play.plane)(evolve(around, clock=called_meanwhile))
    play.once()
    assert play.record() is None or play.record().spec.removed
    play.settle(30)
    assert play.machine.verbs == []


def test_a_deletion_during_a_reboot_shows_and_ends(play):
    play.reboot(play.node(0))
    play.once()
    play.delete()
    play.once()
    assert play.state is ClusterState.DELETING
    play.settle(10)


def test_a_cluster_that_cannot_be_laid_out_for_a_while_keeps_its_open_operation(play):
    def unprepared(spec):
        raise NotPrepared("Apache Kafka is being fetched")

    ready = play.plane._around
    play.reboot(play.node(0))
    play.plane = type(play.plane)(evolve(ready, frame=unprepared))
    play.once()
    assert not play.operations()[-1].ended
    play.plane = type(play.plane)(ready)
    play.settle(40)
    assert play.operations()[-1].ended


@pytest.mark.parametrize("crash_after", range(4))
def test_a_broker_that_lost_its_volume_gets_a_new_one_wherever_the_control_plane_dies(play, crash_after):
    before = play.record().spec.place(play.node(1)).directory
    play.machine.crash_after = crash_after
    play.lose_volume(play.node(1))
    play.settle(60)
    assert play.record().spec.place(play.node(1)).directory != before


def test_a_broker_that_was_alone_with_some_data_stays_down_and_says_why(play):
    play.lose_volume(play.node(0))
    play.run(30)
    assert play.machine.process(play.node(0)) is None
    assert "orders-3 in sync" in play.record().status.message


@pytest.mark.parametrize("index", [3, 4])
@pytest.mark.parametrize("crash_after", [None, *range(5)])
def test_a_controller_that_lost_its_volume_votes_again_on_a_new_one_wherever_the_control_plane_dies(
    play, index, crash_after
):
    node = play.node(index)
    before = dict(play.kafka.votes_of)
    play.machine.verbs.clear()
    play.machine.crash_after = crash_after
    play.lose_volume(node)
    play.settle(60)
    assert [verb for verb in play.machine.verbs if verb != "elect"] == [
        f"take the vote of {node.number}",
        f"rehouse {node}",
        f"start {node}",
        f"give {node.number} a vote",
    ]
    after = play.record().spec.place(node).directory
    assert after != before[node.number]
    assert play.kafka.votes_of == before | {node.number: after}


def test_two_controllers_that_lost_their_votes_are_not_given_empty_volumes(play):
    play.machine.verbs.clear()
    for index in (3, 4):
        play.lose_volume(play.node(index))
    play.run(30)
    assert play.machine.verbs == []
    assert "vote" in play.record().status.message


def test_a_controller_that_lost_its_volume_waits_for_another_that_is_away(play):
    play.machine.ill(play.node(3)).refuses = 1000
    play.kill(play.node(3))
    play.lose_volume(play.node(4))
    play.run(20)
    assert play.machine.process(play.node(4)) is None
    play.settle(60)


def test_a_controller_that_loses_one_volume_after_the_other_is_replaced_each_time(play):
    node, seen = play.node(5), set()
    for _ in range(3):
        play.lose_volume(node)
        play.settle(60)
        seen.add(play.kafka.votes_of[node.number])
    assert len(seen) == 3


def test_a_volume_that_is_lost_again_before_it_has_a_vote_is_replaced_too(play):
    node = play.node(4)
    play.lose_volume(node)
    play.until(lambda: play.machine.process(node) is not None)
    play.lose_volume(node)
    play.settle(60)


def test_a_vote_that_comes_back_with_a_new_leader_is_taken_away_again(play):
    """What a leader has not had agreed on is gone with it, and the next one counts the lost volume as before."""
    node = play.node(4)
    lost = play.kafka.votes_of[node.number]
    play.lose_volume(node)
    play.until(lambda: play.machine.process(node) is not None)
    play.kafka.votes_of[node.number] = lost
    play.settle(60)
    assert play.kafka.votes_of[node.number] == play.record().spec.place(node).directory


def test_a_broker_and_a_controller_that_lost_their_volumes_are_both_replaced(play):
    play.lose_volume(play.node(1))
    play.lose_volume(play.node(4))
    play.settle(60)


def test_a_node_that_cannot_be_seen_is_not_touched(play):
    play.machine.verbs.clear()
    play.machine.ill(play.node(0)).unseen = True
    play.run(30)
    assert play.machine.verbs == []
    assert play.state is ClusterState.HEALING
    play.settle(30)


def test_certificates_that_are_due_together_roll_the_cluster_node_by_node(play):
    play.machine.verbs.clear()
    for node in play.nodes():
        play.age_inner(node)
    play.settle(200)
    stopped = [verb for verb in play.machine.verbs if verb.startswith("stop")]
    assert sorted(stopped) == sorted(f"stop {node} gracefully" for node in play.nodes())


def test_a_client_certificate_is_renewed_without_a_restart(play):
    play.machine.verbs.clear()
    play.age_client(play.node(0))
    play.run(40)
    assert play.machine.verbs == ["write broker 1"]
    assert play.state is ClusterState.ACTIVE


def test_a_paused_cluster_is_looked_at_and_not_touched(play):
    def pause(paused):
        with play.store.write() as rows:
            rows.clusters.put_spec(evolve(rows.clusters.get(play.cluster).spec, paused=paused))

    play.machine.verbs.clear()
    pause(True)
    play.kill(play.node(0))
    play.run(10)
    assert play.machine.verbs == []
    assert [str(each.action) for each in play.plane.last[1].actions] == ["start broker 1"], "the plan goes on"
    pause(False)
    play.settle(30)


def test_an_older_control_plane_is_refused(play):
    older = play.plane
    play.begin()
    play.kill(play.node(0))
    verbs = list(play.machine.verbs)
    older.reconcile(play.cluster, woken=True)
    assert play.machine.verbs == verbs
    play.settle(30)


def test_a_quiet_world_gives_an_empty_plan_and_writes_nothing(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/store.db", KEY)
    try:
        play = Play(store)
        play.until(play.at_rest)
        play.run(5)
        play.machine.verbs.clear()
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.endswith("-shm")}
        passes = play.passes
        while play.passes < passes + 100:
            play.run(2)
            assert play.at_rest()
        after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.endswith("-shm")}
        assert after == before
        assert play.machine.verbs == []
    finally:
        store.close()


def test_the_simulated_kafka_refuses_a_second_session(play):
    """Without unregistering, a start has to wait for the old session to end: else the simulation would prove nothing."""
    assert isinstance(play.kafka, FakeKafka)
    for node in play.nodes()[:2]:
        play.kill(node)
    assert play.until(lambda: play.kafka.serves(1)) > 2.5
    play.settle(40)
