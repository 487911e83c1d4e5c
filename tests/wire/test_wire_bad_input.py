"""What no SDK would send: always a modelled error that names the member, never a 5xx, never a stack trace."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.wire import body as body_module
from penstock.wire.body import LIMIT
from penstock.wire.errors import BadRequest

ARN = b"arn%3Aaws%3Akafka%3Aeu-west-1%3A111122223333%3Acluster%2Fa%2Fb-1"
CREATE = {
    "brokerNodeGroupInfo": {"clientSubnets": ["subnet-1"], "instanceType": "kafka.m5.large"},
    "clusterName": "orders",
    "kafkaVersion": "4.1.x.kraft",
    "numberOfBrokerNodes": 3,
}


def create(**changes: Any) -> bytes:
    """A CreateCluster body with members changed."""
    return json.dumps(CREATE | changes).encode()


def group(**changes: Any) -> bytes:
    return create(brokerNodeGroupInfo=CREATE["brokerNodeGroupInfo"] | changes)  # type: ignore[operator]


POST = ("POST", b"/v1/clusters")
CONFIGURE = ("POST", b"/v1/configurations")
REPLICATE = ("POST", b"/replication/v1/replicators")
BAD = [
    pytest.param(*POST, create(clusterName=7), "clusterName", "must be a string", id="number for string"),
    pytest.param(*POST, create(clusterName=["a"]), "clusterName", "must be a string", id="list for string"),
    pytest.param(*POST, create(clusterName=None), "clusterName", "is required", id="null is absent"),
    pytest.param(*POST, create(clusterName=""), "clusterName", "at least 1", id="too short"),
    pytest.param(*POST, create(clusterName="a\0b"), "clusterName", "NUL", id="NUL"),
    pytest.param(*POST, create(clusterName="\ud800"), "clusterName", "surrogate", id="half a surrogate pair"),
    pytest.param(*POST, create(numberOfBrokerNodes="3"), "numberOfBrokerNodes", "whole number", id="string for integer"),
    pytest.param(*POST, create(numberOfBrokerNodes=3.5), "numberOfBrokerNodes", "whole number", id="fraction for integer"),
    pytest.param(*POST, create(numberOfBrokerNodes=True), "numberOfBrokerNodes", "whole number", id="boolean for integer"),
    pytest.param(*POST, create(numberOfBrokerNodes=2**31), "numberOfBrokerNodes", "2^31", id="integer too large"),
    pytest.param(*POST, create(numberOfBrokerNodes=0), "numberOfBrokerNodes", "at least 1", id="below the minimum"),
    pytest.param(
        *POST, create(numberOfBrokerNodes=1).replace(b": 1}", b": " + b"1" * 9000 + b"}"), "numberOfBrokerNodes", "whole number",
        id="integer of 9000 digits",
    ),
    pytest.param(*POST, create(enhancedMonitoring="ALL"), "enhancedMonitoring", "one of DEFAULT", id="not in the enum"),
    pytest.param(*POST, create(tags={"a": 1}), "tags.a", "must be a string", id="number in a map"),
    pytest.param(*POST, create(tags=["a"]), "tags", "must be an object", id="list for map"),
    pytest.param(*POST, create(clustername="x"), "clustername", "no member", id="unknown member"),
    pytest.param(*POST, create(ClusterName="x"), "ClusterName", "no member", id="member name of the SDK"),
    pytest.param(*POST, group(subnets=[]), "brokerNodeGroupInfo.subnets", "no member", id="unknown member below"),
    pytest.param(*POST, group(clientSubnets="s"), "brokerNodeGroupInfo.clientSubnets", "must be a list", id="string for list"),
    pytest.param(*POST, group(clientSubnets=["s", None]), "brokerNodeGroupInfo.clientSubnets[1]", "a string", id="null in list"),
    pytest.param(*POST, group(instanceType=None), "brokerNodeGroupInfo.instanceType", "required", id="required below"),
    pytest.param(*POST, create(brokerNodeGroupInfo=[]), "brokerNodeGroupInfo", "must be an object", id="list for structure"),
    pytest.param(
        *POST, create(encryptionInfo={"encryptionInTransit": {"inCluster": "true"}}),
        "encryptionInfo.encryptionInTransit.inCluster", "true or false", id="string for boolean",
    ),
    pytest.param(*POST, b'{"clusterName": "a", "clusterName": "b"}', "clusterName", "twice", id="member twice"),
    pytest.param(*POST, b'{"a": ' + b"[" * 100_000, "a", "deeper than 32", id="deep and never closed"),
    pytest.param(*POST, b'{"x\\"[": 1, "tags": ' + b'{"a":' * 40 + b"1" + b"}" * 41, "tags", "deeper", id="deep objects"),
    pytest.param(*POST, create(clusterName=[[[[1]]]]), "clusterName", "must be a string", id="a little deep"),
    pytest.param(*POST, b"[" * 500_000, None, "deeper", id="deep from the start"),
    pytest.param(*POST, b"{", None, "not valid JSON", id="cut off"),
    pytest.param(*POST, b"clusterName=a", None, "not valid JSON", id="a form"),
    pytest.param(*POST, b"[]", None, "not an object", id="list"),
    pytest.param(*POST, b"null", None, "not an object", id="null"),
    pytest.param(*POST, b'{"clusterName": NaN}', None, "NaN", id="NaN"),
    pytest.param(*POST, b'{"clusterName": "\xff"}', None, "UTF-8", id="not UTF-8"),
    pytest.param(*POST, "{}".encode("utf-16"), None, "UTF-8", id="UTF-16"),
    pytest.param(*POST, b"", "brokerNodeGroupInfo", "required", id="no body"),
    pytest.param("PUT", b"/v1/clusters/" + ARN + b"/nodes/storage",
        b'{"currentVersion": "K1", "targetBrokerEBSVolumeInfo": [{"kafkaBrokerNodeId": "1", "volumeSizeGB": "9"}]}',
        "targetBrokerEBSVolumeInfo[0].volumeSizeGB", "whole number", id="member of an item",
    ),
    pytest.param(*CONFIGURE, b'{"name": "a", "serverProperties": "a"}', "serverProperties", "base64", id="bad base64"),
    pytest.param(*CONFIGURE, b'{"name": "a", "serverProperties": "YQ==YQ=="}', "serverProperties", "base64", id="base64 twice"),
    pytest.param(*CONFIGURE, '{"name": "a", "serverProperties": "é"}'.encode(), "serverProperties", "base64", id="not ASCII"),
    pytest.param(*REPLICATE, b'{"replicatorName": "-a"}', "replicatorName", "must match", id="pattern"),
    pytest.param(*REPLICATE, b'{"replicatorName": "a\\n"}', "replicatorName", "must match", id="pattern, newline"),
    pytest.param("GET", b"/v1/clusters?maxResults=x", b"", "maxResults", "whole number", id="query: no number"),
    pytest.param("GET", b"/v1/clusters?maxResults=1.0", b"", "maxResults", "whole number", id="query: fraction"),
    pytest.param("GET", b"/v1/clusters?maxResults=%D9%A1", b"", "maxResults", "whole number", id="query: other digits"),
    pytest.param("GET", b"/v1/clusters?maxResults=0", b"", "maxResults", "at least 1", id="query: below the minimum"),
    pytest.param("GET", b"/v1/clusters?maxResults=", b"", "maxResults", "whole number", id="query: empty"),
    pytest.param("GET", b"/v1/clusters?maxResults=1&maxResults=2", b"", "maxResults", "2 times", id="query: twice"),
    pytest.param("GET", b"/v1/clusters?max%52esults=1&maxResults=1", b"", "maxResults", "2 times", id="query: twice, spelt otherwise"),
    pytest.param("GET", b"/v1/clusters?MaxResults=1", b"", "MaxResults", "no query parameter", id="query: unknown"),
    pytest.param("GET", b"/v1/clusters?clusterNameFilter=%zz", b"", "clusterNameFilter", "%25", id="query: bad escape"),
    pytest.param("GET", b"/v1/clusters?clusterNameFilter=a%", b"", "clusterNameFilter", "%25", id="query: escape cut off"),
    pytest.param("GET", b"/v1/clusters?clusterNameFilter=%ff", b"", "clusterNameFilter", "UTF-8", id="query: not UTF-8"),
    pytest.param("GET", b"/v1/clusters?%ff=1", b"", "%ff", "UTF-8", id="query: name not UTF-8"),
    pytest.param("GET", b"/v1/clusters?clusterNameFilter=%00", b"", "clusterNameFilter", "NUL", id="query: NUL"),
    pytest.param("GET", b"/v1/clusters", b'{"maxResults": 1}', "maxResults", "no member", id="query member in the body"),
    pytest.param("DELETE", b"/v1/tags/" + ARN, b"", "tagKeys", "required", id="query: required list"),
    pytest.param("GET", b"/v1/clusters/a%zz", b"", "clusterArn", "%25", id="path: bad escape"),
    pytest.param("GET", b"/v1/clusters/%ff", b"", "clusterArn", "UTF-8", id="path: not UTF-8"),
    pytest.param("GET", b"/v1/clusters/", b"", "clusterArn", "must not be", id="path: empty label"),
    pytest.param("GET", b"/v1/clusters/..", b"", "clusterArn", "must not be", id="path: dot segment"),
    pytest.param("GET", b"/v1/clusters/%2E", b"", "clusterArn", "must not be", id="path: dot segment, encoded"),
    pytest.param("GET", b"/v1/configurations/a/revisions/one", b"", "revision", "whole number", id="path: no number"),
    pytest.param("POST", b"/v1/connectors/a/restart?onlyFailedTasks=yes", b"", None, "true or false", id="query: no boolean"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "target", "body", "member", "words"), BAD)
def test_wrong_input_is_refused_and_the_member_named(
    open_bench: Any, method: str, target: bytes, body: bytes, member: str | None, words: str
) -> None:
    reply = open_bench.ask(method, target, body=body)
    assert reply.status == 400
    assert reply.headers["x-amzn-errortype"] == "BadRequestException"
    assert reply.headers["x-amzn-requestid"]
    assert words in reply.json["message"]
    assert "Traceback" not in reply.json["message"]
    assert reply.json.get("invalidParameter") == member


def test_connect_errors_hold_a_message_alone(open_bench: Any) -> None:
    reply = open_bench.ask("GET", b"/v1/connectors?maxResults=x")
    assert list(reply.json) == ["message"]


def test_maxima_of_the_model_are_advice(open_bench: Any) -> None:
    """MSK takes 60 brokers where the model says 15; real limits belong to the operation."""
    heard = []
    open_bench.handlers["kafka", "CreateCluster"] = lambda call: heard.append(call.params) or {}
    reply = open_bench.ask(*POST, body=create(numberOfBrokerNodes=60, clusterName="n" * 70))
    assert reply.status == 200
    assert heard[0]["NumberOfBrokerNodes"] == 60


def test_a_label_is_decoded_once(open_bench: Any) -> None:
    heard = []
    open_bench.handlers["kafka", "DescribeCluster"] = lambda call: heard.append(call.params["ClusterArn"]) or {}
    open_bench.ask("GET", b"/v1/clusters/a%252Fb+c%0A")
    assert heard == ["a%2Fb+c\n"]


def test_a_plus_in_a_query_is_a_space(open_bench: Any) -> None:
    heard = []
    open_bench.handlers["kafka", "ListClusters"] = lambda call: heard.append(call.params) or {}
    open_bench.ask("GET", b"/v1/clusters?clusterNameFilter=a+b%2Bc&&maxResults=7")
    assert heard == [{"ClusterNameFilter": "a b+c", "MaxResults": 7}]


def test_an_arn_that_was_not_encoded_is_no_path(open_bench: Any) -> None:
    reply = open_bench.ask("GET", b"/v1/clusters/arn:aws:kafka:eu-west-1:1:cluster/a/b-1/operations/x")
    assert reply.status == 404
    assert reply.headers["x-amzn-errortype"] == "UnknownOperationException"
    assert "percent-encoded" in reply.json["message"]


@pytest.mark.parametrize(
    ("method", "target", "status", "allow"),
    [
        ("GET", b"/v1/nothing", 404, None),
        ("PATCH", b"/v1/clusters", 405, "GET, POST"),
        ("HEAD", b"/v1/clusters", 405, "GET, POST"),
        ("BREW", b"/v1/clusters", 405, "GET, POST"),
        ("GET", b"/v1/clusters/x/security", 405, "PATCH"),
        ("OPTIONS", b"/v1/clusters", 204, "GET, POST, OPTIONS"),
        ("OPTIONS", b"/v1/nothing", 404, "OPTIONS"),
        ("DELETE", b"/", 405, "GET, POST"),
    ],
)
def test_methods_and_paths_that_are_not_there(
    open_bench: Any, method: str, target: bytes, status: int, allow: str | None
) -> None:
    reply = open_bench.ask(method, target)
    assert (reply.status, reply.headers.get("allow")) == (status, allow)
    assert reply.headers["x-amzn-requestid"]
    if method == "HEAD":
        assert reply.body == b""


def test_a_body_of_a_mebibyte_is_read_and_one_byte_more_is_too_much(open_bench: Any) -> None:
    open_bench.handlers["kafka", "CreateCluster"] = lambda call: {}
    body = create().ljust(LIMIT)
    assert open_bench.ask(*POST, body=body).status == 200
    for reply in (
        open_bench.ask(*POST, body=body + b" "),
        open_bench.ask_in_pieces(*POST, [body[:-10], b" " * 6, b" " * 5]),
        open_bench.ask_in_pieces(*POST, [b"x" * LIMIT] * 40),
        open_bench.ask(*POST, [("content-length", "9" * 30)], b"x"),
    ):
        assert reply.status == 413
        assert reply.headers["x-amzn-errortype"] == "BadRequestException"
        assert "1048576" in reply.json["message"]


def test_a_body_that_never_comes_is_not_waited_for(portal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "SECONDS", 0.05)
    with pytest.raises(BadRequest, match="did not arrive"):
        portal.call(body_module.read_body, anyio.sleep_forever, None)


def test_a_refusal_does_not_send_a_megabyte_back(open_bench: Any) -> None:
    reply = open_bench.ask(*POST, body=json.dumps({"a" * 900_000: 1}).encode())
    assert reply.status == 400
    assert len(reply.body) < 5000


@settings(max_examples=150, deadline=None, database=None)
@given(data=st.data())
def test_whatever_comes_nothing_breaks(quiet: Any, data: st.DataObject) -> None:
    bench, app = quiet
    document = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4)
        ),
        max_leaves=12,
    )
    body = data.draw(st.binary(max_size=60) | document.map(lambda value: json.dumps(value).encode()))
    method = data.draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]))
    target = data.draw(st.lists(st.sampled_from(PIECES), max_size=7).map(lambda pieces: b"/" + b"".join(pieces)))
    reply = bench.ask(method, target, body=body, app=app)
    assert 200 <= reply.status < 500


NAMES = [*CREATE, "clientSubnets", "instanceType", "tags", "provisioned", "name", "serverProperties"]
PIECES = [
    b"v1",
    b"clusters",
    b"/",
    ARN,
    b"?",
    b"&",
    b"=",
    b"maxResults",
    b"tags",
    b"tagKeys",
    b"%",
    b"%f",
    b"..",
    b"+",
    b"Action",
    b"\xff",
]


@pytest.fixture(scope="module")
def quiet(portal: Any) -> Any:
    """A gateway whose operations all answer nothing."""
    from conftest import Bench

    from penstock.wire.model import SERVICES, load

    bench = Bench(portal, options={"insecure": True})
    bench.handlers = {(name, each): lambda call: {} for name in SERVICES for each in load(name).operations}
    return bench, bench.gateway()
