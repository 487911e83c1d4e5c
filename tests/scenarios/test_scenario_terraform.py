"""Stock Terraform and the AWS provider: apply, an empty plan, every change in place and an empty plan after it, import, destroy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from oracle.plane import Cluster, Home, Plane
from oracle.soak import SOAK, soaked
from oracle.terraform import Terraform, mirror

ORDERS = Path(__file__).parent / "orders.tf"

MORE, FEWER = ({"brokers": 6}, {"brokers": 3}) if SOAK else ({}, {})
"""Brokers join and leave through Terraform only where there is time: in CI the AWS CLI has brokers join, and they leave in other stories."""

CHANGES: tuple[tuple[Mapping[str, Any], Mapping[str, int]], ...] = (
    # One member at a time,
    ({"properties": "log.retention.hours = 48\n"}, {"change": 2}),
    ({"monitoring": "PER_BROKER"}, {"change": 1}),
    ({"volume_size": 120}, {"change": 1}),
    ({"instance_type": "kafka.m5.xlarge"}, {"change": 1}),
    # a configuration under another name: the old one can go, because the cluster has left it by then,
    ({"configuration": "tuned"}, {"add": 1, "change": 1, "remove": 1}),
    # and several calls in one apply, each of which needs the version that the call before it made.
    ({**MORE, "volume_size": 121, "monitoring": "DEFAULT", "logs": False, "team": "billing"}, {"change": 1}),
    ({**FEWER, "exporters": False, "properties": "log.retention.hours = 24\n"}, {"change": 2}),
)
"""Variables, and what Terraform does for them. Never is the cluster itself removed."""


@pytest.fixture
def terraform(tmp_path: Path) -> Callable[[Plane, str], Terraform]:
    """Makes working folders for a plane, by name."""
    providers = mirror()
    if providers is None:
        pytest.skip(
            "no Terraform with the AWS provider at hand; a folder of providers as `terraform providers mirror` makes"
        )
    return lambda plane, name: Terraform(plane, tmp_path / name, providers)


def cluster_of(plane: Plane) -> Cluster:
    (found,) = plane.kafka.list_clusters_v2()["ClusterInfoList"]
    return Cluster(plane, found["ClusterName"], found["ClusterArn"])


def changed(**counts: int) -> Mapping[str, int]:
    return {"add": 0, "change": 0, "remove": 0, "import": 0} | counts


def counted(changes: Mapping[str, Any]) -> Mapping[str, int]:
    return {name: changes[name] for name in changed()}


def test_a_cluster_is_made_changed_in_place_taken_over_and_destroyed(
    plane: Plane, terraform: Callable[[Plane, str], Terraform]
) -> None:
    mine = terraform(plane, "mine").begin(ORDERS)
    assert counted(mine.apply()) == changed(add=2)
    assert mine.difference() == []
    first, cluster = mine.outputs(), cluster_of(plane)
    strings = plane.kafka.get_bootstrap_brokers(ClusterArn=cluster.arn)
    assert first["cluster"] == cluster.arn
    # The provider sorts them.
    assert first["brokers"] == {
        "plaintext": ",".join(sorted(strings["BootstrapBrokerString"].split(","))),
        "tls": ",".join(sorted(strings["BootstrapBrokerStringTls"].split(","))),
    }
    assert first["found_brokers"] == first["brokers"]
    assert first["found_cluster"] == cluster.id
    assert first["found_version"] == "4.3.x.kraft"
    assert first["found_properties"] == "log.retention.hours = 24\n"

    for variables, counts in CHANGES:
        assert counted(mine.apply(**variables)) == changed(**counts), variables
        assert mine.difference() == [], variables
        assert cluster.state == "ACTIVE"
        now = mine.outputs()
        shown = cluster.describe()["Provisioned"]["CurrentBrokerSoftwareInfo"]
        configured = (now["configuration"]["arn"], now["configuration"]["latest_revision"])
        assert (shown["ConfigurationArn"], shown["ConfigurationRevision"]) == configured
        # Whoever holds a string from before still begins at brokers that are there.
        assert now["brokers"] == first["brokers"]

    theirs = terraform(plane, "theirs").begin(ORDERS)
    # What is off and written down as off is no difference.
    theirs.variables = {**mine.variables, "connectivity": True}
    taken = {"aws_msk_cluster": now["cluster"], "aws_msk_configuration": now["configuration"]["arn"]}
    blocks = [f'import {{\n  to = {kind}.orders\n  id = "{arn}"\n}}\n' for kind, arn in taken.items()]
    (theirs.folder / "import.tf").write_text("".join(blocks))
    assert counted(theirs.apply()) == changed(**{"import": 2})
    assert theirs.difference() == []

    assert theirs.destroy() == 2
    assert plane.kafka.list_clusters_v2()["ClusterInfoList"] == []
    assert plane.kafka.list_configurations()["Configurations"] == []
    cluster.gone()
    assert mine.plan()["add"] == 2, "the other state sees that all is gone"


@soaked("a cluster more")
def test_connectivity_that_is_off_already_is_refused_after_a_create_as_on_msk(
    plane: Plane, terraform: Callable[[Plane, str], Terraform]
) -> None:
    mine = terraform(plane, "mine").begin(ORDERS)
    mine.variables["connectivity"] = True
    why = mine.refused()
    assert "BadRequestException" in why
    assert "identical to the current value" in why
    cluster = cluster_of(plane)
    assert cluster.state == "ACTIVE"
    assert plane.kafka.list_cluster_operations_v2(ClusterArn=cluster.arn)["ClusterOperationInfoList"] == []
    assert mine.destroy() == 2
    cluster.gone()


@soaked("a failed create more")
def test_a_failed_cluster_can_be_read_and_destroyed(
    homes: Callable[..., Home], terraform: Callable[[Plane, str], Terraform], tmp_path: Path
) -> None:
    empty = tmp_path / "no-java"
    empty.mkdir()
    plane = Plane(homes(java_home=str(empty))).up()
    mine = terraform(plane, "mine").begin(ORDERS)
    why = mine.refused()
    assert "FAILED" in why
    assert "java_home" in why, "Terraform's user is told what to do about it"
    cluster = cluster_of(plane)
    assert cluster.state == "FAILED"
    assert counted(mine.plan()) == changed(add=1, remove=1), "what failed is read, and will be made anew"
    assert mine.destroy() == 2
    cluster.gone()
