"""From a create to a delete: what a user does on the first day."""

from __future__ import annotations

import ssl

from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Plane


def test_records_go_in_and_come_out_over_tls_and_plaintext(orders: Cluster) -> None:
    for auth in ("tls", "plaintext"):
        config = orders.client(auth)
        make_topic(config, f"first-{auth}", 3)
        with loaded(config, f"first-{auth}", 3) as load:
            load.advance()
        check(config, f"first-{auth}", 3, [load])


def test_the_first_day(plane: Plane) -> None:
    cluster = plane.begin("payments")
    assert cluster.state == "CREATING"
    cluster.active()
    seen = cluster.describe()
    assert seen["CurrentVersion"]
    assert [each["ClusterName"] for each in plane.kafka.list_clusters_v2()["ClusterInfoList"]] == ["payments"]
    strings = plane.kafka.get_bootstrap_brokers(ClusterArn=cluster.arn)
    assert "BootstrapBrokerString" not in strings
    addresses = strings["BootstrapBrokerStringTls"].split(",")
    assert len(addresses) == 3
    context = ssl.create_default_context(cafile=str(plane.home.path / "ca.pem"))
    assert context.verify_mode is ssl.CERT_REQUIRED
    config = cluster.client()
    assert config["bootstrap.servers"] == ",".join(addresses)
    make_topic(config, "invoices", 3)
    with loaded(config, "invoices", 3) as load:
        load.advance()
    check(config, "invoices", 3, [load])
    cluster.delete()
    assert plane.kafka.list_clusters_v2()["ClusterInfoList"] == []
    assert plane.home.listeners(plane.home.network()) == []
