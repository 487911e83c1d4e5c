"""Volumes grow while they are used where the machine can, else with a safe restart; they never shrink."""

import pytest
from fakes.views import NOW, broker, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.rules.roll import roll
from penstock.control.cluster.rules.storage import storage
from penstock.model.action import Grow, How, Stop
from penstock.model.observation import Unknown
from penstock.model.operation import OpenOperation, OperationKind, OperationState
from penstock.model.volume import GIB, VolumeKind, VolumeUse


def having(*sizes, kind=VolumeKind.DIRECTORY, wanted=200):
    """Brokers whose volumes have these sizes in GiB, in a cluster that wants another one."""
    seen = three_brokers().with_spec(volume_gib=wanted)
    for number, size in enumerate(sizes, 1):
        volume = None if size is None else VolumeUse(kind, size * GIB, 0, 1000 * GIB, ballast=GIB // 4)
        seen = seen.with_run(broker(number), volume=volume)
    return seen


def actions(seen, *rules):
    return [reasoned.action for reasoned in seen.plan(*rules).actions]


def test_every_directory_that_is_too_small_grows_at_once():
    assert having(100, 200, 100).text() == snapshot("""\
grow the volume of broker 1 to 200 GiB | 200 GiB are wanted and the volume of broker 1 has 100
grow the volume of broker 3 to 200 GiB | 200 GiB are wanted and the volume of broker 3 has 100\
""")


def test_filesystems_grow_one_after_another_each_when_the_last_is_served_from():
    seen = having(100, 100, 200, kind=VolumeKind.FILESYSTEM)
    assert seen.text(storage) == snapshot("""\
grow the volume of broker 1 to 200 GiB | 200 GiB are wanted and the volume of broker 1 has 100
waits for broker 2: 200 GiB are wanted and the volume of broker 2 has 100; one volume at a time, and broker 1 must serve first\
""")
    assert actions(having(200, 100, 200, kind=VolumeKind.FILESYSTEM), storage) == [Grow(seen.view.node(broker(2)))]


@pytest.mark.parametrize("away", ["silent", "dead"])
def test_no_filesystem_grows_while_another_one_is_in_doubt(away):
    grown = having(200, 100, 200, kind=VolumeKind.FILESYSTEM)
    use = grown.view.volume(broker(1))
    hurt = grown.silent(broker(1), 5) if away == "silent" else grown.killed(broker(1), volume=use)
    assert actions(hurt, storage) == []
    assert hurt.text(storage) == snapshot(
        "waits for broker 2: 200 GiB are wanted and the volume of broker 2 has 100; one volume at a time, and broker 1 must serve first"
    )
    gone = grown.killed(broker(1), volume=None)
    assert [type(action) for action in actions(gone, storage)] == [Grow], (
        "what cannot be looked at was not grown just now"
    )


def test_none_grows_while_another_one_cannot_be_seen():
    seen = having(200, 100, 200, kind=VolumeKind.FILESYSTEM).with_sighting(
        broker(1), Unknown("its folder cannot be read")
    )
    assert actions(seen, storage) == []
    assert "broker 1 must serve first" in seen.text(storage)


def test_one_that_does_not_serve_for_another_reason_may_be_the_one_that_grows():
    seen = having(100, 200, 200, kind=VolumeKind.FILESYSTEM).silent(broker(1), 5)
    assert actions(seen, storage) == [Grow(seen.view.node(broker(1)))]


def test_a_larger_one_is_satisfied():
    assert having(200, 201, 5000).text() == "nothing"


def test_a_run_that_does_not_serve_in_a_full_volume_is_not_grown_under():
    full = VolumeUse(VolumeKind.FILESYSTEM, 100 * GIB, 100 * GIB, 1000 * GIB)
    seen = having(200, 200, 200).with_run(broker(1), volume=full)
    assert [type(action) for action in actions(seen, storage)] == [Grow]
    waiting = seen.silent(broker(1), 5).plan(storage)
    assert waiting.actions == ()
    assert "the start after this run makes it larger" in waiting.waits[0].because


def test_a_directory_from_before_sizes_were_written_down_gets_one():
    assert having(0, 200, 200).text() == snapshot(
        "grow the volume of broker 1 to 200 GiB | 200 GiB are wanted and the volume of broker 1 has a size never written down"
    )


def test_an_update_of_the_volumes_says_which_one_cannot_be_looked_at():
    operation = OpenOperation("op-1", OperationKind.UPDATE_BROKER_EBS_VOLUME, OperationState.PENDING, NOW)
    assert having(200, None, 200).but(operation=operation).text(storage) == snapshot(
        "waits for broker 2: its volume cannot be looked at (it is not mounted, or its disk does not answer), so nobody knows its size; look at the system log, and restart the broker"
    )


def test_nothing_is_concluded_from_a_size_that_is_not_known_nor_of_a_node_that_does_not_run():
    assert actions(having(None, 200, 200), storage) == []
    assert actions(having(100, 200, 200).killed(broker(1)), storage) == []


@pytest.mark.parametrize(
    ("kind", "in_use", "grows"),
    [
        (VolumeKind.DIRECTORY, True, True),
        (VolumeKind.DIRECTORY, False, True),
        (VolumeKind.FILESYSTEM, True, True),
        (VolumeKind.FILESYSTEM, False, False),
    ],
)
def test_only_a_filesystem_that_this_machine_cannot_enlarge_in_use_takes_a_restart(kind, in_use, grows):
    seen = having(100, 200, 200, kind=kind).but(grows_in_use=in_use)
    node = seen.view.node(broker(1))
    assert actions(seen, storage, roll) == [Grow(node) if grows else Stop(node.id, How.GRACEFUL)]


def test_such_restarts_are_one_at_a_time_and_only_where_clients_keep_their_data():
    seen = having(100, 100, 100, kind=VolumeKind.FILESYSTEM).but(grows_in_use=False)
    assert actions(seen, storage, roll) == [Stop(broker(1), How.GRACEFUL)]
    assert (
        actions(having(100, 100, 200, kind=VolumeKind.FILESYSTEM).out_of_sync(3).but(grows_in_use=False), storage, roll)
        == []
    )
    assert seen.only(2).drafted(storage, roll).depth == 3


def test_controllers_have_no_volume_to_speak_of():
    seen = having(200, 200, 200)
    assert all(action.target.role == "broker" for action in actions(seen))
    assert actions(seen) == []
