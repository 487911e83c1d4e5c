"""Signature Version 4, with botocore's signers as the oracle, and every way to bend a signed request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import pytest
from attrs import evolve
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.wire.errors import AccessDenied
from penstock.wire.identity import Identity, root
from penstock.wire.request import Request
from penstock.wire.sigv4 import Scope, verify

NOW = datetime(2026, 3, 20, 21, 39, 28, tzinfo=UTC)
ROOT = root("111122223333", "AKIDEXAMPLE", "secret/+")
GUEST = Identity(
    "ASIAGUEST", "other", "111122223333", "arn:aws:sts::111122223333:assumed-role/a/b", session_token="to/ken+="
)
KEYS = {each.access_key: each for each in (ROOT, GUEST)}
ARN = quote("arn:aws:kafka:eu-west-1:111122223333:cluster/a b/ü-1", safe="")
URL = f"https://kafka.test:4566/v1/clusters/{ARN}/nodes?maxResults=5&nextToken=a%2Bb%20%C3%BC%2F~"


def signed(
    url: str = URL,
    method: str = "PUT",
    body: bytes = b'{"a": 1}',
    who: Identity = ROOT,
    headers: dict[str, str] | None = None,
    presigned: int | None = None,
    at: datetime = NOW,
) -> Request:
    """A request as botocore signs it: in the header, or presigned for so many seconds."""
    aws = AWSRequest(method=method, url=url, data=body, headers={"Content-Type": "application/json", **(headers or {})})
    credentials = Credentials(who.access_key, who.secret, who.session_token)
    signer = (
        SigV4Auth(credentials, "kafka", "eu-west-1")
        if presigned is None
        else SigV4QueryAuth(credentials, "kafka", "eu-west-1", expires=presigned)
    )
    with mock.patch("botocore.auth.get_current_datetime", return_value=at.replace(tzinfo=None)):
        signer.add_auth(aws)
    parts = urlsplit(aws.url)
    sent = [
        ("host", parts.netloc.encode()),
        *((name.lower(), str(value).encode()) for name, value in aws.headers.items()),
    ]
    return Request(method, parts.path.encode(), parts.query.encode(), tuple(sent), body)


def check(request: Request, now: datetime = NOW) -> Scope:
    return verify(request, KEYS.get, now)[0]


def denied(request: Request, now: datetime = NOW) -> str:
    with pytest.raises(AccessDenied) as caught:
        check(request, now)
    assert caught.value.status == 403
    return caught.value.code


def changed_header(request: Request, name: str, change: Callable[[bytes], bytes]) -> Request:
    headers = tuple((key, change(value) if key == name else value) for key, value in request.headers)
    assert headers != request.headers
    return evolve(request, headers=headers)


WAYS = {"in the header": {}, "presigned": {"presigned": 60, "body": b"", "method": "GET"}}
way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@way
@pytest.mark.parametrize("who", [ROOT, GUEST], ids=["root", "with a session token"])
def test_what_botocore_signs_is_accepted(way: Any, who: Identity) -> None:
    scope = check(signed(who=who, **way))
    assert scope == Scope(who.access_key, "20260320", "eu-west-1", "kafka")


@settings(max_examples=60, deadline=None, database=None)
@given(
    label=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text not in (".", "..")),
    values=st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
    body=st.binary(),
    header=st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)
def test_any_path_query_header_and_body(label: str, values: list[str], body: bytes, header: str) -> None:
    query = "&".join(f"tagKeys={quote(value, safe='-_.~')}" for value in values)
    check(signed(f"https://h/v1/tags/{quote(label, safe='-_.~')}?{query}", body=body, headers={"X-Any": header}))


@way
@pytest.mark.parametrize(
    "bend",
    [
        lambda r: evolve(r, method="POST"),
        lambda r: evolve(r, path=r.path.replace(b"cluster%2F", b"cluster/")),
        lambda r: evolve(r, path=r.path.replace(b"nodes", b"Nodes")),
        lambda r: evolve(r, path=r.path.replace(b"%2F", b"%252F")),
        lambda r: evolve(r, query=r.query.replace(b"maxResults=5", b"maxResults=50")),
        lambda r: evolve(r, query=r.query + b"&more=1"),
        lambda r: evolve(r, query=r.query.replace(b"a%2Bb", b"a+b")),
        lambda r: evolve(r, body=r.body + b" "),
        lambda r: changed_header(r, "host", lambda host: b"other.test"),
        lambda r: evolve(r, headers=(*r.headers, ("host", b"other.test"))),
        lambda r: evolve(r, headers=(*r.headers, ("x-amz-new", b"unsigned"))),
        lambda r: evolve(r, headers=(*r.headers, ("x-amz-content-sha256", b"UNSIGNED-PAYLOAD"))),
    ],
)
def test_whatever_is_changed_is_noticed(way: Any, bend: Callable[[Request], Request]) -> None:
    assert denied(bend(signed(**way))) == "InvalidSignatureException"


@way
def test_order_and_spelling_of_the_query_do_not_matter(way: Any) -> None:
    """AWS sorts and encodes the parameters itself, so that what is between may spell them otherwise."""
    request = signed(**way)
    turned = b"&".join(reversed(request.query.split(b"&")))
    check(evolve(request, query=turned.replace(b"%2F", b"%2f").replace(b"~", b"%7E").replace(b"%20", b"+")))


def test_a_presigned_body_is_part_of_the_signature() -> None:
    assert denied(evolve(signed(presigned=60, method="GET", body=b""), body=b"x")) == "InvalidSignatureException"


def test_a_wrong_secret_and_an_unknown_key() -> None:
    assert denied(signed(who=evolve(ROOT, secret="wrong"))) == "InvalidSignatureException"
    assert denied(signed(who=evolve(ROOT, access_key="AKIDNOBODY"))) == "UnrecognizedClientException"


@way
def test_a_session_token_must_be_the_one_of_the_key(way: Any) -> None:
    for who in (
        evolve(GUEST, session_token="another"),
        evolve(GUEST, session_token=None),
        evolve(ROOT, session_token="a"),
    ):
        assert denied(signed(who=who, **way)) == "UnrecognizedClientException"


def test_the_host_must_be_signed() -> None:
    request = changed_header(signed(), "authorization", lambda value: value.replace(b";host", b""))
    assert denied(request) == "InvalidSignatureException"


def test_a_session_token_must_be_signed() -> None:
    request = changed_header(
        signed(who=GUEST), "authorization", lambda value: value.replace(b";x-amz-security-token", b"")
    )
    assert denied(request) == "InvalidSignatureException"


def test_a_stated_hash_of_the_body_is_checked() -> None:
    right = "5c5c0a2c5ba5a5b7ed7ab0b4d8a8a5b5"
    assert denied(signed(headers={"X-Amz-Content-SHA256": right})) == "InvalidSignatureException"
    with pytest.raises(AccessDenied, match="unsigned bodies are not accepted"):
        check(signed(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}))
    check(signed(headers={"X-Amz-Content-SHA256": signed().body_hash}))


@pytest.mark.parametrize("minutes", [-5, 5])
def test_five_minutes_of_clock_skew(minutes: int) -> None:
    request = signed()
    edge = NOW + timedelta(minutes=minutes)
    check(request, edge)
    assert denied(request, edge + timedelta(seconds=1 if minutes > 0 else -1)) == "InvalidSignatureException"


def test_a_presigned_request_lives_as_long_as_it_says() -> None:
    request = signed(presigned=900, body=b"", method="GET")
    check(request, NOW + timedelta(seconds=900))
    assert denied(request, NOW + timedelta(seconds=901)) == "RequestExpired"
    assert denied(request, NOW - timedelta(minutes=6)) == "InvalidSignatureException"
    longer = evolve(request, query=request.query.replace(b"Expires=900", b"Expires=9000"))
    assert denied(longer, NOW + timedelta(seconds=901)) == "InvalidSignatureException"


def test_midnight_between_the_signature_and_its_arrival() -> None:
    eve = datetime(2026, 3, 20, 23, 59, 59, tzinfo=UTC)
    check(signed(at=eve), eve + timedelta(seconds=3))


def test_a_scope_of_another_day() -> None:
    request = changed_header(signed(), "authorization", lambda value: value.replace(b"/20260320/", b"/20260319/"))
    assert denied(request) == "InvalidSignatureException"


def test_a_date_header_serves_too() -> None:
    request = signed(headers={"Date": "x"})
    assert request.header("x-amz-date") is None
    check(request)


def test_an_unsigned_request() -> None:
    assert denied(Request("GET", b"/v1/clusters", headers=(("host", b"h"),))) == "MissingAuthenticationToken"


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        b"Basic YTpi",
        b"AWS4-HMAC-SHA256",
        b"AWS4-HMAC-SHA256 Credential=A/20260320/eu-west-1/kafka/aws4_request, SignedHeaders=host",
        b"AWS4-HMAC-SHA256 Credential=A/2026/eu-west-1/kafka/aws4_request, SignedHeaders=host, Signature=0",
        b"AWS4-HMAC-SHA256 Credential=A/20260320/eu/west/1/kafka/aws4_request, SignedHeaders=host, Signature=0",
        b"AWS4-HMAC-SHA256 Credential=\xff/20260320/eu-west-1/kafka/aws4_request, SignedHeaders=\xff, Signature=\xff",
        b"AWS4-HMAC-SHA256 Signature=1, Signature=2, Signature=3",
        b"AWS4-ECDSA-P256-SHA256 Credential=A/20260320/kafka/aws4_request, SignedHeaders=host, Signature=0",
    ],
)
def test_headers_that_are_no_signature(authorization: bytes) -> None:
    request = Request(
        "GET", b"/", headers=(("host", b"h"), ("x-amz-date", b"20260320T213928Z"), ("authorization", authorization))
    )
    assert denied(request) == "IncompleteSignatureException"


@pytest.mark.parametrize(
    "date", [b"20261320T213928Z", b"2026-03-20T21:39:28Z", b"", "\u0662\u0660\u0662\u06660320T213928Z".encode()]
)
def test_dates_that_are_none(date: bytes) -> None:
    assert denied(changed_header(signed(), "x-amz-date", lambda _: date)) == "IncompleteSignatureException"


@pytest.mark.parametrize("date", [b"yesterday", b"Fri, 31 Dec 9999 23:59:59 -1400", b"Fri, 31 Feb 2026 00:00:00 GMT"])
def test_date_headers_that_are_none(date: bytes) -> None:
    assert (
        denied(changed_header(signed(headers={"Date": "x"}), "date", lambda _: date)) == "IncompleteSignatureException"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"X-Amz-Expires=60", b"X-Amz-Expires=0"),
        (b"X-Amz-Expires=60", b"X-Amz-Expires=604801"),
        (b"X-Amz-Expires=60", b"X-Amz-Expires=-1"),
        (b"X-Amz-Expires=60", b"Expires=60"),
        (b"X-Amz-Expires=60", b"X-Amz-Expires=60&X-Amz-Expires=61"),
        (b"X-Amz-Algorithm=AWS4-HMAC-SHA256", b"X-Amz-Algorithm=none"),
        (b"X-Amz-SignedHeaders=host", b"X-Amz-SignedHeaders="),
    ],
)
def test_queries_that_are_no_signature(old: bytes, new: bytes) -> None:
    request = signed("https://h/v1/clusters", presigned=60, body=b"", method="GET", headers={})
    assert old in request.query.replace(b"content-type%3B", b"")
    bent = evolve(request, query=request.query.replace(b"content-type%3B", b"").replace(old, new))
    assert denied(bent) == "IncompleteSignatureException"


def test_one_signature_and_not_two() -> None:
    request = signed(presigned=60, body=b"", method="GET")
    both = evolve(request, headers=(*request.headers, ("authorization", b"AWS4-HMAC-SHA256 x")))
    assert denied(both) == "IncompleteSignatureException"
