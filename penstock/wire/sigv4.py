"""Signature Version 4, verified: in the Authorization header and presigned in the query. Pure: no clock, no store.

Checked on every request: the signature over method, path, query, signed headers and body; the scope's date; five minutes
of clock skew; the session token. Nothing is accepted unsigned (UNSIGNED-PAYLOAD belongs to other services)."""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from urllib.parse import quote, unquote_to_bytes

from attrs import field, frozen

from penstock.wire.errors import AccessDenied
from penstock.wire.identity import FindIdentity, Identity
from penstock.wire.request import Request

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = timedelta(minutes=5)
LONGEST = 7 * 24 * 3600
"""Seconds that a presigned request may live."""

_CREDENTIAL = re.compile(r"([!-.0-~]{1,128})/([0-9]{8})/([a-z0-9-]{1,32})/([a-z0-9-]{1,32})/aws4_request")
_DATE = re.compile("([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_MOMENT = "%Y%m%dT%H%M%SZ"
_PRESIGNED = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")


@frozen
class Scope:
    """What a signature is for: the key, the day, the region and the service."""

    access_key: str
    date: str
    """`YYYYMMDD`, the day of the signature in UTC."""
    region: str
    service: str


@frozen
class Claim:
    """A signature as the request states it, not yet believed."""

    scope: Scope
    moment: datetime
    signed_headers: tuple[str, ...]
    signature: str
    token: str | None = field(default=None, repr=False)
    lifetime: timedelta | None = None
    """Of a presigned request; None for a signature in the header."""


def verify(request: Request, find: FindIdentity, now: datetime) -> tuple[Scope, Identity]:
    """Who signed this request, and for what. AccessDenied where nobody whom we know did, or not this very request."""
    claim = claimed(request)
    if claim is None:
        raise AccessDenied("MissingAuthenticationToken", "The request is not signed; sign it with Signature Version 4.")
    identity = find(claim.scope.access_key)
    if identity is None or not _same(identity.session_token or "", claim.token or ""):
        raise AccessDenied("UnrecognizedClientException", "The security token included in the request is invalid.")
    _check_time(claim, now)
    _check_headers(request, claim)
    if not any(_same(_signature(identity.secret, claim, each), claim.signature) for each in _canonical(request, claim)):
        raise AccessDenied(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. "
            "Check your secret access key, and that nothing changed the request on its way.",
        )
    return claim.scope, identity


def claimed(request: Request) -> Claim | None:
    """The signature that a request carries, None where it carries none. AccessDenied where it is malformed."""
    query = {name: value for name, value in request.pairs if name.startswith(b"X-Amz-")}
    presigned = b"X-Amz-Algorithm" in query or b"X-Amz-Signature" in query
    authorization = request.header("authorization")
    if authorization is not None and presigned:
        raise _incomplete("The request is signed in its header and in its query; use one of them")
    if presigned:
        return _from_query(request, query)
    return _from_header(request, authorization) if authorization is not None else None


def _from_header(request: Request, authorization: bytes) -> Claim:
    algorithm, _, rest = authorization.decode("latin-1").partition(" ")
    if algorithm != ALGORITHM:
        raise _incomplete(f"The Authorization header must begin with {ALGORITHM}")
    pieces = [piece.strip().partition("=")[::2] for piece in rest.split(",")]
    if len(pieces) != 3 or {name for name, _ in pieces} != {"Credential", "SignedHeaders", "Signature"}:
        raise _incomplete("The Authorization header must hold Credential, SignedHeaders and Signature, once each")
    parts = dict(pieces)
    token = request.header("x-amz-security-token")
    return Claim(
        scope=_scope(parts["Credential"]),
        moment=_header_moment(request),
        signed_headers=tuple(parts["SignedHeaders"].split(";")),
        signature=parts["Signature"],
        token=token.decode("latin-1") if token is not None else None,
    )


def _from_query(request: Request, query: dict[bytes, bytes]) -> Claim:
    if len(query) != sum(name.startswith(b"X-Amz-") for name, _ in request.pairs):
        raise _incomplete("The query holds a part of its signature twice")
    parts = {name.decode("latin-1")[6:]: unquote_to_bytes(value).decode("latin-1") for name, value in query.items()}
    missing = [f"X-Amz-{name}" for name in _PRESIGNED if not parts.get(name)]
    if missing:
        raise _incomplete(f"The query lacks {', '.join(missing)}")
    if parts["Algorithm"] != ALGORITHM:
        raise _incomplete(f"X-Amz-Algorithm must be {ALGORITHM}")
    expires = parts["Expires"]
    if not re.fullmatch("[0-9]{1,6}", expires) or not 1 <= int(expires) <= LONGEST:
        raise _incomplete(f"X-Amz-Expires must be a number of seconds from 1 to {LONGEST}")
    return Claim(
        scope=_scope(parts["Credential"]),
        moment=_moment(parts["Date"]),
        signed_headers=tuple(parts["SignedHeaders"].split(";")),
        signature=parts["Signature"],
        token=parts.get("Security-Token"),
        lifetime=timedelta(seconds=int(expires)),
    )


def _scope(credential: str) -> Scope:
    match = _CREDENTIAL.fullmatch(credential)
    if match is None:
        raise _incomplete("Credential must be {access key}/{YYYYMMDD}/{region}/{service}/aws4_request")
    return Scope(*match.groups())


def _header_moment(request: Request) -> datetime:
    stated = request.header("x-amz-date")
    if stated is not None:
        return _moment(stated.decode("latin-1"))
    date = request.header("date")
    if date is None:
        raise _incomplete("The request lacks an X-Amz-Date header")
    try:
        moment = parsedate_to_datetime(date.decode("latin-1"))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _incomplete("The Date header is no date") from None


def _moment(text: str) -> datetime:
    match = _DATE.fullmatch(text)
    try:
        year, month, day, hour, minute, second = map(int, match.groups() if match else ())
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise _incomplete("X-Amz-Date must look like 20260320T213928Z") from None


def _incomplete(sentence: str) -> AccessDenied:
    return AccessDenied("IncompleteSignatureException", f"{sentence}.")


def _check_time(claim: Claim, now: datetime) -> None:
    signed, here = claim.moment.strftime(_MOMENT), now.astimezone(UTC).strftime(_MOMENT)
    if claim.scope.date != signed[:8]:
        raise AccessDenied(
            "InvalidSignatureException", f"Date in Credential scope ({claim.scope.date}) is not the day of {signed}."
        )
    if claim.moment > now + SKEW:
        raise AccessDenied("InvalidSignatureException", _clocks("Signature not yet current", signed, "later", here))
    if claim.lifetime is None and claim.moment < now - SKEW:
        raise AccessDenied("InvalidSignatureException", _clocks("Signature expired", signed, "earlier", here))
    if claim.lifetime is not None and claim.moment + claim.lifetime < now:
        raise AccessDenied("RequestExpired", f"The presigned request was good until {_until(claim)} and now is {here}.")


def _clocks(what: str, signed: str, order: str, here: str) -> str:
    return f"{what}: {signed} is now {order} than {here} by more than 5 minutes. Set the clock of the client."


def _until(claim: Claim) -> str:
    return (claim.moment + (claim.lifetime or timedelta())).strftime(_MOMENT)


def _check_headers(request: Request, claim: Claim) -> None:
    present = {name for name, _ in request.headers}
    must = {"host"} | {name for name in present if name.startswith("x-amz-")}
    unsigned = sorted(must - set(claim.signed_headers))
    if unsigned:
        raise AccessDenied(
            "InvalidSignatureException", f"These headers must be signed and are not: {', '.join(unsigned)}."
        )
    stated = request.header("x-amz-content-sha256")
    if stated is not None and not _same(stated.decode("latin-1"), request.body_hash):
        raise AccessDenied(
            "InvalidSignatureException",
            "The body's SHA-256 is not what the x-amz-content-sha256 header says; unsigned bodies are not accepted.",
        )


def _canonical(request: Request, claim: Claim) -> list[bytes]:
    """The canonical forms that may have been signed: AWS's own, and where it differs the query as it was sent (botocore's)."""
    left_out = b"X-Amz-Signature" if claim.lifetime is not None else None
    raw = [pair for pair in request.pairs if pair[0] != left_out]
    queries = {_joined(raw), _joined([(_encoded(name), _encoded(value)) for name, value in raw])}
    headers = b"".join(b"%s:%s\n" % (name.encode(), _header(request, name)) for name in claim.signed_headers)
    names = ";".join(claim.signed_headers).encode()
    method, path, body_hash = request.method.encode(), _path(request.path), request.body_hash.encode()
    return [b"\n".join((method, path, query, headers, names, body_hash)) for query in sorted(queries)]


def _path(raw: bytes) -> bytes:
    """Without empty and dot segments, and percent-encoded once more: an ARN's `%2F` is signed as `%252F`."""
    kept: list[bytes] = []
    for segment in raw.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    end = b"/" if kept and raw.endswith(b"/") else b""
    return quote(b"/" + b"/".join(kept) + end, safe="/~").encode()


def _encoded(raw: bytes) -> bytes:
    return quote(unquote_to_bytes(raw.replace(b"+", b" ")), safe="-_.~").encode()


def _joined(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"&".join(b"%s=%s" % pair for pair in sorted(pairs))


def _header(request: Request, name: str) -> bytes:
    return b",".join(b" ".join(value.split()) for key, value in request.headers if key == name)


def _signature(secret: str, claim: Claim, canonical: bytes) -> str:
    scope = claim.scope
    key = f"AWS4{secret}".encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = "\n".join(
        (
            ALGORITHM,
            claim.moment.strftime(_MOMENT),
            f"{scope.date}/{scope.region}/{scope.service}/aws4_request",
            sha256(canonical).hexdigest(),
        )
    )
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())
