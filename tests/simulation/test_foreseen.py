"""What is told beforehand, while no control plane runs, is what the next one does. Telling it claims nothing."""

import pytest

from penstock.api.connectivity import update_connectivity
from penstock.control.cluster.places import foreseen
from penstock.model.ids import Role
from penstock.store.store import Store


@pytest.fixture
def quiet(play):
    """A cluster at rest, of which only what is done from now on is written down."""
    play.machine.verbs.clear()
    return play


@pytest.fixture
def proposed(quiet, monkeypatch):
    """Every time that endpoints were proposed, which claims them."""
    asked = []
    propose = type(quiet.machine).propose
    monkeypatch.setattr(
        type(quiet.machine), "propose", lambda *args, **ways: asked.append(ways) or propose(*args, **ways)
    )
    return asked


def told(play):
    """The nodes of each batch, what each is restarted for, the notes."""
    store: Store = play.store
    with store.read() as rows:
        operation = rows.operations.current(play.cluster)
    spec, first = foreseen(play.record().spec, play.network_address)
    _, plan = play.plane.decide(spec, play.record().status, operation, play.machine.now, woken=True)
    batches = [[node.number for node in batch.nodes] for batch in plan.roll.batches] if plan.roll else []
    return batches, first


def done(play):
    return [verb for verb in play.machine.verbs if verb.startswith(("start", "stop"))]


def stops(*numbers):
    return [
        f"{verb} broker {number}{how}" for number in numbers for verb, how in (("stop", " gracefully"), ("start", ""))
    ]


def test_that_brokers_move_to_a_shared_address_and_back(quiet, proposed):
    quiet.network_address = "192.0.2.2"
    first = "broker 1, broker 2, broker 3: clients are to come in at 192.0.2.2, with ports that are chosen first"
    assert told(quiet) == ([[1], [2], [3]], (first,))
    assert (proposed, done(quiet)) == ([], [])
    quiet.begin()
    quiet.settle(120)
    assert done(quiet) == stops(1, 2, 3)
    assert told(quiet) == ([], ())

    quiet.network_address = None
    back = "broker 1, broker 2, broker 3: clients are to come in at own addresses again"
    assert told(quiet) == ([[1], [2], [3]], (back,))


def test_that_brokers_get_addresses_over_ipv6(quiet, proposed):
    assert quiet.update(update_connectivity, ConnectivityInfo={"NetworkType": "DUAL"})
    first = "broker 1, broker 2, broker 3: an address over IPv6 is chosen first"
    assert told(quiet) == ([[1], [2], [3]], (first,))
    assert proposed == []
    quiet.settle(120)
    assert done(quiet) == stops(1, 2, 3)


def test_that_brokers_join_and_of_the_others_what_is_so(quiet, proposed):
    quiet.scale_out()
    first = "broker 4, broker 5, broker 6: an address is chosen first, and it starts there"
    quiet.kill(quiet.node(1))
    spec, notes = foreseen(quiet.record().spec)
    assert notes == (first,)
    view, plan = quiet.plane.decide(spec, quiet.record().status, None, quiet.machine.now, woken=True)
    assert [node.id.number for node in view.layout if node.id.role is Role.BROKER] == [1, 2, 3]
    assert "start broker 2" in [str(each.action) for each in plan.actions]
    assert told(quiet) == ([], (first,))
    assert (proposed, done(quiet)) == ([], [])
    quiet.settle(120)
    assert sorted(done(quiet)) == [f"start broker {number}" for number in (2, 4, 5, 6)]
    assert told(quiet) == ([], ())
