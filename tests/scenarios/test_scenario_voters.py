"""The voters of a real quorum, as the control plane asks and changes them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from oracle.plane import Cluster, until

from penstock.app import open_home
from penstock.control.cluster.admin import Admin
from penstock.control.cluster.layout import lay_out
from penstock.kafka.wire import KafkaError
from penstock.model.ids import ClusterId
from penstock.settings import load


@contextmanager
def asked(cluster: Cluster) -> Iterator[Admin]:
    """The control plane's own face of the cluster."""
    home = cluster.plane.home
    app = open_home(load(home=home.path, network_registry=home.registry))
    try:
        with app.store.read() as rows:
            record = rows.clusters.get(ClusterId(cluster.id))
        assert record is not None
        admin = app.around.connect(record.spec, lay_out(record.spec, app.around.frame(record.spec)))
        try:
            yield admin
        finally:
            admin.close()
    finally:
        app.close()


def voters(admin: Admin) -> Mapping[int, str]:
    """Number of each voter -> the directory id of its volume; empty while nobody leads."""
    try:
        return {voter.number: voter.directory for voter in admin.quorum().voters}
    except KafkaError:
        return {}


def test_a_voter_is_removed_and_its_number_votes_again_on_another_volume(orders: Cluster) -> None:
    """The control plane is away when the vote goes: the next one finds it so and does the rest."""
    follower = next(node for node in orders.nodes if node.startswith("controller") and node != orders.leader())
    number, pids = int(follower.rpartition("-")[2]), orders.pids()
    orders.plane.kill()
    with asked(orders) as admin:
        before = voters(admin)
        assert number in before
        lost = orders.volume(follower).rename(orders.plane.home.path / "lost")
        old = orders.kill(follower)
        admin.remove_voter(number, before[number])
        rest = {other: directory for other, directory in before.items() if other != number}
        assert voters(admin) == rest
        admin.remove_voter(number, before[number])
        assert voters(admin) == rest, "a vote that is gone is taken away a second time"
    orders.plane.up()
    orders.healed(follower, old)
    shutil.rmtree(lost)
    with asked(orders) as admin:
        after = voters(admin)
        admin.remove_voter(number, before[number])
        assert until(lambda: voters(admin), "a leader") == after, "the lost volume's vote is not the new one's"
    assert after == {**rest, number: after[number]}
    assert after[number] != before[number]
    assert {node for node, pid in orders.pids().items() if pids[node] != pid} == {follower}
