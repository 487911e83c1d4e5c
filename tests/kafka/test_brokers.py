"""Asking a cluster for users: whoever answers will do, nothing is ordered twice, and silence keeps nobody long."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from uuid import UUID

import pytest
from fakes.kafka_node import HANG_UP, SILENCE
from kafka.protocol.admin import DeleteTopicsRequest, DeleteTopicsResponse
from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from penstock.kafka import answers, questions
from penstock.kafka.brokers import Brokers
from penstock.kafka.connections import KEPT, Silence
from penstock.kafka.wire import AnswerLost, KafkaRefused, KafkaUnreachable, NodeAddress

DEADLINE, FOR_EACH = 1.0, 0.3
EMPTY = MetadataResponse(brokers=[], cluster_id="c", controller_id=1, topics=[], version=12)
NOBODY = NodeAddress(9, "127.0.0.1", 1)


@pytest.fixture
def nodes(nodes):
    """A function that starts nodes; they answer Metadata until a test says otherwise."""
    return lambda *numbers: [node.on(MetadataRequest, EMPTY) for node in nodes(*numbers)]


@pytest.fixture
def brokers():
    """A function that makes the face of such nodes and addresses."""
    with ExitStack() as stack:

        def make(*nodes):
            made = Brokers([n if isinstance(n, NodeAddress) else n.address for n in nodes], None, DEADLINE, FOR_EACH)
            stack.callback(made.close)
            return made

        yield make


def ask(brokers):
    return brokers.ask(questions.topics(), answers.topics)


def delete(brokers):
    return brokers.order(questions.delete_topic("t", 100), answers.deleted)


def deleted(code=0):
    kind = DeleteTopicsResponse.DeletableTopicResult
    result = kind(name="t", topic_id=UUID(int=0), error_code=code, error_message="why", version=6)
    return DeleteTopicsResponse(responses=[result], version=6)


def test_one_connection_serves_question_after_question(nodes, brokers):
    (one,) = nodes(1)
    asked = brokers(one)
    assert [ask(asked) for _ in range(3)] == [{}, {}, {}]
    assert len(one.streams) == 1


def test_a_connection_that_the_broker_ended_is_made_anew_without_a_word(nodes, brokers):
    (one,) = nodes(1)
    asked = brokers(one)
    ask(asked)
    one.hang_up()
    assert ask(asked) == {}
    assert len(one.streams) == 2


def test_a_silent_broker_costs_one_caller_a_moment_and_is_asked_last_from_then_on(nodes, brokers):
    one, two = nodes(1, 2)
    one.on(MetadataRequest, SILENCE)
    asked = brokers(one, two)
    assert ask(asked) == {}
    assert ask(asked) == {}
    assert (len(one.asked), len(two.asked)) == (1, 2)


def test_a_broker_that_falls_silent_on_a_kept_connection_is_replaced_by_another(nodes, brokers):
    one, two = nodes(1, 2)
    asked = brokers(one, two)
    ask(asked)
    one.on(MetadataRequest, SILENCE)
    assert ask(asked) == {}
    assert len(two.asked) == 1


def test_nobody_there_is_told_from_nobody_answering(nodes, brokers):
    with pytest.raises(KafkaUnreachable, match=r"no connection to 127\.0\.0\.1:1") as away:
        ask(brokers(NOBODY))
    assert not isinstance(away.value, Silence)
    one, two = nodes(1, 2)
    one.on(MetadataRequest, SILENCE)
    two.on(MetadataRequest, HANG_UP)
    began = time.monotonic()
    with pytest.raises(Silence, match=r"did not answer .*; .* ended the connection"):
        ask(brokers(one, two))
    assert time.monotonic() - began < DEADLINE + 1


def test_a_cluster_without_addresses_has_nobody_to_ask(brokers):
    with pytest.raises(KafkaUnreachable, match="there is none to ask"):
        ask(brokers())


def test_an_order_goes_to_the_first_that_takes_a_connection_and_to_no_other(nodes, brokers):
    one, two = nodes(1, 2)
    one.on(DeleteTopicsRequest, HANG_UP)
    two.on(DeleteTopicsRequest, deleted())
    with pytest.raises(AnswerLost):
        delete(brokers(NOBODY, one, two))
    assert (one.names(), two.names()) == (["DeleteTopics"], [])


def test_an_order_is_given_on_a_connection_of_its_own_that_serves_questions_later(nodes, brokers):
    (one,) = nodes(1)
    one.on(DeleteTopicsRequest, deleted())
    asked = brokers(one)
    ask(asked)
    delete(asked)
    assert len(one.streams) == 2
    ask(asked)
    ask(asked)
    assert len(one.streams) == 2


def test_a_refusal_keeps_the_connection(nodes, brokers):
    (one,) = nodes(1)
    one.on(DeleteTopicsRequest, deleted(73))
    asked = brokers(one)
    with pytest.raises(KafkaRefused, match="TOPIC_DELETION_DISABLED"):
        delete(asked)
    ask(asked)
    assert len(one.streams) == 1


def waiting(count, call):
    """So many threads that make the call; gives (seconds, error) of each when all have ended."""
    told = []

    def one():
        began = time.monotonic()
        try:
            call()
        except KafkaUnreachable as error:
            told.append((time.monotonic() - began, error))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def test_a_cluster_that_was_silent_keeps_one_caller_and_sends_the_others_away(nodes, brokers):
    (one,) = nodes(1)
    one.on(MetadataRequest, SILENCE)
    asked = brokers(one)
    with pytest.raises(Silence):
        ask(asked)
    told = waiting(8, lambda: ask(asked))
    assert len(told) == 8
    assert sum(seconds >= FOR_EACH / 2 for seconds, _ in told) <= 2
    assert sum("another call is finding out" in str(error) for _, error in told) >= 6
    one.on(MetadataRequest, EMPTY)
    assert ask(asked) == {}
    assert waiting(8, lambda: ask(asked)) == []


def test_orders_that_are_not_answered_do_not_keep_questions_away(nodes, brokers):
    (one,) = nodes(1)
    one.on(DeleteTopicsRequest, SILENCE)
    asked = brokers(one)
    with pytest.raises(AnswerLost):
        delete(asked)
    stuck = threading.Thread(target=waiting, args=(1, lambda: delete(asked)))
    stuck.start()
    while len(one.asked) < 2:
        time.sleep(0.01)
    with pytest.raises(Silence, match="another call"):
        delete(asked)
    assert ask(asked) == {}
    stuck.join()


def test_many_threads_ask_at_once_and_few_connections_are_kept(nodes, brokers):
    (one,) = nodes(1)
    together = threading.Barrier(8)

    def slow(request):
        together.wait(5)
        return EMPTY

    one.on(MetadataRequest, slow)
    asked = brokers(one)
    assert waiting(8, lambda: ask(asked)) == []
    assert len(one.streams) == 8
    one.on(MetadataRequest, EMPTY)
    for _ in range(3):
        ask(asked)
    assert len(one.streams) == 8
    for _ in range(8 - KEPT):
        assert one.gone.acquire(timeout=5), "more connections are kept than should be"
    assert not one.gone.acquire(blocking=False), "fewer connections are kept than should be"


def test_a_call_under_way_while_all_is_closed_leaves_no_connection_open(nodes, brokers):
    (one,) = nodes(1)
    asked, here, go = brokers(one), threading.Event(), threading.Event()

    def held(request):
        here.set()
        go.wait(5)
        return EMPTY

    one.on(MetadataRequest, held)
    found = []
    caller = threading.Thread(target=lambda: found.append(ask(asked)))
    caller.start()
    assert here.wait(5)
    asked.close()
    go.set()
    caller.join()
    assert found == [{}]
    assert one.gone.acquire(timeout=5)
    assert one.streams[0].fileno() == -1, "the connection is still open"
