"""Configurations through a stock client: made, revised, read back to the byte, used by clusters, deleted."""

from __future__ import annotations

import pytest
from attrs import evolve
from botocore.exceptions import ClientError
from wishes import GROUP, put, v2

from penstock.api.effects import not_applied, without_effect
from penstock.kafka.configuration import effective_of
from penstock.kafka.properties_file import parse
from penstock.kafka.versions import catalogue
from penstock.model.operation import OperationState

VERSIONS = list(catalogue())
PROPERTIES = (
    b"# ours\r\nauto.create.topics.enable = true\r\nlog.retention.hours=24\r\n\r\n"
    b"min.insync.replicas=2 \nzookeeper.session.timeout.ms=18000\n# \xff\x00"
)


@pytest.fixture
def tuned(kafka):
    """ARN of a configuration with one revision."""
    return kafka.create_configuration(Name="tuned", ServerProperties=PROPERTIES, Description="the first")["Arn"]


def refused(call, code="BadRequestException", **members):
    """The refusal's message and the member that it names."""
    with pytest.raises(ClientError) as error:
        call(**members)
    answer = error.value.response
    assert answer["Error"]["Code"] == code
    return answer["Message"], answer["InvalidParameter"]


def test_a_configuration_is_made_as_msk_makes_it(kafka, account):
    made = kafka.create_configuration(
        Name="tuned", ServerProperties=PROPERTIES, Description="the first", KafkaVersions=VERSIONS[:1]
    )
    assert made["Arn"].startswith(f"arn:aws:kafka:us-east-1:{account}:configuration/tuned/")
    assert made["LatestRevision"] == {
        "Revision": 1,
        "CreationTime": made["CreationTime"],
        "Description": "the first",
    }
    assert (made["Name"], made["State"]) == ("tuned", "ACTIVE")
    assert made.keys() - {"ResponseMetadata"} == {"Arn", "CreationTime", "LatestRevision", "Name", "State"}
    shown = kafka.describe_configuration(Arn=made["Arn"])
    assert (shown["KafkaVersions"], shown["Description"]) == (VERSIONS[:1], "the first")
    assert shown["LatestRevision"] == made["LatestRevision"]
    (listed,) = kafka.list_configurations()["Configurations"]
    assert listed == {member: value for member, value in shown.items() if member != "ResponseMetadata"}


def test_what_was_not_given_is_not_shown_but_the_versions_are_an_empty_list(kafka):
    """As recorded (msk.md C.9)."""
    arn = kafka.create_configuration(Name="bare", ServerProperties=b"")["Arn"]
    shown = kafka.describe_configuration(Arn=arn)
    assert shown["KafkaVersions"] == []
    assert "Description" not in shown
    assert "Description" not in shown["LatestRevision"]
    assert kafka.describe_configuration_revision(Arn=arn, Revision=1)["ServerProperties"] == b""


def test_content_comes_back_byte_for_byte_and_old_revisions_stay(kafka, tuned):
    updated = kafka.update_configuration(Arn=tuned, ServerProperties=b"num.partitions=3", Description="the second")
    assert updated["Arn"] == tuned
    assert (updated["LatestRevision"]["Revision"], updated["LatestRevision"]["Description"]) == (2, "the second")
    first = kafka.describe_configuration_revision(Arn=tuned, Revision=1)
    assert (first["Arn"], first["Revision"], first["ServerProperties"]) == (tuned, 1, PROPERTIES)
    assert first["Description"] == "the first"
    assert kafka.describe_configuration_revision(Arn=tuned, Revision=2)["ServerProperties"] == b"num.partitions=3"
    assert kafka.describe_configuration(Arn=tuned)["LatestRevision"] == updated["LatestRevision"]
    revisions = kafka.list_configuration_revisions(Arn=tuned)["Revisions"]
    assert [revision["Revision"] for revision in revisions] == [1, 2]
    assert "ServerProperties" not in revisions[0]


def test_lists_page(kafka, client, tuned):
    for name in ("b", "a"):
        kafka.create_configuration(Name=name, ServerProperties=b"")
        kafka.update_configuration(Arn=tuned, ServerProperties=b"")
    pages = list(kafka.get_paginator("list_configurations").paginate(PaginationConfig={"PageSize": 2}))
    assert [[one["Name"] for one in page["Configurations"]] for page in pages] == [["tuned", "b"], ["a"]]
    pages = kafka.get_paginator("list_configuration_revisions").paginate(Arn=tuned, PaginationConfig={"PageSize": 2})
    assert [[one["Revision"] for one in page["Revisions"]] for page in pages] == [[1, 2], [3]]


