"""What every provider promises of volumes: whose they are, that they grow and never shrink, and what stays when they go."""

from __future__ import annotations

import pytest
from attrs import evolve
from fakes.worlds import CLUSTER, World, broker, larger, running, sees, specify, use

from penstock.compute.base import ComputeError, StaleFence
from penstock.model.action import How
from penstock.model.ids import ClusterId, NodeId
from penstock.model.node import Applies, File, NodeSpec
from penstock.model.observation import Bereft, Running
from penstock.model.quarantine import Aside


def swapped(world: World) -> NodeSpec:
    """Broker 1 after it and broker 2 have run and been stopped; each volume lies in the other's place now."""
    one, two = specify(world, broker(1)), specify(world, broker(2))
    for node in (one, two):
        world.compute.start(node, [], fence=1)
        world.put(node.id, "mine", str(node.id).encode())
        world.compute.stop(node.id, How.AT_ONCE, fence=1)
    world.swap_volumes(one.id, two.id)
    return one


def test_swapped_volumes_are_never_used_and_never_deleted(world: World) -> None:
    one = swapped(world)
    with pytest.raises(ComputeError, match="belongs to broker-2"):
        world.compute.start(one, [], fence=1)
    (kept,) = world.compute.quarantined(CLUSTER)
    assert world.in_quarantine(kept.path)["mine"] == b"broker 2"


def test_a_node_that_lost_its_volume_starts_afresh_only_as_another(world: World) -> None:
    one = swapped(world)
    with pytest.raises(ComputeError, match="belongs to broker-2"):
        world.compute.start(one, [], fence=1)
    lost = sees(world, one.id)
    assert isinstance(lost, Bereft)
    assert lost.incarnation == one.incarnation
    with pytest.raises(ComputeError, match="is not there"):
        world.compute.start(one, [], fence=1)
    world.compute.start(evolve(one, incarnation="another"), [], fence=1)
    assert "mine" not in world.data(one.id)
    assert "meta.properties" in world.data(one.id)


