"""Reading and deleting clusters, tags, versions: what a user, Terraform or a script relies on."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from penstock.kafka.versions import catalogue

UNKNOWN = "arn:aws:kafka:us-east-1:{}:cluster/orders/0251db9f-3a37-4b9e-8f0c-2f1f5d1f7d35-1"


@pytest.fixture
def create(kafka, wish):
    """create(name, **members) -> ARN."""
    return lambda name="orders", **members: kafka.create_cluster(**wish(name, **members))["ClusterArn"]


def error(call, **params):
    with pytest.raises(ClientError) as refused:
        call(**params)
    answer = refused.value.response
    return answer["Error"]["Code"], answer.get("InvalidParameter")


ABOUT_A_CLUSTER = [
    "describe_cluster",
    "describe_cluster_v2",
    "delete_cluster",
    "get_bootstrap_brokers",
    "list_nodes",
    "list_cluster_operations",
    "list_cluster_operations_v2",
    "get_compatible_kafka_versions",
]
UNDECLARED = ("get_bootstrap_brokers", "list_cluster_operations")
"""MSK's model gives these no NotFoundException; the gateway answers with what they have."""


@pytest.mark.parametrize("operation", ABOUT_A_CLUSTER)
def test_clusters_of_another_account_or_region_do_not_exist(kafka, create, client, account, operation):
    arn = create()
    expected = "BadRequestException" if operation in UNDECLARED else "NotFoundException"
    stranger, elsewhere = client("999999999999"), client(account, "eu-south-1")
    for asking, named in ((stranger, arn), (elsewhere, arn), (kafka, UNKNOWN.format(account))):
        assert error(getattr(asking, operation), ClusterArn=named) == (expected, "clusterArn")
    assert kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["State"] == "CREATING"
    assert stranger.list_clusters()["ClusterInfoList"] == elsewhere.list_clusters_v2()["ClusterInfoList"] == []


@pytest.mark.parametrize("operation", ABOUT_A_CLUSTER)
@pytest.mark.parametrize(
    "text",
    [
        "orders",
        "arn:aws:kafka:us-east-1:100000000000:configuration/x/0251db9f-1",
        "arn:aws:kafkaconnect:us-east-1:100000000000:cluster/x/0251db9f-1",
        "arn:aws:kafka:us-east-1::cluster/x/y",
    ],
)
def test_what_is_no_cluster_arn_is_a_bad_request(kafka, operation, text):
    assert error(getattr(kafka, operation), ClusterArn=text) == ("BadRequestException", "clusterArn")


def test_one_name_in_two_regions_is_two_clusters(client, account, wish):
    arns = {client(account, region).create_cluster(**wish())["ClusterArn"] for region in ("us-east-1", "eu-south-1")}
    assert len(arns) == 2


def test_lists_are_filtered_by_prefix_and_paged_in_order_of_creation(kafka, create):
    arns = [create(f"team-{n}") for n in range(5)]
    create("other-team-1")
    create("Team-6")
    pages = list(
        kafka.get_paginator("list_clusters").paginate(ClusterNameFilter="team", PaginationConfig={"PageSize": 2})
    )
    assert [len(page["ClusterInfoList"]) for page in pages] == [2, 2, 1]
    assert [cluster["ClusterArn"] for page in pages for cluster in page["ClusterInfoList"]] == arns
    paged = kafka.get_paginator("list_clusters_v2").paginate(PaginationConfig={"PageSize": 3}).search("ClusterInfoList")
    assert [cluster["ClusterName"] for cluster in paged] == [*(f"team-{n}" for n in range(5)), "other-team-1", "Team-6"]


def test_the_type_filter_of_v2(kafka, create):
    arn = create()
    listed = kafka.list_clusters_v2(ClusterTypeFilter="PROVISIONED")["ClusterInfoList"]
    assert [cluster["ClusterArn"] for cluster in listed] == [arn]
    assert kafka.list_clusters_v2(ClusterTypeFilter="SERVERLESS")["ClusterInfoList"] == []
    assert error(kafka.list_clusters_v2, ClusterTypeFilter="BOTH") == ("BadRequestException", "clusterTypeFilter")


def test_a_failed_cluster_says_why_and_can_be_read_and_destroyed(kafka, create, loop):
    """Terraform reads everything, the bootstrap string included, before it destroys."""
    arn = create()
    loop.status(arn, "FAILED", code="NoJava", message="There is no Java 17 here; install one and create again.")
    shown = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]
    assert shown["State"] == "FAILED"
    assert shown["StateInfo"] == {
        "Code": "NoJava",
        "Message": "There is no Java 17 here; install one and create again.",
    }
    assert not [name for name in kafka.get_bootstrap_brokers(ClusterArn=arn) if name.startswith("Bootstrap")]
    assert kafka.delete_cluster(ClusterArn=arn)["State"] == "DELETING"
    after = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]
    assert after["State"] == "DELETING"
    assert "StateInfo" not in after


