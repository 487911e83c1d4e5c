"""Who is asked, on which connection, and how often: of a node that is dead, silent, or ended an idle connection."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from cryptography import x509
from fakes.kafka_answers import described, metadata
from fakes.kafka_node import HANG_UP, PATIENCE, SILENCE, KafkaNode
from fakes.tls import listening
from kafka.protocol.admin import DescribeClusterRequest
from kafka.protocol.metadata import MetadataRequest

from penstock.kafka import questions
from penstock.kafka.connections import Connections
from penstock.kafka.messages import UnregisterBrokerRequest
from penstock.kafka.wire import AnswerLost, KafkaUnreachable, NodeAddress, mutual_tls_of
from penstock.model.node import Issuer, Leaf
from penstock.model.observation import BrokerSeen
from penstock.pki.authority import Authority
from penstock.pki.client_certificate import ClientCertificate


def pool(*nodes):
    return Connections([node.address for node in nodes], None, PATIENCE)


def test_another_broker_is_asked_where_the_first_says_nothing_and_is_asked_first_from_then_on(nodes, admin):
    one, two = nodes(1, 2)
    one.on(DescribeClusterRequest, SILENCE)
    two.on(DescribeClusterRequest, described((1, True), (2, False)))
    ask = admin(one, two)
    assert ask.brokers() == {1: BrokerSeen(1, fenced=True), 2: BrokerSeen(2, fenced=False)}
    assert two.asked[0].include_fenced_brokers is True
    assert ask.brokers()[1].fenced
    assert (len(one.asked), len(two.asked)) == (1, 2)


def test_when_nobody_answers_the_error_tells_of_each(nodes, admin):
    one, two = nodes(1, 2)
    one.on(DescribeClusterRequest, SILENCE)
    two.on(DescribeClusterRequest, HANG_UP)
    with pytest.raises(KafkaUnreachable, match=r"node 1: .* did not answer .*; node 2: .* ended the connection"):
        admin(one, two).brokers()


def test_a_dead_node_is_told_from_a_silent_one(nodes, admin):
    (broker,) = nodes(1)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        free = unused.getsockname()[1]
    ask = admin(broker, NodeAddress(2, "127.0.0.1", free))
    assert ask.ping(2) is False
    assert "no connection" in ask.unanswered[2]


def test_a_connection_that_the_node_ended_meanwhile_is_made_anew_without_a_word(nodes, admin):
    (one,) = nodes(1)
    one.on(MetadataRequest, metadata())
    ask = admin(one)
    assert ask.ping(1)
    one.hang_up()
    assert ask.ping(1)
    assert len(one.streams) == 2
    assert ask.ping(1)
    assert len(one.streams) == 2


def test_threads_may_share_an_admin(nodes, admin):
    one, two = nodes(1, 2)
    for node in (one, two):
        node.on(MetadataRequest, metadata()).on(DescribeClusterRequest, described((node.number, False)))
    ask = admin(one, two)
    answers = []

    def work():
        answers.extend((ask.ping(1), ask.ping(2), len(ask.brokers())) for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(True, True, 1)] * 40


def test_a_silent_node_is_asked_once_and_not_again_on_another_connection(nodes):
    (one,) = nodes(1)
    one.on(MetadataRequest, metadata())
    asked = pool(one)
    asked.ask(1, questions.nothing())
    one.on(MetadataRequest, SILENCE)
    with pytest.raises(AnswerLost):
        asked.ask(1, questions.nothing())
    assert (len(one.asked), len(one.streams)) == (2, 1)


def test_what_is_ordered_goes_out_once_and_on_a_new_connection(nodes):
    one, two = nodes(1, 2)
    for node in (one, two):
        node.on(MetadataRequest, metadata()).on(UnregisterBrokerRequest, HANG_UP)
    asked = pool(one, two)
    asked.ask(2, questions.nothing())
    with pytest.raises(AnswerLost):
        asked.order([2, 1], questions.unregister(3), lambda answer: answer)
    assert (one.asked, two.names()) == ([], ["Metadata", "UnregisterBroker"])
    assert len(two.streams) == 2


def test_nodes_are_asked_in_the_order_that_is_given_and_the_likely_order_learns(nodes):
    one, two, three = nodes(1, 2, 3)
    one.on(MetadataRequest, HANG_UP)
    two.on(MetadataRequest, metadata())
    three.on(MetadataRequest, metadata())
    asked = pool(one, two, three)
    assert list(asked.likely([1, 2, 3])) == [1, 2, 3]
    asked.first([1, 3, 2], questions.nothing(), lambda answer: answer)
    assert list(asked.likely([1, 2, 3])) == [3, 2, 1]
    asked.ask(2, questions.nothing())
    assert list(asked.likely([1, 2, 3])) == [3, 2, 1], "a question to one node says nothing about who is asked first"
    assert list(asked.unanswered) == [1]


def test_what_is_closed_answers_still_and_leaves_nothing_open(nodes):
    (one,) = nodes(1)
    one.on(MetadataRequest, metadata())
    asked = pool(one)
    asked.ask(1, questions.nothing())
    asked.close()
    assert one.gone.acquire(timeout=5)
    asked.ask(1, questions.nothing())
    assert one.gone.acquire(timeout=5)
    assert len(one.streams) == 2


def test_a_new_connection_shows_a_fresh_certificate_once_two_thirds_of_a_life_are_over(tmp_path):
    """The clock is ours; the handshake is TLS's own, which has the real one."""
    present = datetime.now(UTC)
    now = [present - timedelta(days=300)]
    authority = Authority.create("inner", now[0])
    listener = tmp_path / "listener.pem"
    listener.write_bytes(authority.issue(Leaf("l", Issuer.CLUSTER, "node", (), ("127.0.0.1",), 3650), present))
    ours = Leaf("", Issuer.CLUSTER, "plane", (), (), 365)
    context = partial(mutual_tls_of, authority.certificate_pem)
    certificate = ClientCertificate(partial(authority.issue, ours), context, lambda: now[0])
    node = KafkaNode(1, listening(listener, authority.certificate_pem)).on(MetadataRequest, metadata())
    try:
        asked = Connections([node.address], certificate, 5.0)
        for days in (0, 240, 10):
            now[0] += timedelta(days=days)
            asked.ask(1, questions.nothing())
            asked.ask(1, questions.nothing())
            node.hang_up()
        asked.close()
    finally:
        node.close()
    began = [x509.load_der_x509_certificate(shown).not_valid_before_utc for shown in node.shown]
    assert [(each - began[0]).days for each in began] == [0, 0, 250]