def test_a_volume_of_another_incarnation_is_quarantined(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.put(node.id, "old", b"of a disk that came back")
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    with pytest.raises(ComputeError):
        world.compute.start(evolve(node, incarnation="newer"), [], fence=1)
    (kept,) = world.compute.quarantined(CLUSTER)
    assert world.in_quarantine(kept.path)["old"] == b"of a disk that came back"


def test_a_volume_is_formatted_once(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    before = world.data(node.id)["meta.properties"]
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    again = evolve(node, files=(File("meta.properties", b"other", Applies.FORMAT),))
    world.compute.start(again, [], fence=1)
    assert world.data(node.id)["meta.properties"] == before


def test_removal_keeps_a_volume_whose_owner_is_in_doubt(world: World) -> None:
    one = swapped(world)
    place = world.compute.remove(one.id, fence=1)
    assert place is not None
    assert world.in_quarantine(place)["mine"] == b"broker 2"
    (kept,) = world.compute.quarantined(CLUSTER)
    assert (kept.path, kept.why, kept.node, kept.worthless) == (place, Aside.FOREIGN, one.id, False)
    assert world.compute.quarantined(ClusterId("other-1")) == []


def test_what_a_node_leaves_that_left_its_cluster_is_known_for_that_until_it_is_deleted(world: World) -> None:
    node = specify(world, broker(4))
    world.compute.start(node, [], fence=1)
    world.put(node.id, "record", b"x" * 9000)
    place = world.compute.remove(node.id, fence=1, keep=True)
    assert place is not None
    (kept,) = world.compute.quarantined()
    assert (kept.path, kept.why, kept.node, kept.occupied) == (place, Aside.RETIRED, node.id, None)
    assert kept.worthless
    (measured,) = world.compute.quarantined(CLUSTER, measured=True)
    assert (measured.occupied or 0) >= 9000
    world.compute.start(evolve(node, incarnation="another"), [], fence=1)
    world.compute.discard("nothing-of-that-name")
    assert world.in_quarantine(place)["record"] == b"x" * 9000
    for _ in range(2):
        world.compute.discard(kept.name)
        assert world.compute.quarantined() == []
    assert isinstance(sees(world, node.id), Running), "the node of the same number is another's business"


def size_of(world: World, node: NodeId) -> int:
    """GiB of the volume as the provider reports it."""
    seen = running(world, node).volume
    assert seen is not None
    return seen.size >> 30


def test_a_volume_grows_under_its_node_and_never_shrinks(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.put(node.id, "topic-0.log", b"acknowledged")
    before = running(world, node.id)
    assert size_of(world, node.id) == 1
    if not world.compute.capabilities.grows_in_use:
        with pytest.raises(ComputeError, match="restart the node"):
            world.compute.grow(larger(node, 2), fence=1)
        assert size_of(world, node.id) == 1
        return
    for wanted, gets in ((2, 2), (2, 2), (1, 2), (3, 3)):
        world.compute.grow(larger(node, wanted), fence=1)
        assert size_of(world, node.id) == gets
    assert running(world, node.id).pid == before.pid
    assert world.data(node.id)["topic-0.log"] == b"acknowledged"


def test_a_volume_grows_when_its_node_starts_and_never_shrinks(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.put(node.id, "topic-0.log", b"acknowledged")
    for wanted, gets in ((2, 2), (1, 2), (3, 3)):
        world.compute.stop(node.id, How.AT_ONCE, fence=1)
        world.compute.grow(larger(node, wanted), fence=1)
        world.compute.start(larger(node, wanted), [], fence=1)
        assert size_of(world, node.id) == gets
    assert world.data(node.id)["topic-0.log"] == b"acknowledged"


def test_a_volume_tells_how_full_it_is(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    seen = running(world, node.id).volume
    assert seen is not None
    assert seen.used is not None
    assert 0 < seen.used < seen.size
    assert seen.full == seen.used / seen.room
    assert seen.disk_free > 0


def test_a_fresh_volume_holds_ballast_that_is_no_data_and_goes_when_room_is_needed(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.put(node.id, "topic-0.log", b"acknowledged")
    laid = use(world, node.id).ballast
    assert laid >= (1 << 30) // 100 - 4096
    assert "ballast" not in world.data(node.id)
    world.kill(node.id)
    assert use(world, node.id).ballast == laid, "it is known of a node that ended too"
    for _ in range(2):
        world.compute.ballast(node.id, fence=1, held=False)
        assert use(world, node.id).ballast == 0
    world.compute.start(node, [], fence=1)
    assert use(world, node.id).ballast == 0, "a start takes no room away from the node that needed it"
    for _ in range(2):
        world.compute.ballast(node.id, fence=1, held=True)
        assert use(world, node.id).ballast == laid
    assert world.data(node.id)["topic-0.log"] == b"acknowledged"
    world.compute.write(node, [], fence=2)
    for held in (True, False):
        with pytest.raises(StaleFence):
            world.compute.ballast(node.id, fence=1, held=held)
    assert use(world, node.id).ballast == laid


def test_only_the_nodes_own_volume_is_made_larger(world: World) -> None:
    one, two = specify(world, broker(1)), specify(world, broker(2))
    with pytest.raises(ComputeError, match="never started"):
        world.compute.grow(one, fence=1)
    for node in (one, two):
        world.compute.start(node, [], fence=2)
        world.compute.stop(node.id, How.AT_ONCE, fence=2)
    with pytest.raises(StaleFence):
        world.compute.grow(larger(one, 2), fence=1)
    world.swap_volumes(one.id, two.id)
    with pytest.raises(ComputeError, match="not made larger"):
        world.compute.grow(larger(one, 2), fence=2)
    assert world.compute.quarantined(CLUSTER) == [], "growing moves nothing"
    with pytest.raises(ComputeError, match="belongs to broker-2"):
        world.compute.start(larger(one, 2), [], fence=2)
    with pytest.raises(ComputeError, match="is not there"):
        world.compute.grow(larger(one, 2), fence=2)
