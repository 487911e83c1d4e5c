"""What `penstock status` tells of a cluster, in the words of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from attrs import evolve
from fakes.views import NOW, three_brokers

from penstock.model.operation import OperationKind
from penstock.model.spec import ClusterState, ClusterStatus
from penstock.store.seal import load_key
from penstock.store.store import Store
from tests.cli.house import House

STATUS = ClusterStatus(ClusterState.ACTIVE, since=NOW, completed=True)


@pytest.fixture
def store(house: House) -> Iterator[Store]:
    """The store of a home that no control plane serves."""
    house.home.mkdir()
    store = Store(f"sqlite:///{house.home / 'store.sqlite3'}", load_key(house.home / "key"))
    yield store
    store.close()


def told(house: House) -> tuple[str, bool]:
    """The state, and whether it is said since when."""
    (cluster,) = json.loads(house.say("status", "--json").stdout)["clusters"]
    return cluster["state"], cluster["since"] is not None


def test_right_after_a_call_it_is_no_pass_behind_the_api(house: House, store: Store) -> None:
    spec = three_brokers().view.spec
    with store.write() as tx:
        tx.clusters.insert(spec, STATUS)
    assert told(house) == ("ACTIVE", True)
    with store.write() as tx:
        kind = OperationKind.REBOOT_NODE
        tx.operations.open(kind, spec.id, source={}, target={}, client_request_id="id", now=NOW)
    assert told(house) == ("REBOOTING_BROKER", False)
    assert house.say("status").stdout.splitlines()[2] == "orders  REBOOTING_BROKER  4.3.x.kraft"
    with store.write() as tx:
        tx.clusters.put_spec(evolve(spec, removed=True))
    assert told(house) == ("DELETING", False)
