"""Updates under a simulated clock: whatever befalls them, each broker is restarted once, and the end is ACTIVE."""

from datetime import timedelta

import pytest
from attrs import evolve

from penstock.api.storage import update_broker_storage
from penstock.api.updates import update_broker_type
from penstock.model.ids import Role
from penstock.model.operation import OperationKind, OperationState
from penstock.model.spec import ClusterState

LARGER = "kafka.m7g.xlarge"


@pytest.fixture
def sized(play):
    """A cluster at rest; only what is done from now on is written down."""
    play.machine.verbs.clear()
    return play


def enlarge(play):
    assert play.update(update_broker_type, TargetInstanceType=LARGER)


def brokers(play):
    return [node for node in play.nodes() if node.role is Role.BROKER]


def stops(play):
    return [verb for verb in play.machine.verbs if verb.startswith("stop")]


def check_done(play):
    (operation,) = play.operations()
    assert operation.state is OperationState.UPDATE_COMPLETE
    assert {step.status for step in operation.steps} == {"COMPLETED"}
    record = play.record()
    assert record.spec.instance_type == LARGER
    assert record.spec.api["BrokerNodeGroupInfo"]["InstanceType"] == LARGER
    assert stops(play) == [f"stop {node} gracefully" for node in brokers(play)]


def test_a_new_type_restarts_every_broker_once_and_no_controller(sized):
    enlarge(sized)
    sized.once()
    assert sized.state is ClusterState.UPDATING
    sized.settle(120)
    check_done(sized)


@pytest.mark.parametrize("crash_after", range(12))
def test_no_broker_is_restarted_twice_wherever_the_control_plane_dies(sized, crash_after):
    sized.machine.crash_after = crash_after
    enlarge(sized)
    sized.run(60)
    sized.settle(120)
    check_done(sized)
    assert all(len(sized.machine.runs[node]) == 2 for node in brokers(sized))


def test_no_broker_is_restarted_twice_though_the_control_plane_dies_after_every_act(sized):
    enlarge(sized)
    for _ in range(400):
        if sized.machine.crash_after is None:
            sized.machine.crash_after = 0
        sized.run(0.5)
        if sized.operations()[0].ended:
            break
    sized.settle(120)
    assert sized.crashes >= 6
    check_done(sized)


@pytest.mark.parametrize("victim", range(6))
def test_a_node_that_dies_in_the_middle_of_a_roll_is_absorbed(sized, victim):
    enlarge(sized)
    sized.run(3)
    sized.kill(sized.node(victim))
    sized.settle(200)
    (operation,) = sized.operations()
    assert operation.state is OperationState.UPDATE_COMPLETE
    assert len(stops(sized)) <= 3


def test_complete_is_never_before_active(sized):
    """The last broker is back and in sync, and just then another node dies."""
    enlarge(sized)
    sized.until(lambda: len(stops(sized)) == 3, 120)
    sized.until(lambda: sized.kafka.serves(3), 30)
    sized.machine.ill(sized.node(4)).refuses = 40
    sized.kill(sized.node(4))
    for _ in range(100):
        sized.run(0.1)
        if sized.operations()[0].ended:
            assert sized.state is ClusterState.ACTIVE
    sized.settle(120)
    check_done(sized)


def test_rows_alone_are_no_reason_to_be_complete_while_a_node_is_away(play):
    play.machine.ill(play.node(0)).refuses = 20
    play.change(OperationKind.UPDATE_CLUSTER_MONITORING)
    play.kill(play.node(0))
    play.run(3)
    assert not play.operations()[0].ended
    assert play.state is ClusterState.UPDATING
    play.settle(60)
    assert play.operations()[0].state is OperationState.UPDATE_COMPLETE


@pytest.mark.parametrize("crash_after", [None, *range(8)])
def test_a_type_with_which_the_first_broker_cannot_start_is_given_up_before_the_second(sized, crash_after):
    sized.machine.crash_after = crash_after
    sized.fail_starts(sized.node(0), 3)
    enlarge(sized)
    sized.until(lambda: sized.operations()[0].ended, 60)
    (operation,) = sized.operations()
    assert operation.state is OperationState.UPDATE_FAILED
    assert operation.error_code == "BROKER_CANNOT_START"
    assert "broker 1 ended 3 times" in operation.error_string
    assert "the last line" in operation.error_string
    sized.settle(120)
    assert stops(sized) == ["stop broker 1 gracefully"]
    assert sized.record().spec.instance_type == "kafka.m7g.large"
    assert sized.record().spec.api["BrokerNodeGroupInfo"]["InstanceType"] == "kafka.m7g.large"