def test_a_deletion_shows_at_once_can_be_repeated_and_ends_in_404(kafka, create, loop):
    arn = create()
    loop.serve(arn)
    before = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["CurrentVersion"]
    loop.woken.clear()
    for _ in range(2):
        answer = kafka.delete_cluster(ClusterArn=arn, CurrentVersion=before)
        assert (answer["ClusterArn"], answer["State"]) == (arn, "DELETING")
    assert loop.woken == [loop.spec(arn).id]
    assert loop.spec(arn).removed
    shown = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]
    assert shown["State"] == "DELETING"
    assert shown["CurrentVersion"] != before
    loop.forget(arn)
    assert error(kafka.describe_cluster, ClusterArn=arn) == ("NotFoundException", "clusterArn")
    assert error(kafka.delete_cluster, ClusterArn=arn) == ("NotFoundException", "clusterArn")


def test_a_deletion_with_a_stale_version_is_refused_and_names_the_right_one(kafka, create):
    arn = create()
    with pytest.raises(
        ClientError, match=kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["CurrentVersion"]
    ) as no:
        kafka.delete_cluster(ClusterArn=arn, CurrentVersion="KTVPDKIKX0DER")
    assert no.value.response["InvalidParameter"] == "currentVersion"
    assert kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["State"] == "CREATING"


def test_customer_action_is_shown_once_the_cluster_has_worked(kafka, create, loop):
    arn = create()
    assert "CustomerActionStatus" not in kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]
    loop.serve(arn)
    assert kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["CustomerActionStatus"] == "NONE"


def test_tags_are_added_replaced_and_taken_away_without_a_new_version(kafka, create):
    """A client that tags and then updates holds the version that it read first."""
    arn = create(Tags={"team": "a", "kept": "yes"})
    before = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]["CurrentVersion"]
    kafka.tag_resource(ResourceArn=arn, Tags={"team": "b", "ort": "Köln 1/2"})
    kafka.untag_resource(ResourceArn=arn, TagKeys=["kept", "never-there"])
    expected = {"team": "b", "ort": "Köln 1/2"}
    assert kafka.list_tags_for_resource(ResourceArn=arn)["Tags"] == expected
    shown = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]
    assert shown["Tags"] == expected
    assert shown["CurrentVersion"] == before


def test_the_limit_of_tags_counts_those_that_are_there(kafka, create):
    arn = create(Tags={f"k{n}": "v" for n in range(49)})
    kafka.tag_resource(ResourceArn=arn, Tags={"one-more": "v"})
    kafka.tag_resource(ResourceArn=arn, Tags={"k1": "replaced, so no more than before".replace(",", "")})
    assert error(kafka.tag_resource, ResourceArn=arn, Tags={"k50": "v"}) == ("BadRequestException", "tags")
    assert error(kafka.tag_resource, ResourceArn=arn, Tags={"aws:x": "v"}) == ("BadRequestException", "tags")
    assert len(kafka.list_tags_for_resource(ResourceArn=arn)["Tags"]) == 50


@pytest.mark.parametrize("kind", ["cluster", "configuration", "vpc-connection"])
def test_tags_of_what_is_not_there(kafka, account, kind):
    arn = UNKNOWN.format(account).replace("cluster/", f"{kind}/")
    assert error(kafka.list_tags_for_resource, ResourceArn=arn) == ("NotFoundException", "resourceArn")
    assert error(kafka.tag_resource, ResourceArn=arn, Tags={"a": "b"}) == ("NotFoundException", "resourceArn")
    assert error(kafka.untag_resource, ResourceArn=arn, TagKeys=["a"]) == ("NotFoundException", "resourceArn")


def test_the_versions_on_offer_can_all_be_created(kafka, wish):
    pages = kafka.get_paginator("list_kafka_versions").paginate(PaginationConfig={"PageSize": 1})
    offered = [version for page in pages for version in page["KafkaVersions"]]
    assert [version["Version"] for version in offered] == list(catalogue())
    assert {version["Status"] for version in offered} <= {"ACTIVE", "DEPRECATED"}
    for number, version in enumerate(offered):
        kafka.create_cluster(**wish(f"on-{number}", KafkaVersion=version["Version"]))


def test_compatible_versions_of_all_and_of_one_cluster(kafka, create):
    every = kafka.get_compatible_kafka_versions()["CompatibleKafkaVersions"]
    assert [row["SourceVersion"] for row in every] == list(catalogue())
    arn = create(KafkaVersion="4.1.x.kraft")
    assert kafka.get_compatible_kafka_versions(ClusterArn=arn)["CompatibleKafkaVersions"] == [
        {"SourceVersion": "4.1.x.kraft", "TargetVersions": list(catalogue()["4.1.x.kraft"].upgrades_to)}
    ]


def test_what_is_not_built_says_so_and_is_no_5xx(kafka, create):
    with pytest.raises(ClientError, match="not built yet") as refused:
        kafka.update_security(ClusterArn=create(), CurrentVersion="K1")
    assert refused.value.response["Error"]["Code"] == "BadRequestException"
