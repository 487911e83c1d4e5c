"""A node whose volume is full gets the room of its ballast, once; what has room again gets ballast again."""

import pytest
from attrs import evolve
from fakes.views import NOW, ago, broker, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.rules.ballast import ballast
from penstock.control.cluster.rules.relief import relief
from penstock.control.cluster.rules.revive import LONGEST_PAUSE, revive
from penstock.model.action import Ballast, Start
from penstock.model.observation import Gone
from penstock.model.volume import GIB, MIB, VolumeKind, VolumeUse

HELD = 256 * MIB


def volume(left=0, held=HELD, kind=VolumeKind.FILESYSTEM, gib=100, **changes):
    """Of that size, with so many bytes left for the node."""
    return evolve(VolumeUse(kind, gib * GIB, gib * GIB - held - left, 500 * GIB, held), **changes)


def ended(use, short_runs=0, status="exit status 1", **facts):
    """Broker 1 ended by itself half a second ago in such a volume."""
    return three_brokers().with_sighting(broker(1), Gone(ago(0.5), status, short_runs, volume=use, **facts))


def actions(seen, *rules):
    return [reasoned.action for reasoned in seen.plan(*rules).actions]


def test_a_broker_that_ended_in_a_full_volume_starts_without_the_ballast():
    assert ended(volume()).text(relief, revive) == snapshot("""\
delete the ballast in the volume of broker 1 | broker 1 ended and its volume is full (0 MiB left; it has 99.8 GiB of 99.8 GiB (100%)): without the ballast of 256 MiB it can start | heals
unregister broker 1 | broker 1 ended with exit status 1 | heals
start broker 1 | broker 1 ended with exit status 1 | heals\
""")


def test_it_is_not_the_ballast_that_helps_where_there_is_room_or_we_stopped_it():
    assert actions(ended(volume(left=HELD)), relief) == []
    assert actions(ended(volume(), requested=True), relief) == []
    assert actions(ended(None), relief) == []


def test_a_start_that_makes_the_volume_larger_needs_no_more_room_and_no_patience():
    small = volume(gib=50, held=0)
    seen = ended(small, short_runs=7)
    assert actions(seen, relief, revive)[-1] == Start(seen.view.node(broker(1)))
    assert actions(ended(volume(gib=50)), relief) == []


def test_without_ballast_it_is_tried_once_a_minute_and_people_are_told_what_to_do():
    seen = ended(volume(held=0), short_runs=1)
    assert seen.text(relief, revive) == snapshot(
        "waits for broker 1: its volume is full (0 MiB left; it has 100 GiB of 100 GiB (100%)) and the ballast is used up: give brokers larger volumes (UpdateBrokerStorage, which needs no broker that answers); next try 12:00:59Z | heals"
    )
    assert actions(seen, relief, revive) == []
    again = seen.plan(relief, revive, now=NOW + LONGEST_PAUSE).actions
    assert [type(reasoned.action) for reasoned in again] == [Start]


def test_a_run_that_ended_long_after_its_start_is_followed_by_the_next_at_once():
    assert [type(action) for action in actions(ended(volume(held=0)), relief, revive)][-1] is Start


def test_what_a_directory_lacks_is_room_on_its_disk():
    full = volume(left=50 * GIB, kind=VolumeKind.DIRECTORY, disk_free=3 * MIB)
    assert actions(ended(full), relief) == [Ballast(broker(1), held=False)]
    (wait,) = ended(evolve(full, ballast=0), short_runs=2).plan(relief, revive).waits
    assert "the disk that its volume lies on is full (3 MiB left" in wait.because
    assert "free some space there" in wait.because
    roomy = volume(left=0, kind=VolumeKind.DIRECTORY)
    assert actions(ended(roomy), relief) == [], "nothing holds a directory to its size"


@pytest.mark.parametrize(
    ("use", "due"),
    [
        (volume(left=90 * GIB, held=0), 256 * MIB),
        (volume(left=11 * GIB, held=0), 256 * MIB),
        (volume(left=10 * GIB, held=0), 0),  # a tenth must be free afterwards, else it would be deleted soon
        (volume(left=90 * GIB), 0),
        (volume(left=GIB, held=0, gib=1), GIB // 100),
        (volume(left=90 * GIB, held=0, writable=False), 0),
        (volume(left=90 * GIB, held=0, used=None), 0),
        (volume(held=0, kind=VolumeKind.DIRECTORY), 32 * MIB),
        (volume(held=0, kind=VolumeKind.DIRECTORY, gib=1), GIB // 100),
        (volume(held=0, kind=VolumeKind.DIRECTORY, disk_free=3 * GIB), 3 * GIB // 100),
        (volume(held=0, kind=VolumeKind.DIRECTORY, disk_free=2 * GIB - 1), 0),
        (volume(held=0, kind=VolumeKind.DIRECTORY, size=0), 0),
    ],
)
def test_ballast_is_laid_where_it_is_not_in_the_way(use, due):
    assert use.ballast_due == due
    seen = three_brokers().with_run(broker(1), volume=use)
    assert actions(seen, ballast) == ([Ballast(broker(1), held=True)] if due else [])


def test_it_is_laid_when_all_is_well_and_nothing_else_is_done_to_the_node():
    seen = three_brokers().with_run(broker(1), volume=volume(left=90 * GIB, held=0))
    assert actions(seen.killed(broker(2)), ballast) == []
    assert actions(seen.only(1), ballast) == []
    assert seen.text() == snapshot(
        "lay ballast into the volume of broker 1 | the volume of broker 1 has room for a ballast of 256 MiB"
    )
