"""Ready client configurations, in the words of each client library. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from penstock.kafka.listeners import CLIENT, CLIENT_SECURE, bootstrap_string, over_ipv6
from penstock.model.spec import ClusterSpec


class Client(StrEnum):
    """Whose words."""

    JAVA = "java"
    LIBRDKAFKA = "librdkafka"
    KAFKA_PYTHON = "kafka-python"


class Auth(StrEnum):
    """How the client and the broker know each other."""

    PLAINTEXT = "plaintext"
    TLS = "tls"

    @property
    def listener(self) -> str:
        return CLIENT if self is Auth.PLAINTEXT else CLIENT_SECURE


def configuration(
    spec: ClusterSpec, client: Client, auth: Auth | None, ca: str, *, ipv6: bool = False
) -> Mapping[str, str]:
    """The settings that reach the cluster; `auth` None takes the most secure that it has, `ca` is a path, `ipv6` begins at
    the addresses that a cluster of the network type DUAL has over IPv6.

    ValueError where the cluster has no such listener, or no addresses yet."""
    has = [each for each in (Auth.TLS, Auth.PLAINTEXT) if each.listener in spec.client_broker.listeners]
    chosen = auth or has[0]
    if chosen not in has:
        raise ValueError(f"{spec.name} has no listener for {chosen}; it has {', '.join(has)}")
    servers = bootstrap_string(spec.brokers, over_ipv6(chosen.listener) if ipv6 else chosen.listener)
    if not servers:
        raise ValueError(f"{spec.name} has no addresses yet; wait until it is ACTIVE")
    match client, chosen:
        case Client.JAVA, Auth.PLAINTEXT:
            return {"bootstrap.servers": servers, "security.protocol": "PLAINTEXT"}
        case Client.JAVA, Auth.TLS:
            trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": ca}
            return {"bootstrap.servers": servers, "security.protocol": "SSL", **trust}
        case Client.LIBRDKAFKA, Auth.PLAINTEXT:
            return {"bootstrap.servers": servers, "security.protocol": "plaintext"}
        case Client.LIBRDKAFKA, Auth.TLS:
            return {"bootstrap.servers": servers, "security.protocol": "ssl", "ssl.ca.location": ca}
        case Client.KAFKA_PYTHON, Auth.PLAINTEXT:
            return {"bootstrap_servers": servers, "security_protocol": "PLAINTEXT"}
        case _:
            return {"bootstrap_servers": servers, "security_protocol": "SSL", "ssl_cafile": ca}
