"""Planned work: reboots and certificates through the gate, leaders back home, and what should not exist."""

from datetime import timedelta

from attrs import evolve
from fakes.views import NOW, ago, broker, brokers_of, controller, desired, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.rules.certificates import certificates
from penstock.control.cluster.rules.leaders import leaders
from penstock.control.cluster.rules.revision import revision
from penstock.control.cluster.rules.roll import roll
from penstock.kafka.properties import CLIENT_LEAF, INNER_LEAF
from penstock.model.action import How, Lead, Remove, Renew, Stop
from penstock.model.node import Applies
from penstock.model.observation import Known, Partition, Unknown
from penstock.model.operation import OpenOperation, OperationKind, OperationState


def actions(seen, *rules):
    return [r.action for r in seen.plan(*rules).actions]


def test_a_reboot_goes_through_the_gate():
    assert three_brokers().rebooting(2).text() == snapshot(
        "stop broker 2 gracefully | RebootBroker was called for broker 2 | disrupts"
    )


def test_a_restart_for_properties_names_those_that_the_node_reads():
    kind, names = OperationKind.UPDATE_CLUSTER_CONFIGURATION, ["auto.create.topics.enable", "num.partitions"]
    asked = OpenOperation("op-1", kind, OperationState.PENDING, ago(1), {"restart": names})
    seen = three_brokers().with_spec(kafka_version="4.1.x.kraft").but(operation=asked)
    told = {restart.node: str(restart) for restart in seen.drafted(revision).restarts}
    assert told[broker(2)] == "broker 2 needs a restart for auto.create.topics.enable, num.partitions"
    assert told[controller(1)] == "controller 10001 needs a restart for num.partitions"
    for other in (None, evolve(asked, target={"restart": []}), evolve(asked, target={})):
        told = {restart.node: str(restart) for restart in seen.but(operation=other).drafted(revision).restarts}
        assert told[broker(2)] == "broker 2 is to run a newer revision"


def test_a_reboot_looks_at_the_partitions_first():
    seen = three_brokers().rebooting(2).only(2)
    assert seen.drafted(revision, roll).depth == 3
    assert actions(seen, revision, roll) == []


def test_a_reboot_waits_while_a_partition_would_go_below_its_minimum():
    below = three_brokers().out_of_sync(3).rebooting(2).but(unsettled_since=ago(900))
    assert below.text(revision, roll) == snapshot("""\
waits for broker 2: orders-0 would have 1 in-sync replicas and its minimum is 2
note: replicas of 3 partitions catch up, and none did for 900 s: no longer waited for\
""")


def test_a_reboot_waits_while_another_node_does_not_serve():
    assert three_brokers().fenced(3).rebooting(2).text(revision, roll) == snapshot(
        "waits for broker 2: broker 3 must serve first"
    )


def test_a_reboot_waits_for_what_cannot_be_seen():
    unseen = three_brokers().with_sighting(broker(3), Unknown("its folder cannot be read"))
    assert unseen.rebooting(2).text(revision, roll) == snapshot("waits for broker 2: broker 3 must serve first")


def test_a_reboot_of_the_only_broker_names_what_it_takes_down():
    assert brokers_of(1).rebooting(1).text() == snapshot("""\
stop broker 1 gracefully | RebootBroker was called for broker 1 | disrupts
note: orders-0, orders-1, orders-2: no more replicas than the minimum, so they are below it while broker 1 is down\
""")


def test_a_broker_that_was_asked_to_stop_is_not_asked_again_and_nobody_else_is():
    seen = three_brokers().with_spec(kafka_version="4.1.x.kraft").with_run(broker(1), stopping=ago(1))
    assert seen.text() == snapshot("""\
waits for broker 1: it was asked to stop and is on its way down\
""")


def test_a_new_version_takes_one_node_at_a_time_even_where_there_is_no_topic():
    seen = three_brokers().with_topics().with_spec(kafka_version="4.1.x.kraft")
    assert actions(seen) == [Stop(broker(1), How.GRACEFUL)]


def test_the_next_one_waits_until_the_last_one_serves_again():
    seen = three_brokers().with_topics().with_spec(kafka_version="4.1.x.kraft")
    new = seen.view.node(broker(1)).revision
    back = seen.with_run(broker(1), revision=new, since=ago(1))
    assert actions(back.fenced(1), revision, roll) == []
    assert actions(back, revision, roll) == [Stop(broker(2), How.GRACEFUL)]


def test_brokers_are_rolled_before_controllers():
    seen = three_brokers().with_spec(kafka_version="4.1.x.kraft")
    for number in (1, 2, 3):
        seen = seen.with_run(broker(number), revision=seen.view.node(broker(number)).revision)
    assert actions(seen) == [Stop(controller(2), How.GRACEFUL)], "the quorum is led by the first"


def test_what_is_rendered_otherwise_and_wanted_as_before_restarts_nothing():
    seen = three_brokers()
    other = tuple(evolve(node, command=("java", "-XX:+Newer", "kafka.Kafka")) for node in seen.view.layout)
    assert seen.but(layout=other).text() == "nothing"