def test_a_name_is_taken_once_and_free_again_after_a_delete(kafka, tuned):
    message, member = refused(
        kafka.create_configuration, "ConflictException", Name="tuned", ServerProperties=b"num.partitions=1"
    )
    assert member == "name"
    assert "'tuned' exists" in message
    assert kafka.delete_configuration(Arn=tuned)["State"] == "DELETING"
    assert kafka.list_configurations()["Configurations"] == []
    assert kafka.create_configuration(Name="tuned", ServerProperties=b"")["Arn"] != tuned


@pytest.mark.parametrize(
    ("members", "member", "words"),
    [
        ({"Name": "-tuned"}, "name", "begins with a letter"),
        ({"Name": "tu_ned"}, "name", "letters, digits and hyphens"),
        ({"Name": "t" * 257}, "name", "1 to 256"),
        ({"Name": ""}, "name", ""),
        ({"KafkaVersions": ["4.3.x.kraft", "2.8.1"]}, "kafkaVersions", "'2.8.1' is not offered here"),
        ({"ServerProperties": b"num.partitions=0"}, "serverProperties", "num.partitions: must be at least 1"),
        ({"ServerProperties": b"a=1\nb=2"}, "serverProperties", "a: is not a property"),
        ({"ServerProperties": b"a=1\nb=2"}, "serverProperties", "b: is not a property"),
        ({"ServerProperties": b"\nnum.partitions=\\u1"}, "serverProperties", "line 2: "),
        ({"ServerProperties": b"\\ud800=1"}, "serverProperties", "is not a property"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name_and_nothing_is_made(kafka, members, member, words):
    asked = {"Name": "tuned", "ServerProperties": b"", **members}
    message, named = refused(kafka.create_configuration, **asked)
    assert named == member
    assert words in message
    assert kafka.list_configurations()["Configurations"] == []


def test_a_wrong_update_makes_no_revision(kafka, tuned):
    message, member = refused(kafka.update_configuration, Arn=tuned, ServerProperties=b"log.roll.ms=0")
    assert member == "serverProperties"
    assert "log.roll.ms: must be at least 1" in message
    assert kafka.describe_configuration(Arn=tuned)["LatestRevision"]["Revision"] == 1


def test_quotas_are_msks(kafka, tuned):
    for _ in range(49):
        kafka.update_configuration(Arn=tuned, ServerProperties=b"")
    assert "50 revisions" in refused(kafka.update_configuration, Arn=tuned, ServerProperties=b"")[0]
    for number in range(99):
        kafka.create_configuration(Name=f"c{number}", ServerProperties=b"")
    assert "at most 100" in refused(kafka.create_configuration, Name="c100", ServerProperties=b"")[0]
    assert len(kafka.list_configurations()["Configurations"]) == 100


CALLS = {
    "describe_configuration": {},
    "describe_configuration_revision": {"Revision": 1},
    "list_configuration_revisions": {},
    "update_configuration": {"ServerProperties": b""},
    "delete_configuration": {},
}


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_arn_is_a_bad_request_in_msks_words(kafka, client, call, tuned, account):
    """Terraform takes these words, and not a 404, for `gone`."""
    kafka.delete_configuration(Arn=tuned)
    stranger = client("999999999999").create_configuration(Name=f"x-{call.replace('_', '-')}", ServerProperties=b"")
    elsewhere = client(account, "eu-west-1").create_configuration(Name="tuned", ServerProperties=b"")
    for arn in (tuned, stranger["Arn"], elsewhere["Arn"]):
        message, member = refused(getattr(kafka, call), Arn=arn, **CALLS[call])
        assert message.startswith("Configuration ARN does not exist")
        assert member == "arn"
    message, _ = refused(getattr(kafka, call), Arn="arn:aws:kafka:us-east-1:1:cluster/x/y", **CALLS[call])
    assert "is not the ARN of a configuration" in message


@pytest.mark.parametrize("number", [0, 2, -1, 2**62])
def test_a_missing_revision_is_not_found(kafka, tuned, number):
    message, member = refused(kafka.describe_configuration_revision, "NotFoundException", Arn=tuned, Revision=number)
    assert member == "revision"
    assert f"has no revision {number}; it has 1 to 1" in message


def use(arn, revision=1):
    return {"Arn": arn, "Revision": revision}


@pytest.mark.parametrize("version", [1, 2])
def test_a_cluster_runs_with_its_configuration_and_shows_it(kafka, wish, loop, rooms, tuned, version):
    asked = wish(ConfigurationInfo=use(tuned))
    arn = (kafka.create_cluster(**asked) if version == 1 else kafka.create_cluster_v2(**v2(asked)))["ClusterArn"]
    software = {"KafkaVersion": "4.3.x.kraft", "ConfigurationArn": tuned, "ConfigurationRevision": 1}
    shown = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["Provisioned"]
    assert shown["CurrentBrokerSoftwareInfo"] == software
    assert "ConfigurationInfo" not in shown
    assert kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["CurrentBrokerSoftwareInfo"] == software
    nodes = [node["BrokerNodeInfo"] for node in kafka.list_nodes(ClusterArn=arn)["NodeInfoList"] if "NodeARN" in node]
    assert [node["CurrentBrokerSoftwareInfo"] for node in nodes] == [software] * 3
    spec = loop.spec(arn)
    assert spec.configuration == (tuned, 1)
    # A new revision changes nothing for a cluster that uses an old one.
    kafka.update_configuration(Arn=tuned, ServerProperties=b"")
    with rooms.store.read() as tx:
        content = tx.configurations.properties_of(loop.spec(arn))
    assert effective_of(content, spec.kafka_version) == {
        "auto.create.topics.enable": "true",
        "log.retention.ms": "86400000",
        "min.insync.replicas": "2",
    }
    said = " ".join(without_effect(spec, parse(content)))
    assert "zookeeper.session.timeout.ms: what the configuration says there has no effect" in said


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("content", "versions", "info", "member", "words"),
    [
        (b"", [], {"Revision": 2}, "revision", "has no revision 2; it has 1 to 1"),
        (b"", [], {"Revision": 0}, "revision", "has no revision 0"),
        (b"", ["4.1.x.kraft"], {}, "arn", "was made for 4.1.x.kraft, and the cluster has 4.3.x.kraft"),
        (b"default.replication.factor=4", [], {}, "revision", "default.replication.factor: 4 copies need as many"),
        (b"min.insync.replicas=4", [], {}, "revision", "the cluster has 3"),
        (b"transaction.state.log.replication.factor=1", [], {}, "revision", "transactions would never work"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_with_the_reason(
    kafka, wish, content, versions, info, member, words, version
):
    made = kafka.create_configuration(Name="tuned", ServerProperties=content, KafkaVersions=versions)
    asked = wish(ConfigurationInfo={**use(made["Arn"]), **info})
    create, members = (kafka.create_cluster, asked) if version == 1 else (kafka.create_cluster_v2, v2(asked))
    message, named = refused(create, **members)
    assert named == ("provisioned." if version == 2 else "") + f"configurationInfo.{member}"
    assert message.startswith(named)
    assert words in message
    assert kafka.list_clusters()["ClusterInfoList"] == []


def test_what_fits_depends_on_the_cluster(kafka, wish):
    arn = kafka.create_configuration(Name="wide", ServerProperties=b"default.replication.factor=4")["Arn"]
    six = put(wish(ConfigurationInfo=use(arn)), "NumberOfBrokerNodes", 6)
    assert kafka.create_cluster(**six)["State"] == "CREATING"
    two = put(put(wish("two", ConfigurationInfo=use(arn)), "NumberOfBrokerNodes", 2), f"{GROUP}.ClientSubnets", ["subnet-a", "subnet-b"])  # fmt: skip
    assert "the cluster has 2" in refused(kafka.create_cluster, **two)[0]


def test_a_configuration_of_others_cannot_be_used(kafka, client, wish):
    theirs = client("888888888888").create_configuration(Name="theirs", ServerProperties=b"")["Arn"]
    message, _ = refused(kafka.create_cluster, **wish(ConfigurationInfo=use(theirs)))
    assert "Configuration ARN does not exist" in message


def test_what_is_in_use_is_not_deleted_and_the_users_are_named(kafka, wish, loop, tuned):
    kafka.update_configuration(Arn=tuned, ServerProperties=b"")
    one = kafka.create_cluster(**wish("one", ConfigurationInfo=use(tuned)))["ClusterArn"]
    two = kafka.create_cluster(**wish("two", ConfigurationInfo=use(tuned, 2)))["ClusterArn"]
    kafka.create_cluster(**wish("three"))
    message, member = refused(kafka.delete_configuration, Arn=tuned)
    assert message.startswith(
        "Configuration is in use by one or more clusters: one (revision 1), two (revision 2). Give them"
    )
    assert member == "arn"
    loop.forget(one)
    kafka.delete_cluster(ClusterArn=two)
    assert "clusters: two (revision 2)." in refused(kafka.delete_configuration, Arn=tuned)[0]
    loop.forget(two)
    assert kafka.delete_configuration(Arn=tuned)["State"] == "DELETING"
    refused(kafka.describe_configuration, Arn=tuned)


def test_what_an_update_may_go_back_to_is_not_deleted(kafka, wish, loop, tuned):
    """The new revision may end brokers, and then the old one is wanted again."""
    cluster = kafka.create_cluster(**wish("one", ConfigurationInfo=use(tuned)))["ClusterArn"]
    loop.serve(cluster)
    other = kafka.create_configuration(Name="other", ServerProperties=b"num.partitions=2")["Arn"]
    version = kafka.describe_cluster(ClusterArn=cluster)["ClusterInfo"]["CurrentVersion"]
    update = kafka.update_cluster_configuration(
        ClusterArn=cluster, CurrentVersion=version, ConfigurationInfo=use(other)
    )
    for arn in (tuned, other):
        assert "clusters: one (revision 1)." in refused(kafka.delete_configuration, Arn=arn)[0]
    loop.end(cluster, update["ClusterOperationArn"], OperationState.UPDATE_COMPLETE)
    kafka.delete_configuration(Arn=tuned)
    refused(kafka.delete_configuration, Arn=other)


def test_tags_come_and_go_and_end_with_their_configuration(kafka, client, account, tuned):
    assert kafka.list_tags_for_resource(ResourceArn=tuned)["Tags"] == {}
    kafka.tag_resource(ResourceArn=tuned, Tags={"team": "a", "kept": "yes"})
    kafka.tag_resource(ResourceArn=tuned, Tags={"team": "b"})
    kafka.untag_resource(ResourceArn=tuned, TagKeys=["kept", "never-there"])
    kafka.update_configuration(Arn=tuned, ServerProperties=b"")
    assert kafka.list_tags_for_resource(ResourceArn=tuned)["Tags"] == {"team": "b"}
    refused(kafka.tag_resource, ResourceArn=tuned, Tags={f"k{n}": "v" for n in range(50)})
    for stranger in (client("999999999999"), client(account, "eu-west-1")):
        refused(stranger.list_tags_for_resource, "NotFoundException", ResourceArn=tuned)
        refused(stranger.tag_resource, "NotFoundException", ResourceArn=tuned, Tags={"a": "b"})
    kafka.delete_configuration(Arn=tuned)
    refused(kafka.list_tags_for_resource, "NotFoundException", ResourceArn=tuned)


def test_a_cluster_that_runs_an_older_revision_is_told_how_to_apply_the_latest(kafka, wish, rooms, tuned):
    arn = kafka.create_cluster(**wish(ConfigurationInfo=use(tuned)))["ClusterArn"]

    def said():
        with rooms.store.read() as tx:
            return not_applied(tx.clusters.by_arn(arn), tx.configurations.by_arn(tuned))

    assert said() == ()
    kafka.update_configuration(Arn=tuned, ServerProperties=b"")
    (sentence,) = said()
    version = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["CurrentVersion"]
    assert sentence.startswith("The configuration tuned has revision 2, and this cluster runs revision 1. To apply")
    assert sentence.endswith(f"--configuration-info Arn={tuned},Revision=2 --current-version {version}")


def test_what_was_accepted_once_and_is_not_any_more_is_refused_at_its_next_use(kafka, wish, rooms, tuned):
    """A newer Penstock may know better; a revision stays as it is."""
    with rooms.store.write() as tx:
        tx.configurations.add_revision(tuned, b"listeners=PLAINTEXT://:1", rooms.clock())
    message, _ = refused(kafka.create_cluster, **wish(ConfigurationInfo=use(tuned, 2)))
    assert "revision 2 of the configuration tuned does not fit this cluster: listeners: is not" in message


def test_a_change_of_a_cluster_whose_configuration_is_lost_is_not_begun(kafka, wish, loop, rooms, tuned):
    """Taken for an empty one, it would be undone at run time."""
    arn = kafka.create_cluster(**wish(ConfigurationInfo=use(tuned)))["ClusterArn"]
    loop.serve(arn)
    with rooms.store.write() as tx:
        tx.clusters.put_spec(evolve(loop.spec(arn), configuration=(tuned, 9)), bump=False)
    before = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]
    asked = {"ClusterArn": arn, "CurrentVersion": before["CurrentVersion"]}
    with pytest.raises(
        ClientError, match=r"ServiceUnavailable.* runs with revision 9 of .* which the store does not hold"
    ):
        kafka.update_broker_type(**asked, TargetInstanceType="kafka.m5.xlarge")
    with pytest.raises(
        ClientError, match=r"ServiceUnavailable.* runs with revision 9 of .* which the store does not hold"
    ):
        kafka.update_cluster_configuration(**asked, ConfigurationInfo=use(tuned))
    assert kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"] == before
