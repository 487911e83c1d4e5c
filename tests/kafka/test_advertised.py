"""Names of a user's own for brokers: what is a right one, and what each broker then tells its clients."""

import pytest

from penstock.kafka.advertised import hosts, missing, read, replace

TWO = "CLIENT_SECURE://b-{broker_id}.my.domain:9000+{broker_id},CLIENT://plain.my.domain:19000+{broker_id}"
OWN = "REPLICATION_SECURE://127.64.0.2:9093,CLIENT://127.64.0.2:9092,CLIENT_SECURE://127.64.0.2:9094"


def test_each_broker_is_told_its_own_names_and_keeps_what_is_not_named():
    assert replace(OWN, TWO, 2) == (
        "REPLICATION_SECURE://127.64.0.2:9093,CLIENT://plain.my.domain:19002,CLIENT_SECURE://b-2.my.domain:9002"
    )
    assert replace(OWN, TWO.split(",", maxsplit=1)[0], 12) == (
        "REPLICATION_SECURE://127.64.0.2:9093,CLIENT://127.64.0.2:9092,CLIENT_SECURE://b-12.my.domain:9012"
    )
    assert replace(OWN, None, 2) == OWN


def test_a_certificate_carries_the_names_of_its_broker_once():
    assert hosts(TWO, 3) == ("b-3.my.domain", "plain.my.domain")
    assert hosts("CLIENT://b:1+{broker_id},CLIENT_SECURE://b:101+{broker_id}", 3) == ("b",)
    assert hosts(None, 3) == ()


def test_a_listener_that_the_cluster_does_not_have_is_missing():
    assert missing(TWO, ("CLIENT_SECURE",)) == ("CLIENT",)
    assert missing(TWO, ("CLIENT", "CLIENT_SECURE")) == ()


def test_one_spelling_for_all():
    (name,) = read(" CLIENT://b-{broker_id}.x:09000 + {broker_id} ")
    assert str(name) == "CLIENT://b-{broker_id}.x:9000+{broker_id}"
    assert read(str(name)) == (name,)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "names no listener"),
        ("b-{broker_id}.my.domain:9000+{broker_id}", "names no listener"),
        ("CLIENT://b-{broker_id}.my.domain", "names no listener"),
        (TWO + ",", "names no listener"),
        ("REPLICATION_SECURE://b:9000+{broker_id}", "is an inner listener"),
        ("REPLICATION://b:9000+{broker_id}", "is an inner listener"),
        ("CONTROLLER://b:9000+{broker_id}", "is an inner listener"),
        ("PLAINTEXT://b:9000+{broker_id}", "is no client listener"),
        ("client://b:9000+{broker_id}", "is no client listener"),
        ("CLIENT://b:9000+{broker_id},CLIENT://c:9000+{broker_id}", "CLIENT is there twice"),
        ("CLIENT://b-{broker_id}:9000", "must differ from broker to broker"),
        ("CLIENT://b:{broker_id}+9000", "must differ from broker to broker"),
        ("CLIENT://b:9000-{broker_id}", "must differ from broker to broker"),
        ("CLIENT://b:9000+{broker_id}+{broker_id}", "must differ from broker to broker"),
        ("CLIENT://b:9000+{broker}", "must differ from broker to broker"),
        ("CLIENT://b:0+{broker_id}", "must begin at 1 to 65475"),
        ("CLIENT://b:65476+{broker_id}", "must begin at 1 to 65475"),
        ("CLIENT://b:٩٠٠٠+{broker_id}", "must differ"),
        ("CLIENT://:9000+{broker_id}", "is no host name"),
        ("CLIENT://-b:9000+{broker_id}", "is no host name"),
        ("CLIENT://b_1:9000+{broker_id}", "is no host name"),
        ("CLIENT://{rack}.x:9000+{broker_id}", "is no host name"),
        ("CLIENT://10.0.0.1:9000+{broker_id}", "is no host name"),
        ("CLIENT://[::1]:9000+{broker_id}", "is no host name"),
        ("CLIENT://b/c:9000+{broker_id}", "is no host name"),
        (f"CLIENT://{'a' * 64}.x:9000+{{broker_id}}", "is no host name"),
        (f"CLIENT://{'a.' * 126}xy:9000+{{broker_id}}", "is no host name"),
        ("CLIENT://b:9000+{broker_id},CLIENT_SECURE://B:9001+{broker_id}", "would both be"),
        ("CLIENT://b-1{broker_id}:9000+{broker_id},CLIENT_SECURE://b-{broker_id}:8990+{broker_id}", "would both be"),
    ],
)
def test_what_is_no_name_is_refused_with_the_reason(value, why):
    with pytest.raises(ValueError, match=r".*\.$") as refused:
        read(value)
    assert why in str(refused.value)


def test_ports_may_be_near_where_the_names_differ():
    assert len(read("CLIENT://a-{broker_id}:9000+{broker_id},CLIENT_SECURE://b-{broker_id}:9000+{broker_id}")) == 2
