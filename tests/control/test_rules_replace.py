"""What lost its storage gets a new one only where others have the data."""

from attrs import evolve
from fakes.views import broker, controller, three_brokers

from penstock.kafka.placement import next_directory
from penstock.model.observation import Bereft, Gone, Known, Partition, Unknown
from penstock.model.plan import Rehouse, Start


def bereft(seen, node, incarnation=None):
    spec = seen.view.node(node)
    return seen.with_sighting(node, Bereft(incarnation or spec.incarnation, f"the volume of {node} is not there"))


def acts(seen, kind):
    return [each.action for each in seen.plan().actions if isinstance(each.action, kind)]


def test_a_broker_whose_data_others_have_gets_a_new_storage_identity():
    seen = bereft(three_brokers(), broker(2))
    (act,) = acts(seen, Rehouse)
    assert act.target == broker(2)
    assert act.directory == next_directory(seen.view.node(broker(2)).incarnation)
    assert not acts(seen, Start), "it starts once the new identity is written down"


def test_once_that_is_written_down_it_starts():
    seen = bereft(three_brokers(), broker(2), incarnation="the-old-one")
    assert [act.node.id for act in acts(seen, Start)] == [broker(2)]


def test_a_partition_that_nobody_else_has_in_sync_keeps_it_down():
    seen = bereft(three_brokers(), broker(2))
    only = Partition("orders", 7, leader=-1, replicas=(2, 1, 3), isr=(2,), min_isr=2)
    seen = evolve(seen, view=evolve(seen.view, partitions=Known((only,))))
    assert not acts(seen, Rehouse)
    assert any("no broker that serves has orders-7 in sync" in str(wait) for wait in seen.plan().waits)


def test_what_is_not_known_of_the_partitions_keeps_it_down():
    seen = bereft(three_brokers(), broker(2))
    seen = evolve(seen, view=evolve(seen.view, partitions=Unknown("no broker answers")))
    assert not acts(seen, Rehouse)


def test_two_that_lost_their_storage_do_not_wait_for_each_other_and_go_one_after_the_other():
    seen = bereft(bereft(three_brokers(), broker(1)), broker(2))
    assert [act.target for act in acts(seen, Rehouse)] == [broker(1)]
    assert any("one storage at a time" in str(wait) for wait in seen.plan().waits)


def test_a_broker_that_is_only_down_must_serve_first():
    seen = bereft(three_brokers(), broker(2)).with_sighting(broker(3), Gone(None, "signal 9 (SIGKILL)"))
    assert not acts(seen, Rehouse)
    assert any("broker 3 must serve first" in str(wait) for wait in seen.plan().waits)


def test_a_controller_is_never_given_an_empty_volume():
    seen = bereft(three_brokers(), controller(1))
    assert not acts(seen, Rehouse)
    assert not acts(seen, Start)
    assert any("a controller's votes are in its volume" in str(wait) for wait in seen.plan().waits)


def test_the_next_identity_is_the_same_for_the_same_and_never_begins_with_a_dash():
    seen = set()
    directory = "AAAAAAAAAAAAAAAAAAAAAA"
    for _ in range(500):
        assert next_directory(directory) == next_directory(directory)
        directory = next_directory(directory)
        assert len(directory) == 22
        assert not directory.startswith("-")
        assert directory not in seen
        seen.add(directory)


def test_the_second_waits_until_the_first_has_everything_again():
    seen = bereft(three_brokers(), broker(2))
    behind = Partition("orders", 0, leader=3, replicas=(1, 2, 3), isr=(3,), min_isr=2)
    seen = evolve(seen, view=evolve(seen.view, partitions=Known((behind,))))
    assert not acts(seen, Rehouse)
    assert any("one storage at a time: orders-0 must catch up first" in str(wait) for wait in seen.plan().waits)
