"""The life of a request: who calls, where to, what went wrong, and what the client gets to hear of it."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.to_thread
import boto3
import httpx
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from penstock.wire import errors
from penstock.wire.gateway import LIFE, Gateway
from penstock.wire.identity import Identity

ARN = "arn:aws:kafka:eu-west-1:111122223333:cluster/orders/1-1"
CONNECTOR = "arn%3Aaws%3Akafkaconnect%3Aeu-west-1%3A111122223333%3Aconnector%2Fa%2Fb-1"


def failing(error: Exception) -> Any:
    def handler(call: Any) -> Any:
        raise error

    return handler


def refused(do: Any, **params: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        do(**params)
    return caught.value.response


def test_the_life_of_a_request_is_one_tuple() -> None:
    assert [step.__name__ for step in LIFE] == ["preflight", "authenticate", "route", "parse", "perform", "render"]


def test_the_caller_comes_from_key_and_scope(bench: Any) -> None:
    bench.identities["AKIDOTHER"] = Identity(
        "AKIDOTHER", "s", "999999999999", "arn:aws:iam::999999999999:user/eva", user_id="AIDAEVA"
    )
    callers = []
    bench.handlers["kafka", "ListClusters"] = lambda call: callers.append(call.caller) or {}
    bench.client("kafka", key="AKIDOTHER", secret="s").list_clusters()
    (caller,) = callers
    assert (caller.account, caller.region, caller.access_key) == ("999999999999", "eu-west-1", "AKIDOTHER")
    assert caller.arn == "arn:aws:iam::999999999999:user/eva"


def test_the_scope_decides_where_both_services_have_the_path(bench: Any) -> None:
    bench.handlers["kafka", "ListTagsForResource"] = lambda call: {"Tags": {"from": call.service}}
    bench.handlers["kafkaconnect", "ListTagsForResource"] = lambda call: {"tags": {"from": call.service}}
    assert bench.client("kafka").list_tags_for_resource(ResourceArn=ARN)["Tags"] == {"from": "kafka"}
    assert bench.client("kafkaconnect").list_tags_for_resource(resourceArn=ARN)["tags"] == {"from": "kafkaconnect"}


def test_unsigned_the_arn_decides(open_bench: Any) -> None:
    open_bench.handlers["kafka", "ListTagsForResource"] = lambda call: {"Tags": {"from": call.service}}
    open_bench.handlers["kafkaconnect", "ListTagsForResource"] = lambda call: {"tags": {"from": call.service}}
    assert open_bench.ask("GET", b"/v1/tags/a").json == {"tags": {"from": "kafka"}}
    assert open_bench.ask("GET", b"/v1/tags/" + CONNECTOR.encode()).json == {"tags": {"from": "kafkaconnect"}}


def test_a_key_for_one_service_opens_no_other(bench: Any) -> None:
    sts = bench.client("sts")
    sts.meta.events.register("before-sign.sts", lambda request, **_: setattr(request, "url", "http://h/v1/clusters"))
    assert refused(sts.get_caller_identity)["Error"]["Code"] == "InvalidAction"


def test_an_operation_that_is_not_there_yet(bench: Any) -> None:
    response = refused(bench.client("kafka").list_nodes, ClusterArn=ARN)
    assert response["Error"] == {"Code": "BadRequestException", "Message": "ListNodes is not built yet."}
    assert bench.observed == [("kafka", "ListNodes", 400)]


def test_not_built_is_said_only_after_the_input_was_found_good(open_bench: Any) -> None:
    assert "maxResults" in open_bench.ask("GET", b"/v1/clusters?maxResults=x").json["message"]


def test_a_modelled_error_arrives_as_the_sdk_knows_it(bench: Any) -> None:
    bench.handlers["kafka", "DescribeCluster"] = failing(errors.NotFound("There is no such cluster.", "clusterArn"))
    client = bench.client("kafka")
    with pytest.raises(client.exceptions.NotFoundException) as caught:
        client.describe_cluster(ClusterArn=ARN)
    response = caught.value.response
    assert response["InvalidParameter"] == "clusterArn"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert response["Error"]["Message"] == "There is no such cluster."


@pytest.mark.parametrize(
    ("method", "error", "code", "status"),
    [
        ("delete_cluster", errors.Conflict("no"), "BadRequestException", 400),
        ("delete_cluster", errors.ServiceUnavailable("no"), "InternalServerErrorException", 500),
        ("delete_cluster", errors.Unauthorized("no"), "ForbiddenException", 403),
        ("get_bootstrap_brokers", errors.NotFound("no"), "BadRequestException", 400),
        ("get_bootstrap_brokers", errors.Conflict("no"), "ConflictException", 409),
        ("reboot_broker", errors.TooManyRequests("no"), "TooManyRequestsException", 429),
    ],
)
def test_only_errors_that_the_operation_declares(bench: Any, method: str, error: Any, code: str, status: int) -> None:
    client = bench.client("kafka")
    bench.handlers["kafka", client.meta.method_to_api_mapping[method]] = failing(error)
    more = {"BrokerIds": ["1"]} if method == "reboot_broker" else {}
    response = refused(getattr(bench.client("kafka"), method), ClusterArn=ARN, **more)
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert response["Error"]["Message"] == "no"


def test_a_bug_is_told_in_the_log_and_not_to_the_client(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    bench.handlers["kafka", "ListNodes"] = failing(RuntimeError("the password is hunter2"))
    with caplog.at_level(logging.ERROR, "penstock.wire.gateway"):
        response = refused(bench.client("kafka").list_nodes, ClusterArn=ARN)
    metadata = response["ResponseMetadata"]
    assert (response["Error"]["Code"], metadata["HTTPStatusCode"]) == ("InternalServerErrorException", 500)
    assert metadata["RequestId"] in response["Error"]["Message"]
    assert "hunter2" not in str(response)
    assert metadata["RequestId"] in caplog.text
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    "output",
    [
        {"Unheard": 1},
        {"ClusterInfo": {"ClusterName": 7}},
        {"ClusterInfo": {"CreationTime": datetime(2026, 3, 20)}},
        {"ClusterInfo": {"NumberOfBrokerNodes": True}},
        {"ClusterInfo": []},
    ],
)
def test_an_output_that_the_model_does_not_know_is_a_bug(bench: Any, output: Any) -> None:
    bench.handlers["kafka", "DescribeCluster"] = lambda call: output
    assert refused(bench.client("kafka").describe_cluster, ClusterArn=ARN)["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_absent_members_are_left_out_and_times_are_shown_as_msk_shows_them(open_bench: Any) -> None:
    moment = datetime(2026, 3, 20, 23, 39, 28, 495999, tzinfo=UTC)
    open_bench.handlers["kafka", "DescribeCluster"] = lambda call: {
        "ClusterInfo": {"CreationTime": moment, "State": None}
    }
    reply = open_bench.ask("GET", b"/v1/clusters/a")
    assert reply.body == b'{"clusterInfo":{"creationTime":"2026-03-20T23:39:28.495Z"}}'


def test_a_204_has_no_body(open_bench: Any) -> None:
    open_bench.handlers["kafka", "TagResource"] = lambda call: {}
    reply = open_bench.ask("POST", b"/v1/tags/a", body=b'{"tags": {"a": "b"}}')
    assert (reply.status, reply.body, "content-length" in reply.headers) == (204, b"", False)


def test_signatures_are_asked_for(bench: Any) -> None:
    reply = bench.ask("GET", b"/v1/clusters", [("host", "h")])
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationToken")
    wrong = refused(bench.client("kafka", secret="wrong").list_clusters)
    assert wrong["Error"]["Code"] == "InvalidSignatureException"
    unknown = refused(bench.client("kafka", key="AKIDNOBODY").list_clusters)
    assert unknown["Error"]["Code"] == "UnrecognizedClientException"


def test_a_clock_that_is_wrong_is_told_so(bench: Any) -> None:
    bench.now = datetime.now(UTC) + timedelta(hours=1)
    error = refused(bench.client("kafka").list_clusters)["Error"]
    assert "Set the clock" in error["Message"]


def test_a_credential_for_a_service_that_is_not_here(bench: Any) -> None:
    client = bench.client("kafka")
    client.meta.events.register("choose-signer.kafka", lambda **_: "v4")
    client._request_signer._signing_name = "s3"
    assert "scoped to kafka" in refused(client.list_clusters)["Error"]["Message"]


@pytest.mark.parametrize("headers", [[], [("authorization", "Bearer x")]], ids=["unsigned", "with something else"])
def test_under_insecure_nothing_need_be_signed(open_bench: Any, headers: Any) -> None:
    callers = []
    open_bench.handlers["kafka", "ListClusters"] = lambda call: callers.append(call.caller) or {}
    assert open_bench.ask("GET", b"/v1/clusters", headers).status == 200
    assert (callers[0].account, callers[0].region) == ("111122223333", "us-east-1")


def test_a_handler_for_an_operation_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="ListClustres"):
        Gateway({("kafka", "ListClustres"): lambda call: {}}, {}.get, lambda: datetime.now(UTC))


def test_other_routes_need_no_signature_and_slow_operations_hold_up_nobody(bench: Any) -> None:
    """Real sockets: boto3 asks, a slow operation takes all of its threads, everything else goes on."""

    async def healthz(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    release, waiting = threading.Event(), threading.Semaphore(0)

    def frozen(call: Any) -> Any:
        waiting.release()
        release.wait(20)
        return {"Topics": []}

    bench.options = {"routes": [Route("/healthz", healthz)], "slow": {"ListTopics"}, "slow_threads": 2, "threads": 2}
    bench.handlers["kafka", "ListTopics"] = frozen
    bench.handlers["kafka", "ListClusters"] = lambda call: {
        "ClusterInfoList": [{"ClusterName": call.params["ClusterNameFilter"]}]
    }
    server = uvicorn.Server(uvicorn.Config(bench.gateway(), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        client = boto3.client(
            "kafka",
            region_name="eu-west-1",
            endpoint_url=url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=Config(max_pool_connections=5),
        )
        stuck = [threading.Thread(target=client.list_topics, kwargs={"ClusterArn": ARN}) for _ in range(4)]
        for each in stuck:
            each.start()
        assert all(waiting.acquire(timeout=10) for _ in range(2))
        reply = client.list_clusters(ClusterNameFilter="a b+ü/%2F&=")
        assert reply["ClusterInfoList"][0]["ClusterName"] == "a b+ü/%2F&="
        assert httpx.get(f"{url}/healthz").text == "ok"
        assert httpx.get(f"{url}/v1/clusters").status_code == 403
        assert httpx.post(f"{url}/v1/clusters", content=iter([b" " * 700_000] * 2)).status_code == 413
        release.set()
        for each in stuck:
            each.join(10)
        client.close()
    finally:
        release.set()
        server.should_exit = True
        thread.join(10)
    assert not thread.is_alive()


def test_one_cluster_cannot_take_all_slow_threads(bench: Any) -> None:
    """A frozen cluster and many who ask it: another cluster's topics are listed all the same, and so are its own later."""
    release, entered = threading.Event(), threading.Semaphore(0)
    other = ARN.replace("cluster/", "cluster/another-")

    def listed(call: Any) -> Any:
        if call.params["ClusterArn"] == ARN:
            entered.release()
            release.wait(20)
        return {"Topics": []}

    bench.options = {"slow": {"ListTopics"}, "slow_threads": 3, "slow_each": 2}
    bench.handlers["kafka", "ListTopics"] = listed
    app = bench.gateway()
    client = bench.client("kafka", app)
    answered: list[Any] = []
    stuck = [threading.Thread(target=lambda: answered.append(client.list_topics(ClusterArn=ARN))) for _ in range(4)]
    try:
        for each in stuck:
            each.start()
        assert all(entered.acquire(timeout=10) for _ in range(2))
        assert client.list_topics(ClusterArn=other)["Topics"] == []
        assert not entered.acquire(timeout=0.2), "a third thread went to the frozen cluster"
    finally:
        release.set()
        for each in stuck:
            each.join(10)
    assert len(answered) == 4


def test_a_call_changes_threads_once_and_a_slow_one_twice(bench: Any, monkeypatch: Any) -> None:
    """Each change may wait behind a long computation in another thread."""
    changes, really = [], anyio.to_thread.run_sync

    def counted(function: Any, *arguments: Any, **options: Any) -> Any:
        changes.append(function)
        return really(function, *arguments, **options)

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    bench.options = {"slow": {"ListTopics"}}
    bench.handlers["kafka", "ListClusters"] = lambda call: {"ClusterInfoList": []}
    bench.handlers["kafka", "ListTopics"] = lambda call: {"Topics": []}
    client = bench.client("kafka", bench.gateway())
    client.list_clusters()
    assert len(changes) == 1
    client.list_topics(ClusterArn=ARN)
    assert len(changes) == 3
