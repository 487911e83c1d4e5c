"""The listener's ASGI application: the life of a request, from bytes to bytes.

Each request goes through LIFE, step by step; a step fills in the exchange, answers it (which ends the life), or raises."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import uuid4
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread
from attrs import define, field
from starlette.routing import BaseRoute, Router
from starlette.types import Receive, Scope, Send

from penstock.wire import sigv4, sts
from penstock.wire.answer import JSON, Answer, refusal
from penstock.wire.body import Disconnected, read_body
from penstock.wire.call import Call, Caller, Handler, Output
from penstock.wire.errors import AccessDenied, ApiError, BadRequest, InternalServerError, UnknownOperation
from penstock.wire.identity import FindIdentity, Identity, root
from penstock.wire.model import SERVICES, Operation, Service, candidates, load
from penstock.wire.reader import read
from penstock.wire.request import Request
from penstock.wire.writer import write

Observe = Callable[[str, str, int, float], None]
"""(service, operation, HTTP status, seconds) of each answered request; names are empty where they never became known."""

_REGION = "us-east-1"
"""Of a request without a signature's scope; only `insecure` lets one through."""
_log = logging.getLogger(__name__)


@define
class Exchange:
    """One request and what its life has found out so far."""

    request: Request
    id: str = field(factory=lambda: str(uuid4()))
    scope: sigv4.Scope | None = None
    identity: Identity | None = None
    service: str = ""
    operation: Operation | None = None
    labels: Mapping[str, bytes] = field(factory=dict)
    call: Call | None = None
    output: Output = field(factory=dict)
    answer: Answer | None = None

    @property
    def operation_name(self) -> str:
        if self.operation is not None:
            return self.operation.name
        return sts.OPERATION if self.service == "sts" and self.answer and not self.answer.error else ""


class Gateway:
    """An ASGI application that speaks `kafka`, `kafkaconnect` and `sts`.

    `handlers`: (service, operation) -> Handler; they run in threads. `account`: whose an unsigned request is under
    `insecure`. `slow`: names of operations that wait for something outside; they have `slow_threads` threads of their
    own, and one cluster has at most `slow_each` of them, so that they hold up nobody else. `routes`: what is served beside
    the AWS paths, without signatures."""

    def __init__(
        self,
        handlers: Mapping[tuple[str, str], Handler],
        identities: FindIdentity,
        clock: Callable[[], datetime],
        *,
        insecure: bool = False,
        account: str = "000000000000",
        observe: Observe | None = None,
        routes: Sequence[BaseRoute] = (),
        slow: Collection[str] = (),
        threads: int = 40,
        slow_threads: int = 16,
        slow_each: int = 4,
    ) -> None:
        self.services: Mapping[str, Service] = {name: load(name) for name in SERVICES}
        strangers = [
            key for key in handlers if key[0] not in self.services or key[1] not in self.services[key[0]].operations
        ]
        if strangers:
            raise ValueError(f"the models know no operation {strangers[0]}; correct the handler's name")
        self.handlers = handlers
        self.identities = identities
        self.clock = clock
        self.insecure = insecure
        self.account = account
        self._observe = observe
        self._slow = frozenset(slow)
        self._threads = anyio.CapacityLimiter(threads)
        self._slow_threads = anyio.CapacityLimiter(slow_threads)
        self._slow_each = slow_each
        self._turns: WeakValueDictionary[str, anyio.CapacityLimiter] = WeakValueDictionary()
        self._router = Router(routes, redirect_slashes=False, default=self._serve)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._router(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        began = time.monotonic()
        exchange = Exchange(_request(scope))
        try:
            body = await read_body(receive, exchange.request.header("content-length"))
        except Disconnected:
            return
        except ApiError as error:
            exchange.answer = refusal(error, _guess(exchange.request), None, exchange.id)
        else:
            exchange.request = _request(scope, body)
            await anyio.to_thread.run_sync(self._begin, exchange, limiter=self._threads)
            if exchange.answer is None:
                async with self._turn(exchange):
                    await anyio.to_thread.run_sync(self._live, exchange, ANSWERING, limiter=self._slow_threads)
        await self._send(exchange, send)
        if self._observe is not None and exchange.answer is not None:
            self._observe(exchange.service, exchange.operation_name, exchange.answer.status, time.monotonic() - began)

    def _turn(self, exchange: Exchange) -> anyio.CapacityLimiter:
        """The turns of one cluster at the slow threads, kept as long as somebody waits for one."""
        cluster = str(exchange.call.params.get("ClusterArn", "")) if exchange.call else ""
        return self._turns.setdefault(cluster, anyio.CapacityLimiter(self._slow_each))

    def _begin(self, exchange: Exchange) -> None:
        """All of its life, up to what is slow: each change of threads may wait behind a long computation."""
        self._live(exchange, READING)
        if exchange.operation_name not in self._slow:
            self._live(exchange, ANSWERING)

    def _live(self, exchange: Exchange, steps: Sequence[Step]) -> None:
        """Take the steps until the exchange has its answer; whatever they raise is one."""
        try:
            for step in steps:
                if exchange.answer is None:
                    step(self, exchange)
        except Exception as raised:  # the rim: nothing may leave the gateway but an answer
            error = raised if isinstance(raised, ApiError) else _unexpected(exchange, raised)
            service = exchange.service or _guess(exchange.request)
            exchange.answer = refusal(error, service, exchange.operation, exchange.id)

    async def _send(self, exchange: Exchange, send: Send) -> None:
        answer = exchange.answer
        if answer is None:
            raise RuntimeError("a request came to the end of its life without an answer")
        headers = [("x-amzn-requestid", exchange.id), *answer.headers]
        if answer.error is not None:
            headers.append(("x-amzn-errortype", answer.error))
        if answer.content_type is not None:
            headers.append(("content-type", answer.content_type))
        if answer.status != 204:
            headers.append(("content-length", str(len(answer.body))))
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        body = b"" if exchange.request.method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})


