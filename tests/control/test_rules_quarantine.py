"""What retired brokers left goes after its time, and nothing that anybody may want goes with it."""

from datetime import timedelta

import pytest
from fakes.views import CLUSTER, ago, broker, three_brokers

from penstock.control.cluster.rules.quarantine import quarantine
from penstock.control.cluster.rules.removal import removal
from penstock.model.action import Discard, Remove
from penstock.model.observation import Known, Unknown
from penstock.model.quarantine import Aside, Quarantined
from penstock.model.spec import ClusterState

DAY = 86400
WEEK = timedelta(days=7)


def left(number, days, why=Aside.RETIRED):
    return Quarantined(f"/quarantine/{number}-{why}", why, broker(number), ago(days * DAY))


def seen(*volumes, keep=WEEK):
    """A healthy cluster of 100 days."""
    return three_brokers().with_spec(created=ago(100 * DAY)).but(quarantined=Known(volumes), keep_quarantined=keep)


def names(view, rule=quarantine):
    return [each.action.name for each in view.plan(rule).actions if isinstance(each.action, Discard)]


def test_one_at_a_time_the_oldest_first():
    assert names(seen(left(4, 8), left(5, 7), left(6, 6.99))) == ["4-retired"]
    assert names(seen(left(6, 6.99))) == []


@pytest.mark.parametrize("why", [why for why in Aside if why not in (Aside.RETIRED, Aside.REMOVED)])
def test_what_is_in_doubt_stays(why):
    assert names(seen(left(4, 90, why))) == []


def test_what_comes_from_the_future_or_from_before_the_cluster_stays():
    assert names(seen(left(4, -1), left(5, -9000), left(6, 101))) == []


def test_with_the_setting_off_only_a_removal_that_was_cut_off_goes_on():
    assert names(seen(left(4, 90), left(5, 1, Aside.REMOVED), keep=None)) == ["5-removed"]


@pytest.mark.parametrize(
    "amiss",
    [
        lambda due: due.killed(broker(1)),
        lambda due: due.with_sighting(broker(1), Unknown("its folder cannot be read")),
        lambda due: due.fenced(2),
        lambda due: due.out_of_sync(3),
        lambda due: due.but(partitions=Unknown("no answer")),
        lambda due: due.with_status(state=ClusterState.HEALING),
        lambda due: due.rebooting(),
        lambda due: due.but(layout=()),
        lambda due: due.but(quarantined=Unknown("the disk has errors")),
    ],
)
def test_nothing_goes_while_the_cluster_wants_for_something(amiss):
    due = seen(left(4, 8))
    assert names(due)
    assert names(amiss(due)) == []


def test_it_looks_at_partitions_first_and_only_where_something_is_due():
    shallow = seen(left(4, 8), left(5, 1)).only(2)
    assert (names(shallow), shallow.drafted(quarantine).depth) == ([], 3)
    assert seen(left(5, 1)).only(2).drafted(quarantine).depth == 2


def test_with_the_cluster_goes_what_its_retired_brokers_left_and_no_doubt_does():
    volumes = [left(4, 0), left(5, -3), left(6, 300), *(left(7, 1, why) for why in Aside)]
    deleted = seen(*volumes, keep=None).with_spec(removed=True)
    assert names(deleted, removal) == ["4-retired", "5-retired", "6-retired", "7-retired", "7-removed"]
    assert names(seen(*volumes).with_spec(removed=True)) == [], "one rule does it"
    assert any(isinstance(each.action, Remove) for each in deleted.plan(removal).actions)
    assert all(volume.cluster == CLUSTER for volume in volumes)


def test_a_deleted_cluster_is_not_gone_before_it_is_known_what_it_leaves():
    unknown = seen().with_spec(removed=True).but(quarantined=Unknown("the disk has errors"))
    assert unknown.text(removal).splitlines()[-1] == "waits for the quarantine: the disk has errors"
