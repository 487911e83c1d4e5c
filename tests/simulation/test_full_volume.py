"""A broker ends in its full volume: it gets the ballast's room once, is not started in vain again and again, and larger
volumes bring it back though it answers nobody. Wherever the control plane dies."""

import pytest
from attrs import evolve

from penstock.api.storage import update_broker_storage
from penstock.model.ids import Role
from penstock.model.operation import OperationState
from penstock.model.spec import ClusterState

SIZE = [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": 200}]
GROUP = {"StorageInfo": {"EbsStorageInfo": {"VolumeSize": 100}}}


@pytest.fixture
def cramped(play):
    """A cluster at rest, whose first broker is the one that all befalls."""
    with play.store.write() as rows:
        rows.clusters.put_spec(evolve(play.record().spec, api={"BrokerNodeGroupInfo": GROUP}))
    play.settle(30)
    play.machine.verbs.clear()
    return play


def fill(play):
    """The last byte is written, and the broker ends."""
    node = play.node(0)
    play.machine.used[node] = play.machine.use(node).room
    play.machine.end(play.machine.process(node), "exit status 1")


def verbs(play, what):
    return [verb for verb in play.machine.verbs if verb.startswith(what)]


def enlarge(play):
    assert play.update(update_broker_storage, TargetBrokerEBSVolumeInfo=SIZE)


def stuck(play):
    """It was full twice, and the ballast helped once."""
    fill(play)
    play.run(3)
    fill(play)
    play.run(3)


def test_the_ballast_brings_it_back(cramped):
    node = cramped.node(0)
    fill(cramped)
    cramped.settle(30)
    assert verbs(cramped, "drop") == [f"drop ballast {node}"]
    assert verbs(cramped, "start") == [f"start {node}"]
    assert verbs(cramped, "lay") == []
    assert any("without the ballast of 256 MiB" in sentence for sentence in cramped.sentences())
    assert cramped.record().status.filled == {"broker-1": 95}


@pytest.mark.parametrize("crash_after", range(4))
def test_wherever_the_control_plane_dies(cramped, crash_after):
    cramped.machine.crash_after = crash_after
    fill(cramped)
    cramped.run(5)
    cramped.settle(60)
    assert len(verbs(cramped, "drop")) == 1
    assert len(verbs(cramped, "start")) == 1


def test_ballast_is_laid_again_once_a_retention_has_made_room(cramped):
    fill(cramped)
    cramped.settle(30)
    cramped.machine.used[cramped.node(0)] = 1 << 30
    cramped.run(60)
    assert verbs(cramped, "lay") == [f"lay ballast {cramped.node(0)}"]
    assert any("has room again" in sentence for sentence in cramped.sentences())


def test_without_ballast_it_is_not_started_in_vain_and_the_way_out_is_told(cramped):
    stuck(cramped)
    before = len(verbs(cramped, "start"))
    cramped.run(55)
    assert len(verbs(cramped, "start")) == before
    assert len(verbs(cramped, "drop")) == 1
    assert cramped.state is ClusterState.HEALING
    assert "UpdateBrokerStorage" in cramped.record().status.message
    cramped.run(130)
    assert len(verbs(cramped, "start")) <= before + 3, "somebody may have made room by hand: once a minute is enough"


def test_runs_that_ended_for_want_of_room_are_no_proof_against_larger_volumes(cramped):
    stuck(cramped)
    cramped.run(300)
    assert len(verbs(cramped, "start")) > 4
    enlarge(cramped)
    cramped.settle(60)
    (operation,) = cramped.operations()
    assert operation.state is OperationState.UPDATE_COMPLETE
    assert cramped.record().spec.volume_gib == 200


@pytest.mark.parametrize("crash_after", [None, *range(8)])
def test_larger_volumes_bring_it_back_though_it_is_down(cramped, crash_after):
    stuck(cramped)
    assert cramped.state is ClusterState.HEALING
    cramped.machine.crash_after = crash_after
    starts = len(verbs(cramped, "start"))
    enlarge(cramped)
    cramped.run(20)
    cramped.settle(60)
    (operation,) = cramped.operations()
    assert operation.state is OperationState.UPDATE_COMPLETE
    assert len(verbs(cramped, "start")) == starts + 1
    assert {cramped.machine.sizes[node] for node in cramped.nodes() if node.role is Role.BROKER} == {200}
    assert verbs(cramped, "lay") == [f"lay ballast {cramped.node(0)}"]
    assert cramped.machine.use(cramped.node(0)).ballast > 0
