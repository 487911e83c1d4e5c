"""Clients are to reach brokers elsewhere: whatever befalls that, each broker is restarted once, and its own address stays."""

import pytest

from penstock.api.connectivity import update_connectivity
from penstock.model.ids import Role
from penstock.model.operation import OperationState
from penstock.model.spec import ClusterState


@pytest.fixture
def wired(play):
    """A cluster at rest; only what is done from now on is written down."""
    play.machine.verbs.clear()
    return play


def brokers(play):
    return [node for node in play.nodes() if node.role is Role.BROKER]


def shown(play):
    return play.record().spec.api["BrokerNodeGroupInfo"]["ConnectivityInfo"]


def own(play):
    return {place.id: place.endpoint for place in play.record().spec.nodes}


def stops(play):
    return [verb for verb in play.machine.verbs if verb.startswith("stop")]


def rolled_once(play):
    return stops(play) == [f"stop {node} gracefully" for node in brokers(play)]


def sockets(play, node):
    return play.machine.process(node).spec.sockets


@pytest.mark.parametrize("crash_after", [None, *range(12)])
def test_dual_stack_is_one_roll_wherever_the_control_plane_dies(wired, crash_after):
    before, told = own(wired), shown(wired)
    wired.machine.crash_after = crash_after
    assert wired.update(update_connectivity, ConnectivityInfo={"NetworkType": "DUAL"})
    wired.run(60)
    wired.settle(120)
    (operation,) = wired.operations()
    assert operation.state is OperationState.UPDATE_COMPLETE
    assert [step.name for step in operation.steps] == ["ROLL_BROKERS", "REJOIN_CLUSTER"]
    assert shown(wired) == {**told, "NetworkType": "DUAL"}
    assert rolled_once(wired)
    assert own(wired) == before
    addresses = {sockets(wired, node)["CLIENT_SECURE_IPV6"] for node in brokers(wired)}
    assert len(addresses) == 3


def test_a_broker_that_cannot_listen_on_ipv6_takes_the_cluster_back_to_ipv4(wired):
    before = wired.record().spec.api
    wired.fail_starts(wired.node(0), 3)
    assert wired.update(update_connectivity, ConnectivityInfo={"NetworkType": "DUAL"})
    wired.until(lambda: wired.operations()[0].ended, 60)
    wired.settle(120)
    assert wired.operations()[0].state is OperationState.UPDATE_FAILED
    assert stops(wired) == ["stop broker 1 gracefully"]
    record = wired.record()
    assert (record.spec.dual, record.spec.api) == (False, before)
    assert "CLIENT_IPV6" not in sockets(wired, wired.node(0))


def restarted(play, address):
    """The control plane is started anew with another setting."""
    play.network_address = address
    play.machine.verbs.clear()
    play.begin()


@pytest.mark.parametrize("crash_after", [None, *range(8)])
def test_a_shared_address_comes_and_goes_by_one_roll_each(wired, crash_after):
    before = own(wired)
    plain = {node: sockets(wired, node) for node in wired.nodes()}
    restarted(wired, "192.0.2.2")
    wired.machine.crash_after = crash_after
    wired.run(60)
    wired.settle(120)
    assert rolled_once(wired)
    assert wired.state is ClusterState.ACTIVE
    ends = [sockets(wired, node)[name] for node in brokers(wired) for name in ("CLIENT", "CLIENT_SECURE")]
    assert {address for address, _ in ends} == {"192.0.2.2"}
    assert len({port for _, port in ends}) == 6
    assert own(wired) == before

    restarted(wired, "192.0.2.2")
    wired.run(30)
    assert stops(wired) == [], "the same setting again changes nothing"

    restarted(wired, None)
    wired.settle(120)
    assert rolled_once(wired)
    assert {node: sockets(wired, node) for node in wired.nodes()} == plain


def test_an_address_that_changes_in_the_middle_of_an_update_costs_no_further_restart(wired):
    wired.network_address = "192.0.2.2"
    assert wired.update(update_connectivity, ConnectivityInfo={"NetworkType": "DUAL"})
    wired.begin()
    wired.settle(120)
    assert wired.operations()[0].state is OperationState.UPDATE_COMPLETE
    assert rolled_once(wired)
    assert {"CLIENT", "CLIENT_IPV6"} <= sockets(wired, wired.node(0)).keys()
