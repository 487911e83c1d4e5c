"""`sts` GetCallerIdentity: the question that SDKs and Terraform ask first."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError

from penstock.wire.identity import Identity, root


def refused(do: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        do()
    return caught.value.response


def test_who_am_i(bench: Any) -> None:
    bench.identities["ASIA"] = Identity(
        "ASIA", "s", "111122223333", "arn:aws:sts::111122223333:a<b>&c", "to ken", "AROA:eva"
    )
    assert _who(bench.client("sts")) == ("111122223333", "111122223333", "arn:aws:iam::111122223333:root")
    assert _who(bench.client("sts", key="ASIA", secret="s", token="to ken")) == (
        "AROA:eva",
        "111122223333",
        "arn:aws:sts::111122223333:a<b>&c",
    )
    assert bench.observed[0] == ("sts", "GetCallerIdentity", 200)


def _who(client: Any) -> tuple[str, str, str]:
    reply = client.get_caller_identity()
    return reply["UserId"], reply["Account"], reply["Arn"]


def test_who_am_i_asked_by_a_presigned_url(bench: Any) -> None:
    """As tools do that prove an identity to a third party."""
    url = bench.client("sts").generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    target = url.removeprefix("http://penstock.test:4566").encode()
    reply = bench.ask("GET", target, [("host", "penstock.test:4566")])
    assert (reply.status, reply.headers["content-type"]) == (200, "text/xml")
    assert ElementTree.fromstring(reply.body).findtext(".//{*}Account") == "111122223333"
    later = bench.ask("GET", target.replace(b"Expires=60", b"Expires=61"), [("host", "penstock.test:4566")])
    assert ElementTree.fromstring(later.body).findtext(".//{*}Code") == "SignatureDoesNotMatch"


def test_sts_says_its_errors_in_its_own_words(bench: Any) -> None:
    assert refused(bench.client("sts", secret="wrong").get_caller_identity)["Error"]["Code"] == "SignatureDoesNotMatch"
    assert refused(bench.client("sts", key="X").get_caller_identity)["Error"]["Code"] == "InvalidClientTokenId"
    missing = refused(bench.client("sts").get_session_token)
    assert missing["Error"]["Code"] == "InvalidAction"
    assert "only GetCallerIdentity" in missing["Error"]["Message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidAction"),
        (b"Action=%00", "InvalidAction"),
        (b"Action=GetCallerIdentity&Action=GetCallerIdentity", "InvalidParameterValue"),
        (b"Action=GetCallerIdentity&Version=2010-01-01", "InvalidParameterValue"),
        (b"Action=GetCallerIdentity&Other=1", "InvalidParameterValue"),
        (b"Action=%ff", "InvalidParameterValue"),
        (b"%=%", "InvalidParameterValue"),
        (b"<xml/>\0\xff", "InvalidParameterValue"),
    ],
)
def test_forms_that_are_no_question(open_bench: Any, body: bytes, code: str) -> None:
    reply = open_bench.ask("POST", b"/", body=body)
    assert reply.status == 400
    assert ElementTree.fromstring(reply.body).findtext(".//{*}Code") == code


def test_under_insecure_a_key_of_twelve_digits_is_the_account(open_bench: Any) -> None:
    assert _who(open_bench.client("sts", key="999988887777", secret="x"))[1] == "999988887777"
    assert _who(open_bench.client("sts", key="dummy", secret="x"))[1] == "111122223333"
    open_bench.identities["AKID"] = root("444455556666", "AKID", "s")
    assert _who(open_bench.client("sts", key="AKID", secret="not the secret"))[1] == "444455556666"
