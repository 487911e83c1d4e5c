"""Volumes that fill: each level is told of once, and what the API asks of the owner follows the fullest."""

import pytest
from attrs import evolve
from fakes.views import broker, three_brokers

from penstock.control.cluster.fullness import crossed, levels
from penstock.model.observation import Gone, Unknown
from penstock.model.volume import GIB, MIB, VolumeKind, VolumeUse


def filled(percent, before=(), **changes):
    """Broker 1's volume is so full, and the last pass knew these levels."""
    use = evolve(VolumeUse(VolumeKind.FILESYSTEM, 100 * GIB, int(percent * GIB), 500 * GIB), **changes)
    return three_brokers().with_run(broker(1), volume=use).with_status(filled=dict(before)).view


@pytest.mark.parametrize(
    ("percent", "before", "after"),
    [
        (59.9, 0, 0),
        (60, 0, 60),
        (84.9, 60, 60),
        (85, 60, 85),
        (90, 0, 90),
        (95, 90, 95),
        (100, 95, 95),
        (94, 95, 95),  # on the edge nothing is told twice
        (92.9, 95, 90),
        (83, 85, 85),
        (82.9, 85, 60),
        (50, 95, 0),
    ],
)
def test_a_level_is_reached_and_left_with_slack(percent, before, after):
    assert levels(filled(percent, {"broker-1": before})) == ({"broker-1": after} if after else {})


def test_what_cannot_be_told_is_as_it_was():
    view = three_brokers().with_sighting(broker(1), Unknown("its folder cannot be read"))
    assert levels(view.with_status(filled={"broker-1": 90, "disk": 85}).view) == {"broker-1": 90, "disk": 85}


def test_a_broker_that_ended_in_its_full_volume_counts():
    use = VolumeUse(VolumeKind.FILESYSTEM, GIB, GIB, 500 * GIB)
    view = three_brokers().with_sighting(broker(1), Gone(None, "exit status 1", volume=use)).view
    assert levels(view) == {"broker-1": 95}


def test_ballast_is_not_the_nodes_data():
    assert levels(filled(50, ballast=10 * GIB)) == {}
    assert levels(filled(54, ballast=10 * GIB)) == {"broker-1": 60}, "but it is no room either"


@pytest.mark.parametrize(
    ("free", "before", "after"),
    [
        (2 * GIB, 0, 0),
        (2 * GIB - 1, 0, 85),
        (512 * MIB - 1, 0, 95),
        (512 * MIB, 95, 95),
        (640 * MIB, 95, 85),
        (2 * GIB, 85, 85),
        (3 * GIB, 85, 0),
    ],
)
def test_the_disk_below_counts_too(free, before, after):
    found = levels(filled(10, {"disk": before}, disk_free=free))
    assert found == ({"disk": after} if after else {})


@pytest.mark.parametrize(
    ("percent", "before", "told"),
    [
        (70, {}, []),
        (85, {}, ["the volume of broker 1 has reached 85 %: 85 GiB of 100 GiB (85%)"]),
        (85, {"broker-1": 85}, []),
        (96, {"broker-1": 85}, ["the volume of broker 1 has reached 95 %: 96 GiB of 100 GiB (96%)"]),
        (91, {"broker-1": 95}, []),
        (20, {"broker-1": 90}, ["the volume of broker 1 has room again: 20 GiB of 100 GiB (20%)"]),
    ],
)
def test_an_event_for_each_level_and_for_its_end(percent, before, told):
    view = filled(percent, before)
    assert list(crossed(view, levels(view))) == told


def test_the_disk_is_told_of_once_for_all_volumes():
    view = filled(10, disk_free=GIB)
    assert list(crossed(view, levels(view))) == ["the disk that volumes lie on has 1 GiB left"]
    view = filled(10, {"disk": 95}, disk_free=30 * GIB)
    assert list(crossed(view, levels(view))) == ["the disk that volumes lie on has room again: 30 GiB"]