def with_leaf(seen, node, path, days, age):
    run = seen.view.running(node)
    born = NOW - timedelta(days=age)
    return seen.with_run(node, leaves={**run.leaves, path: (born, born + timedelta(days=days))})


def test_a_client_certificate_is_renewed_while_running_at_two_thirds_of_its_life():
    assert actions(with_leaf(three_brokers(), broker(1), CLIENT_LEAF, 90, 59), certificates) == []
    assert with_leaf(three_brokers(), broker(1), CLIENT_LEAF, 90, 60).text() == snapshot(
        "renew client.pem of broker 1 | certificates of broker 1 are due"
    )


def test_client_certificates_older_than_the_user_wants_are_renewed_everywhere():
    seen = with_leaf(three_brokers(), broker(3), CLIENT_LEAF, 90, 1).with_spec(leaves_after=ago(7200))
    seen = with_leaf(seen, broker(1), CLIENT_LEAF, 90, 0)
    assert [action.target for action in actions(seen) if isinstance(action, Renew)] == [broker(3)]


def test_an_expired_client_certificate_is_renewed_too():
    assert [type(a) for a in actions(with_leaf(three_brokers(), broker(1), CLIENT_LEAF, 90, 400))] == [Renew]


def test_an_inner_certificate_is_renewed_by_a_restart_through_the_gate():
    old = with_leaf(three_brokers(), controller(2), INNER_LEAF, 3650, 2500)
    assert old.text() == snapshot(
        "stop controller 10002 gracefully | the inner certificate of controller 10002 ends 2033-02-24 | disrupts"
    )
    assert old.behind(controller(3)).text(certificates, roll) == snapshot(
        "waits for controller 10002: controller 10003 must serve first"
    )


def test_inner_certificates_that_are_due_together_roll_one_node_at_a_time():
    seen = three_brokers().with_topics()
    for node in seen.view.layout:
        seen = with_leaf(seen, node.id, INNER_LEAF, 3650, 2500)
    assert actions(seen) == [Stop(broker(1), How.GRACEFUL)]
    assert actions(seen.with_run(broker(1), stopping=ago(1))) == []
    assert actions(seen.fenced(1), certificates, roll) == [Stop(broker(1), How.GRACEFUL)]


def test_a_certificate_that_is_not_seen_is_not_called_old():
    assert actions(three_brokers().with_run(broker(1), leaves={})) == []


ASTRAY = Partition("orders", 0, 2, (1, 2, 3), (1, 2, 3), 2)


def test_leaders_go_back_to_the_first_replica_and_that_is_housekeeping():
    assert three_brokers().with_topics(ASTRAY).text() == snapshot(
        "elect preferred leaders | 1 partitions are not led by their first replica"
    )


def test_leaders_stay_while_a_broker_is_missing_or_on_its_way_down_or_the_first_replica_lags():
    assert actions(three_brokers().with_topics(ASTRAY).fenced(3), leaders) == []
    assert actions(three_brokers().with_topics(ASTRAY).with_run(broker(3), stopping=ago(1)), leaders) == []
    assert actions(three_brokers().with_topics(evolve(ASTRAY, isr=(2, 3))), leaders) == []


def test_leaders_that_nobody_saw_are_not_moved():
    assert not any(isinstance(a, Lead) for a in actions(three_brokers().only(2)))


def test_everything_of_a_deleted_cluster_is_removed_dead_frozen_and_unseen_alike():
    seen = three_brokers().with_sighting(broker(2), Unknown("its folder cannot be read")).killed(broker(3))
    gone = seen.but(spec=desired(removed=True), layout=())
    assert [a.target for a in actions(gone) if isinstance(a, Remove)] == sorted(seen.view.sightings)
    assert len(gone.plan().actions) == 6


def test_a_node_that_the_cluster_does_not_know_is_left_alone_and_named():
    assert three_brokers().but(strays=(broker(9),)).text() == snapshot(
        "waits for broker 9: it is labelled with this cluster and the cluster does not know it; left alone"
    )


def test_nothing_is_planned_for_a_removed_cluster_of_which_nothing_is_left():
    gone = three_brokers().but(spec=desired(removed=True), layout=(), sightings={})
    assert gone.text() == "nothing"


def test_a_certificate_that_lies_on_the_disk_and_is_not_shown_is_renewed_again():
    seen = three_brokers()
    (leaf,) = [leaf for leaf in seen.view.node(broker(1)).leaves if leaf.applies is Applies.LIVE]
    on_disk = seen.view.running(broker(1)).leaves[leaf.path][0]
    assert seen.but(shown={broker(1): Known(on_disk)}).text() == "nothing"
    assert seen.but(shown={broker(1): Unknown("it did not answer")}).text() == "nothing"
    older = seen.but(shown={broker(1): Known(on_disk - timedelta(days=30))})
    assert "renew client.pem of broker 1" in older.text()
