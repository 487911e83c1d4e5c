"""What brokers left that left their cluster, and when it goes; beside it what nobody knows, which never does."""

from datetime import timedelta

import pytest
from fakes.world import Machine
from simulation.play import Play

from penstock.compute.base import ComputeError
from penstock.model.quarantine import Aside, Quarantined
from penstock.model.spec import ClusterState


@pytest.fixture
def left(store):
    """Three brokers have left a minute ago, and that is long enough; beside what they left lies what nobody knows."""
    six = Play(store, brokers=6, topics=((3, 2),) * 3, keep_quarantined=timedelta(seconds=60))
    six.until(six.at_rest, 60)
    six.scale_in()
    six.settle(200)
    strangers = [
        Quarantined(f"/quarantine/{why}", why, six.node(0), six.machine.now - timedelta(days=1))
        for why in (Aside.FOREIGN, Aside.UNPROVED)
    ]
    six.machine.quarantine += [*strangers, Quarantined("/quarantine/nameless", Aside.STRANGE)]
    six.machine.verbs.clear()
    yield six
    six.clear_up()


def doubts(play):
    return [volume.why for volume in play.machine.quarantine]


def test_what_retired_brokers_left_goes_after_its_time_one_after_another(left):
    left.down(1)
    left.run(30)
    assert len(doubts(left)) == 6, "it is not due"
    left.down(60)
    left.run(30)
    assert doubts(left) == [Aside.FOREIGN, Aside.UNPROVED, Aside.STRANGE]
    assert [verb.split()[0] for verb in left.machine.verbs] == ["discard"] * 3
    told = [sentence for sentence in left.sentences() if "in quarantine" in sentence and "delete" in sentence]
    assert sorted(sentence.split(" left")[0] for sentence in told) == ["broker 4", "broker 5", "broker 6"], told


def test_it_is_looked_at_once_an_hour_and_not_more_often(left, monkeypatch):
    looks = []
    monkeypatch.setattr(Machine, "quarantined", lambda self, *_, **__: looks.append(self.now) or self.quarantine)
    left.down(61)
    left.machine.now += timedelta(hours=3)
    for _ in range(3):
        left.run(20)
        left.machine.now += timedelta(minutes=20)
    left.run(20)
    assert len(looks) == 2
    assert len(doubts(left)) == 3


def test_nothing_goes_while_a_broker_is_down(left):
    left.down(61)
    left.refuse_starts(left.node(0), 1_000_000)
    left.kill(left.node(0))
    left.run(30)
    assert len(doubts(left)) == 6
    left.machine.ill(left.node(0)).refuses = 0
    left.settle(60)
    left.run(30)
    assert len(doubts(left)) == 3


def test_a_volume_that_cannot_be_deleted_is_tried_again_with_the_next_look(left, monkeypatch):
    tried = []

    def stuck(self, name):
        tried.append(name)
        raise ComputeError("something is mounted in it; unmount that first")

    with monkeypatch.context() as patched:
        patched.setattr(Machine, "discard", stuck)
        left.down(61)
        left.run(60)
    assert len(tried) == len(set(tried)) == 3
    assert left.state is ClusterState.ACTIVE
    assert any("unmount that first" in sentence for sentence in left.sentences())
    left.machine.now += timedelta(hours=1)
    left.run(30)
    assert len(doubts(left)) == 3


def test_a_quarantine_that_cannot_be_read_holds_up_no_healing_and_keeps_a_deleted_cluster_in_sight(left, monkeypatch):
    def unreadable(*_, **__):
        raise ComputeError("looking into the quarantine failed: Input/output error; look at the disk")

    with monkeypatch.context() as patched:
        patched.setattr(Machine, "quarantined", unreadable)
        left.down(61)
        left.kill(left.node(0))
        left.run(1)
        left.settle(60)
        left.delete()
        left.run(20)
        record = left.record()
        assert record is not None
        assert "Input/output error" in str(record.status.waiting)
    left.settle(60)
    assert len(doubts(left)) == 3


def test_a_control_plane_that_dies_while_it_deletes_goes_on(left):
    left.down(61)
    for _ in range(20):
        left.machine.crash_after = 0
        left.run(2)
    left.machine.crash_after = None
    left.settle(60)
    assert len(doubts(left)) == 3


@pytest.mark.parametrize("crash_after", [None, *range(6)])
def test_with_the_cluster_goes_what_its_brokers_left_and_no_doubt_does(left, crash_after):
    left.machine.crash_after = crash_after
    left.delete()
    left.settle(60)
    assert doubts(left) == [Aside.FOREIGN, Aside.UNPROVED, Aside.STRANGE]
    with left.store.read() as rows:
        (past,) = rows.clusters.history(left.calls.account, "us-east-1")
    assert past.quarantined == ("/quarantine/foreign", "/quarantine/unproved")
