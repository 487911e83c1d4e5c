"""A cluster is deleted whatever it is doing, and nothing of it is left."""

from __future__ import annotations

import time

from oracle.plane import Cluster, Plane, until


def started(cluster: Cluster, count: int) -> None:
    """Wait until so many nodes have a process."""

    def there() -> bool:
        folder = cluster.plane.home.path / "nodes" / cluster.id
        return folder.exists() and sum(map(bool, cluster.pids().values())) >= count

    until(there, f"{count} nodes started", more=cluster.said, poll=0.02)


def test_a_cluster_is_deleted_while_it_is_created(standing: Plane) -> None:
    cluster = standing.begin("hasty")
    started(cluster, 2)
    assert cluster.state == "CREATING"
    cluster.delete()
    again = standing.begin("hasty")
    again.delete()


def test_a_node_dies_during_the_create_and_the_control_plane_during_the_delete(standing: Plane) -> None:
    cluster = standing.begin("bruised")
    started(cluster, 6)
    time.sleep(1)
    old = {node: cluster.kill(node) for node in ("broker-1", "controller-10002")}
    for node, pid in old.items():
        cluster.restarted(node, pid)
    cluster.active()
    standing.kafka.delete_cluster(ClusterArn=cluster.arn)
    until(lambda: len(cluster.nodes) < 6, "the first node removed", poll=0.005)
    standing.kill()
    standing.up()
    cluster.gone()
