"""With `realism = "msk"` the number of partitions on a broker limits what may be changed; Kafka is asked for it, and its silence
limits nothing."""

from __future__ import annotations

import pytest
from attrs import evolve

from penstock.api.ceilings import ASKING
from penstock.api.registry import OPERATIONS, SLOW, slow
from penstock.kafka.wire import KafkaUnreachable
from penstock.settings import Realism, Settings
from penstock.wire.call import Call, Caller
from penstock.wire.errors import BadRequest

LARGE, MEDIUM, SMALLER = "kafka.m5.4xlarge", "kafka.m5.2xlarge", "kafka.m5.large"


@pytest.fixture
def make(kafka, wish, loop):
    """ARN of an ACTIVE cluster of that type whose brokers hold so many replicas each."""

    def made(instance_type, held):
        asked = wish()
        asked["BrokerNodeGroupInfo"]["InstanceType"] = instance_type
        arn = kafka.create_cluster(**asked)["ClusterArn"]
        loop.serve(arn)
        topics = loop.topics(loop.spec(arn))
        topics.have("clicks", held - 50)
        topics.have("__consumer_offsets", 50, internal=True)
        topics.have("views", 7, replicas=1)
        return arn

    return made


@pytest.fixture
def ask(rooms, account):
    """A call under another realism."""

    def asked(operation, arn, realism=Realism.MSK, **members):
        with rooms.store.read() as tx:
            version = tx.clusters.by_arn(arn).current_version
        params = {"ClusterArn": arn, "CurrentVersion": version, **members}
        call = Call("kafka", operation, params, Caller(account, "us-east-1", "AKIA", "arn"), "id")
        strict = evolve(rooms, settings=Settings(home=rooms.settings.home, realism=realism))
        return OPERATIONS["kafka", operation](call, strict)

    return asked


@pytest.fixture
def configuration(kafka):
    arn = kafka.create_configuration(Name="tuned", ServerProperties=b"num.partitions=2")["Arn"]
    return {"ConfigurationInfo": {"Arn": arn, "Revision": 1}}


def test_a_smaller_type_must_have_room_for_what_brokers_hold(make, ask, kafka):
    arn = make(LARGE, 3000)  # with views broker 1 has seven more
    before = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]
    with pytest.raises(BadRequest) as refused:
        ask("UpdateBrokerType", arn, TargetInstanceType=MEDIUM)
    assert refused.value.invalid_parameter == "targetInstanceType"
    assert "exceeds the maximum for kafka.m5.2xlarge, which is 3000 with all replicas: broker 1 has 3007." in str(
        refused.value
    )
    assert kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"] == before
    with pytest.raises(BadRequest, match=r"is 1500 .*: broker 1 has 3007, broker 2 has 3000, broker 3 has 3000\."):
        ask("UpdateBrokerType", arn, TargetInstanceType=SMALLER)


@pytest.mark.parametrize(("present", "held", "wanted"), [(LARGE, 2993, MEDIUM), (SMALLER, 1600, "kafka.m5.xlarge")])
def test_the_maximum_itself_is_allowed_and_so_is_every_larger_type(make, ask, present, held, wanted):
    ask("UpdateBrokerType", make(present, held), TargetInstanceType=wanted)


def test_another_configuration_needs_brokers_within_their_own_maximum(make, ask, loop, configuration):
    arn = make(SMALLER, 1494)
    with pytest.raises(
        BadRequest, match=r"^configurationInfo: .* kafka.m5.large, which is 1500 .*: broker 1 has 1501\."
    ):
        ask("UpdateClusterConfiguration", arn, **configuration)
    del loop.topics(loop.spec(arn)).topics["views"]
    ask("UpdateClusterConfiguration", arn, **configuration)


def test_locally_nobody_is_asked(make, ask, loop, configuration):
    arn = make(SMALLER, 2000)
    ask("UpdateClusterConfiguration", arn, Realism.LOCAL, **configuration)
    assert loop.topics(loop.spec(arn)).asked == []


@pytest.mark.parametrize("state", ["silent", "never ACTIVE"])
def test_a_cluster_that_cannot_be_asked_is_not_refused_for_it(make, ask, loop, state):
    arn = make(LARGE, 5000)
    topics = loop.topics(loop.spec(arn))
    if state == "silent":
        topics.broken = KafkaUnreachable("nobody answers")
        ask("UpdateBrokerType", arn, TargetInstanceType=SMALLER)
        assert topics.asked == ["held"]
    else:
        loop.status(arn, "FAILED", completed=False)
        with pytest.raises(BadRequest, match="it is FAILED"):
            ask("UpdateBrokerType", arn, TargetInstanceType=SMALLER)
        assert topics.asked == []


def test_who_asks_kafka_has_the_threads_for_it(tmp_path):
    assert slow(Settings(home=tmp_path)) == SLOW
    assert slow(Settings(home=tmp_path, realism=Realism.MSK)) == SLOW | ASKING
