"""Brokers that tell their clients names of a user's own, while the control plane goes on reaching them as before."""

from __future__ import annotations

import socket
import ssl
import time

from confluent_kafka.admin import AdminClient
from oracle.course import Course, Runs
from oracle.plane import Cluster
from oracle.soak import soaked

NAMES = "CLIENT_SECURE://b-{broker_id}.my.domain:9000+{broker_id}"
ROLL = ["ROLL_BROKERS", "SET_DYNAMIC_PROPERTIES", "REJOIN_CLUSTER"]


def use(cluster: Cluster, arn: str, revision: int) -> Course:
    answer = cluster.plane.kafka.update_cluster_configuration(
        ClusterArn=cluster.arn,
        CurrentVersion=cluster.describe()["CurrentVersion"],
        ConfigurationInfo={"Arn": arn, "Revision": revision},
    )
    return Course(cluster, answer["ClusterOperationArn"]).end()


def advertised(cluster: Cluster, auth: str) -> set[str]:
    """Where Kafka tells clients of that listener to go on."""
    brokers = AdminClient({**cluster.client(auth), "log_level": 0}).list_topics(timeout=20).brokers.values()
    return {f"{broker.host}:{broker.port}" for broker in brokers}


@soaked("two rolls more")
def test_names_come_by_one_roll_and_go_by_another(orders: Cluster) -> None:
    kafka, own = orders.plane.kafka, {auth: advertised(orders, auth) for auth in ("tls", "plaintext")}
    arn = kafka.create_configuration(
        Name=f"names-{time.time_ns()}", ServerProperties=f"custom.advertised.listeners = {NAMES}".encode()
    )["Arn"]
    kafka.update_configuration(Arn=arn, ServerProperties=b"")

    before, runs = orders.describe(), Runs(orders)
    after = use(orders, arn, 1).check_complete(before, ROLL)
    runs.check_rolled()
    assert advertised(orders, "tls") == {f"b-{number}.my.domain:{9000 + number}" for number in (1, 2, 3)}
    assert advertised(orders, "plaintext") == own["plaintext"], "what is not named keeps its own"
    # Behind a name stands the certificate for it, so that a forwarder need not end TLS.
    config = orders.client("tls")
    trusted = ssl.create_default_context(cafile=config["ssl.ca.location"])
    for number, server in enumerate(config["bootstrap.servers"].split(","), start=1):
        host, _, port = server.rpartition(":")
        name = f"b-{number}.my.domain"
        with socket.create_connection((host, int(port)), 10) as plain, trusted.wrap_socket(plain, server_hostname=name):
            pass
    # The way of the control plane is another one: topics are reached, and a broker that dies is healed.
    kafka.create_topic(ClusterArn=orders.arn, TopicName="named", PartitionCount=3, ReplicationFactor=3)
    orders.healed("broker-2", orders.kill("broker-2"))
    orders.active()
    kafka.delete_topic(ClusterArn=orders.arn, TopicName="named")

    runs = Runs(orders)
    use(orders, arn, 2).check_complete(after, ROLL)
    runs.check_rolled()
    assert advertised(orders, "tls") == own["tls"]
