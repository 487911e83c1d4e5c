"""A volume that takes no writes any more: one restart, as safe as any other, and then a call for help."""

from attrs import evolve
from fakes.views import ago, broker, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.rules.remount import remount
from penstock.control.cluster.rules.revision import revision
from penstock.control.cluster.rules.roll import roll
from penstock.control.cluster.rules.storage import storage
from penstock.model.action import How, Stop
from penstock.model.volume import GIB, MIB, VolumeKind, VolumeUse

STUCK = VolumeUse(VolumeKind.FILESYSTEM, 100 * GIB, GIB, 500 * GIB, 256 * MIB, writable=False)


def stuck(volume=STUCK, **changes):
    return three_brokers().with_run(broker(2), volume=volume, **changes)


def test_a_filesystem_that_went_read_only_is_mounted_afresh_by_a_restart():
    assert stuck().text() == snapshot(
        "stop broker 2 gracefully | the volume of broker 2 has become read-only; a start mounts it afresh | disrupts"
    )


def test_only_where_clients_keep_their_cluster():
    assert stuck().out_of_sync(3).plan(remount, roll).actions == ()
    assert stuck().only(2).drafted(remount, roll).depth == 3


def test_one_that_is_read_only_again_soon_after_is_for_people():
    assert stuck(since=ago(60)).text(remount) == snapshot(
        "waits for broker 2: its volume is read-only again soon after a start that mounted it afresh: look at the disk and the system log | heals"
    )


def test_one_restart_mounts_it_afresh_and_is_for_all_other_reasons_too():
    seen = stuck().with_spec(instance_type="kafka.m7g.xlarge")
    (restart,) = [each for each in seen.drafted(remount, revision).restarts if each.node == broker(2)]
    assert str(restart) == (
        "the volume of broker 2 has become read-only; a start mounts it afresh; broker 2 is to run a newer revision"
    )


def test_a_read_only_volume_is_not_grown_in_use_but_by_the_start_that_mounts_it_afresh():
    small = evolve(STUCK, size=50 * GIB)
    assert stuck(small).plan(remount, storage, roll).actions == stuck(small).plan(remount, roll).actions
    assert stuck(small, since=ago(60)).plan(remount, storage, roll).actions == (), "it is not restarted again and again"


def test_the_disk_of_a_directory_is_nothing_that_a_restart_mends():
    assert stuck(evolve(STUCK, kind=VolumeKind.DIRECTORY)).text(remount) == snapshot(
        "waits for broker 2: the disk that its volume lies on is read-only: look at the system log, and mount it for writing again | heals"
    )


def test_two_at_once_go_one_after_the_other():
    seen = stuck().with_run(broker(3), volume=STUCK)
    assert [reasoned.action for reasoned in seen.plan(remount, roll).actions] == [Stop(broker(2), How.GRACEFUL)]
