"""The control plane is killed at random moments of a cluster's life: it always converges and leaves no stray."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Plane
from oracle.soak import SOAK

TIMES = 6 if SOAK else 1
"""Of each of its parts; the first, the create, has twice as many."""
SEED = 20


def strays(cluster: Cluster) -> list[str]:
    """Processes that are no node, no keeper of a node, and not the control plane."""
    known = {cluster.plane.pid, *cluster.pids().values()}
    known |= {int(cluster.record(node, "keeper").get("pid", 0)) for node in cluster.nodes}
    return [f"{p.pid} {p.cmdline()}" for p in cluster.plane.home.processes() if p.pid not in known]


def murder(plane: Plane, dice: Random, times: int, within: float, tell: Callable[[str], None]) -> None:
    for turn in range(times):
        time.sleep(dice.uniform(0, within))
        tell(f"control plane killed {turn + 1} of {times} times")
        plane.kill()
        plane.up()


def test_the_control_plane_is_killed_at_random_moments(plane: Plane, tell: Callable[[str], None]) -> None:
    dice = Random(SEED)
    cluster = plane.begin("hunted")
    murder(plane, dice, 2 * TIMES, 0.8, tell)
    cluster.active()
    assert len(cluster.nodes) == 6
    assert strays(cluster) == []
    config = cluster.client()
    make_topic(config, "hunted", 3)
    with loaded(config, "hunted", 3) as load:
        before = cluster.pids()
        old = cluster.kill("broker-2")
        murder(plane, dice, TIMES, 0.8, tell)
        cluster.healed("broker-2", old)
        load.advance()
        after = cluster.pids()
    assert {node for node in before if before[node] != after[node]} == {"broker-2"}
    check(config, "hunted", 3, [load])
    assert strays(cluster) == []
    plane.kafka.delete_cluster(ClusterArn=cluster.arn)
    murder(plane, dice, TIMES, 0.3, tell)
    cluster.gone()
    assert [p.pid for p in plane.home.processes()] == [plane.pid]