@pytest.mark.parametrize(("brokers_before", "failing"), [(1, 1), (2, 2)])
def test_brokers_that_were_rolled_before_the_failing_one_go_back_too(sized, brokers_before, failing):
    sized.fail_starts(sized.node(failing), 3)
    enlarge(sized)
    sized.until(lambda: sized.operations()[0].ended, 120)
    sized.settle(200)
    assert sized.operations()[0].state is OperationState.UPDATE_FAILED
    old = {node.revision for node in sized.plane.last[0].layout if node.id.role is Role.BROKER}
    assert {sized.machine.process(node).spec.revision for node in brokers(sized)} == old
    assert len(stops(sized)) == 2 * brokers_before + 1


@pytest.mark.parametrize("crash_after", [None, *range(4)])
def test_a_thread_pool_grows_in_steps_that_every_broker_can_take(play, crash_after):
    play.machine.verbs.clear()
    play.machine.crash_after = crash_after
    play.configure("num.io.threads=40")
    play.until(lambda: play.operations()[0].ended, 60)
    assert play.operations()[0].state is OperationState.UPDATE_COMPLETE
    assert {play.kafka.settings.of(number, "num.io.threads") for number in (1, 2, 3)} == {"40"}
    assert list(dict.fromkeys(play.machine.verbs)) == [f"set num.io.threads={size}" for size in (16, 32, 40)]
    assert play.machine.now - play.operations()[0].started < timedelta(seconds=20)


def test_volumes_grow_without_a_restart(play):
    play.machine.verbs.clear()
    size = [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": 200}]
    play.update(update_broker_storage, TargetBrokerEBSVolumeInfo=size)
    play.settle(30)
    assert sorted(verb for verb in play.machine.verbs if verb != "elect") == [f"grow {node}" for node in brokers(play)]
    shown = play.record().spec.api["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]
    assert shown == {"VolumeSize": 200}


@pytest.mark.parametrize("crash_after", [None, *range(6)])
def test_a_property_that_kafka_refuses_in_the_end_goes_back_to_what_it_was(play, crash_after):
    play.kafka.settings.refused.add("num.io.threads=40")
    play.machine.verbs.clear()
    play.machine.crash_after = crash_after
    play.configure("num.io.threads=40")
    play.until(lambda: play.operations()[0].ended, 60)
    (operation,) = play.operations()
    assert (operation.state, operation.error_code) == (OperationState.UPDATE_FAILED, "PROPERTY_REFUSED")
    assert "num.io.threads=40" in operation.error_string
    assert "it is refused here" in operation.error_string
    assert {play.kafka.settings.of(number, "num.io.threads") for number in (1, 2, 3)} == {"8"}
    assert play.state is ClusterState.ACTIVE


def test_a_roll_that_cannot_go_on_goes_back_after_a_while_and_says_why(sized):
    """A broker is away for good in the middle: its folder cannot be read, so nobody may touch another."""
    enlarge(sized)
    sized.until(lambda: len(stops(sized)) == 1, 30)
    sized.until(lambda: sized.kafka.serves(1), 30)
    sized.unsee(sized.node(2))
    sized.run(500)
    assert sized.operations()[0].state is OperationState.UPDATE_IN_PROGRESS
    sized.run(300)
    assert sized.record().spec.instance_type == "kafka.m7g.large"
    assert any("is given up: no progress for 6" in sentence for sentence in sized.sentences())
    sized.machine.ill(sized.node(2)).unseen = False
    sized.until(lambda: sized.operations()[0].ended, 120)
    (operation,) = sized.operations()
    assert (operation.state, operation.error_code) == (OperationState.UPDATE_FAILED, "NO_PROGRESS")
    assert "folder cannot be read" in operation.error_string
    sized.settle(120)
    old = {node.revision for node in sized.plane.last[0].layout if node.id.role is Role.BROKER}
    assert {sized.machine.process(node).spec.revision for node in brokers(sized)} == old


def test_hours_in_which_the_control_plane_is_away_are_no_time_without_progress(sized):
    enlarge(sized)
    sized.until(lambda: len(stops(sized)) == 1, 30)
    sized.down(7200)
    sized.settle(120)
    check_done(sized)


def test_a_pause_is_no_time_without_progress(sized):
    enlarge(sized)
    sized.once()
    with sized.store.write() as rows:
        rows.clusters.put_spec(evolve(sized.record().spec, paused=True), bump=False)
    sized.run(1200)
    with sized.store.write() as rows:
        rows.clusters.put_spec(evolve(sized.record().spec, paused=False), bump=False)
    sized.settle(120)
    check_done(sized)