def preflight(gateway: Gateway, exchange: Exchange) -> None:
    """OPTIONS, which nobody signs: the methods of the path. No origin is allowed anything."""
    if exchange.request.method == "OPTIONS":
        methods = sorted({each.method for each, _ in candidates(gateway.services, exchange.request.path)})
        status = 204 if methods else 404
        exchange.answer = Answer(status, b"", headers=(("allow", ", ".join([*methods, "OPTIONS"])),))


def authenticate(gateway: Gateway, exchange: Exchange) -> None:
    """Who calls, from the signature; under `insecure` whoever they say."""
    if gateway.insecure:
        _believe(gateway, exchange)
    else:
        exchange.scope, exchange.identity = sigv4.verify(exchange.request, gateway.identities, gateway.clock())


def route(gateway: Gateway, exchange: Exchange) -> None:
    """Which operation: by the scope's service where there is one, and the raw path."""
    request, scoped = exchange.request, exchange.scope.service if exchange.scope else None
    if scoped is not None and scoped not in (*SERVICES, "sts"):
        raise AccessDenied(
            "InvalidSignatureException", f"Credential should be scoped to kafka, kafkaconnect or sts, not {scoped}."
        )
    if request.path in (b"/", b"") and scoped in (None, "sts"):
        exchange.service = "sts"
        if request.method not in ("GET", "POST"):
            raise UnknownOperation(f"sts answers GET and POST, not {request.method}.", ("GET", "POST"))
        return
    exchange.service = scoped or ""
    found = [pair for pair in candidates(gateway.services, request.path) if scoped is None or pair[0].service == scoped]
    right = [pair for pair in found if pair[0].method == request.method]
    if not right:
        raise _lost(request, scoped, tuple(sorted({operation.method for operation, _ in found})))
    about_connect = b"kafkaconnect" in request.path  # unsigned, and both services have the path: the ARN in it decides
    exchange.operation, exchange.labels = right[-1] if about_connect else right[0]
    exchange.service = exchange.operation.service


