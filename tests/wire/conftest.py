"""A gateway without sockets: raw requests in, answers out, and stock botocore clients that talk to it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import anyio.from_thread
import botocore.config
import botocore.session
import pytest
from attrs import define, field, frozen
from botocore.awsrequest import AWSResponse

from penstock.wire.gateway import Gateway
from penstock.wire.identity import Identity, root

ACCOUNT = "111122223333"
REGION = "eu-west-1"
ENDPOINT = "http://penstock.test:4566"


class _Raw(io.BytesIO):
    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


@frozen
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@define
class Bench:
    """A gateway, what its operations were called with, and what they answer."""

    portal: Any
    identities: dict[str, Identity] = field(factory=dict)
    handlers: dict[tuple[str, str], Callable[[Any], Any]] = field(factory=dict)
    options: dict[str, Any] = field(factory=dict)
    now: datetime | None = None
    observed: list[tuple[str, str, int]] = field(factory=list)

    def gateway(self) -> Gateway:
        return Gateway(
            self.handlers,
            self.identities.get,
            lambda: self.now or datetime.now(UTC),
            observe=lambda service, operation, status, _: self.observed.append((service, operation, status)),
            **self.options,
        )

    def ask(self, method: str, target: bytes, headers: Any = (), body: bytes = b"", app: Any = None) -> Reply:
        return self.portal.call(_ask, app or self.gateway(), method, target, list(headers), [body])

    def ask_in_pieces(self, method: str, target: bytes, pieces: list[bytes]) -> Reply:
        return self.portal.call(_ask, self.gateway(), method, target, [], pieces)

    def client(
        self, service: str, app: Any = None, key: str = "AKIDEXAMPLE", secret: str = "secret", token: Any = None
    ) -> Any:
        """A stock botocore client; instead of a socket, its signed bytes go to the gateway."""
        app = app or self.gateway()
        client = botocore.session.Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=ENDPOINT,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=botocore.config.Config(retries={"max_attempts": 0}),
        )

        def send(request: Any, **_: Any) -> AWSResponse:
            parts = urlsplit(request.url)
            target = (parts.path + ("?" + parts.query if parts.query else "")).encode()
            headers = [("Host", parts.netloc), *((k, _text(v)) for k, v in request.headers.items())]
            body = request.body.encode() if isinstance(request.body, str) else request.body or b""
            reply = self.ask(request.method, target, headers, body, app)
            return AWSResponse(request.url, reply.status, reply.headers, _Raw(reply.body))

        client.meta.events.register(f"before-send.{service}", send)
        return client


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


async def _ask(app: Any, method: str, target: bytes, headers: list[tuple[str, str]], pieces: list[bytes]) -> Reply:
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "method": method,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    coming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    coming[-1]["more_body"] = False
    sent: list[Any] = []

    async def receive() -> Any:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *bodies = sent
    headers_out = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Reply(start["status"], headers_out, b"".join(each["body"] for each in bodies))


@pytest.fixture(scope="session")
def portal() -> Iterator[Any]:
    with anyio.from_thread.start_blocking_portal() as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user() -> Iterator[None]:
    monkeypatch = pytest.MonkeyPatch()
    for name in (
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_KAFKA",
        "AWS_ENDPOINT_URL_STS",
        "AWS_SESSION_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    yield
    monkeypatch.undo()


@pytest.fixture
def bench(portal: Any) -> Bench:
    """A gateway that checks signatures and knows one root key."""
    return _signed(portal)


@pytest.fixture(scope="module")
def signed_bench(portal: Any) -> Bench:
    """The same, for a whole file."""
    return _signed(portal)


def _signed(portal: Any) -> Bench:
    return Bench(portal, identities={"AKIDEXAMPLE": root(ACCOUNT, "AKIDEXAMPLE", "secret")})


@pytest.fixture
def open_bench(portal: Any) -> Bench:
    """A gateway that believes everybody, for requests that no SDK would send."""
    return Bench(portal, options={"insecure": True, "account": ACCOUNT})
