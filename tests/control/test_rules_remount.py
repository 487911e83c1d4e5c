"""A volume that takes no writes any more: one restart, as safe as any other, and then a call for help."""

from attrs import evolve
from fakes.views import ago, broker, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.rules.remount import remount
from penstock.model.plan import How, Stop
from penstock.model.volume import GIB, MIB, VolumeKind, VolumeUse

STUCK = VolumeUse(VolumeKind.FILESYSTEM, 100 * GIB, GIB, 500 * GIB, 256 * MIB, writable=False)


def stuck(volume=STUCK, **changes):
    return three_brokers().with_run(broker(2), volume=volume, **changes)


def test_a_filesystem_that_went_read_only_is_mounted_afresh_by_a_restart():
    assert stuck().text() == snapshot(
        "stop broker 2 gracefully | the volume of broker 2 has become read-only; a start mounts it afresh | disrupts"
    )


def test_only_where_clients_keep_their_cluster():
    assert stuck().out_of_sync(3).plan(remount).actions == ()
    assert stuck().only(2).drafted(remount).depth == 3


def test_one_that_is_read_only_again_soon_after_is_for_people():
    assert stuck(since=ago(60)).text(remount) == snapshot(
        "waits for broker 2: its volume is read-only again soon after a start that mounted it afresh: look at the disk and the system log | heals"
    )


def test_the_disk_of_a_directory_is_nothing_that_a_restart_mends():
    assert stuck(evolve(STUCK, kind=VolumeKind.DIRECTORY)).text(remount) == snapshot(
        "waits for broker 2: the disk that its volume lies on is read-only: look at the system log, and mount it for writing again | heals"
    )


def test_two_at_once_go_one_after_the_other():
    seen = stuck().with_run(broker(3), volume=STUCK)
    assert [reasoned.action for reasoned in seen.plan(remount).actions] == [Stop(broker(2), How.GRACEFUL)]