def parse(gateway: Gateway, exchange: Exchange) -> None:
    """The input of the operation, typed and valid against its model."""
    identity, request = _known(exchange), exchange.request
    if exchange.operation is None:
        sts.action(request)
        return
    exchange.call = Call(
        service=exchange.service,
        operation=exchange.operation.name,
        params=read(exchange.operation, exchange.labels, request.query, request.body),
        caller=Caller(
            account=identity.account,
            region=exchange.scope.region if exchange.scope else _REGION,
            access_key=identity.access_key,
            arn=identity.arn,
        ),
        request_id=exchange.id,
    )


def perform(gateway: Gateway, exchange: Exchange) -> None:
    """The operation itself; that of `sts` needs nothing but the identity."""
    call = exchange.call
    if exchange.service == "sts":
        body = sts.caller_identity(_known(exchange), exchange.id)
        exchange.answer = Answer(200, body, sts.CONTENT_TYPE)
        return
    if call is None:
        raise RuntimeError("a request came to its operation without having been read")
    handler = gateway.handlers.get((call.service, call.operation))
    if handler is None:
        raise BadRequest(f"{call.operation} is not built yet.")
    exchange.output = handler(call)


def render(gateway: Gateway, exchange: Exchange) -> None:
    """The output as the model writes it."""
    if exchange.operation is None:
        raise RuntimeError("a request came to its answer without an operation")
    body = write(exchange.operation, exchange.output)
    exchange.answer = Answer(exchange.operation.status, body, JSON if body else None)


Step = Callable[[Gateway, Exchange], None]
READING: tuple[Step, ...] = (preflight, authenticate, route, parse)
"""Quick: bytes and one look at an access key."""
ANSWERING: tuple[Step, ...] = (perform, render)
"""As slow as the operation is."""
LIFE: tuple[Step, ...] = (*READING, *ANSWERING)


def _request(scope: Scope, body: bytes = b"") -> Request:
    headers = tuple((name.decode("latin-1").lower(), value) for name, value in scope["headers"])
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return Request(scope["method"], raw.partition(b"?")[0], scope["query_string"], headers, body)


def _guess(request: Request) -> str:
    """The service whose words an error uses while none is known."""
    return "sts" if request.path in (b"/", b"") else ""


def _known(exchange: Exchange) -> Identity:
    if exchange.identity is None:
        raise AccessDenied("MissingAuthenticationToken", "The request is not signed; sign it with Signature Version 4.")
    return exchange.identity


def _believe(gateway: Gateway, exchange: Exchange) -> None:
    """Under `insecure`: the scope as stated, if it can be read; a key id of twelve digits is the account."""
    try:
        claim = sigv4.claimed(exchange.request)
    except AccessDenied:
        claim = None  # dummy credentials are what this mode is for
    exchange.scope = claim.scope if claim else None
    key = claim.scope.access_key if claim else ""
    dummy = root(key if len(key) == 12 and key.isdigit() else gateway.account, key, "")
    exchange.identity = gateway.identities(key) or dummy


def _lost(request: Request, service: str | None, allow: tuple[str, ...]) -> UnknownOperation:
    whose = service or "the API"
    if allow:
        return UnknownOperation(f"This path of {whose} answers {', '.join(allow)}, not {request.method}.", allow)
    return UnknownOperation(
        f"{whose} has no operation at this path. An ARN in a path must be percent-encoded as one segment (/ as %2F)."
    )


def _unexpected(exchange: Exchange, raised: Exception) -> ApiError:
    """A bug, or something that broke below: said in the log with its trace, to the client only as a request id."""
    what = f"{exchange.service or '?'} {exchange.operation_name or '?'}"
    _log.error("%s failed unexpectedly (request %s)", what, exchange.id, exc_info=raised)
    return InternalServerError(
        f"Something unexpected went wrong; the log has the cause under request id {exchange.id}."
    )
