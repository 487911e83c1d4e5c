"""`sts` GetCallerIdentity in AWS's query protocol: a form in, XML out. The one operation of `sts` that is here, because
SDKs, the AWS CLI and Terraform ask it first."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from penstock.wire.errors import ApiError
from penstock.wire.identity import Identity
from penstock.wire.request import Request, decode, split

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
VERSION = "2011-06-15"
CONTENT_TYPE = "text/xml"
OPERATION = "GetCallerIdentity"


class InvalidAction(ApiError):
    """The query protocol's word for an operation that is not there."""

    code, status = "InvalidAction", 400


class InvalidParameter(ApiError):
    """A parameter of the form that cannot be read, or is none of the operation's."""

    code, status = "InvalidParameterValue", 400


_CODES = {
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "IncompleteSignatureException": "IncompleteSignature",
    "BadRequestException": "InvalidParameterValue",
    "InternalServerErrorException": "InternalFailure",
    "UnknownOperationException": "InvalidAction",
}
"""What the JSON services and the query protocol call the same error."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def action(request: Request) -> str:
    """The operation that a form or a query string asks for; only GetCallerIdentity is there. Raises InvalidAction."""
    asked: dict[str, str] = {}
    for raw_name, raw_value in (*request.pairs, *split(request.body)):
        name, value = _decoded(raw_name), _decoded(raw_value)
        if name.lower().startswith("x-amz-"):
            continue  # the parts of a presigned signature
        if name not in ("Action", "Version"):
            raise InvalidParameter(f"{name} is no parameter of {OPERATION}; remove it.")
        if name in asked:
            raise InvalidParameter(f"{name} is given twice; give it once.")
        asked[name] = value
    if asked.get("Action") != OPERATION:
        raise InvalidAction(f"{asked.get('Action', 'No action')!a} is not here; of sts there is only {OPERATION}.")
    if asked.get("Version", VERSION) != VERSION:
        raise InvalidParameter(f"Version must be {VERSION}.")
    return OPERATION


def _decoded(raw: bytes) -> str:
    try:
        return decode(raw, plus=True)
    except ValueError as error:
        raise InvalidParameter(f"{raw.decode('latin-1')} cannot be decoded: {error}.") from None


def caller_identity(identity: Identity, request_id: str) -> bytes:
    """The answer of GetCallerIdentity; the UserId of a root key is its account."""
    return (
        f'<{OPERATION}Response xmlns="{NAMESPACE}"><{OPERATION}Result>'
        f"<Arn>{_xml(identity.arn)}</Arn><UserId>{_xml(identity.user_id or identity.account)}</UserId>"
        f"<Account>{_xml(identity.account)}</Account></{OPERATION}Result>"
        f"<ResponseMetadata><RequestId>{_xml(request_id)}</RequestId></ResponseMetadata></{OPERATION}Response>"
    ).encode()


def refusal(error: ApiError, request_id: str) -> tuple[str, bytes]:
    """The query protocol's code for an error, and the XML that says it."""
    code = _CODES.get(error.code, error.code)
    fault = "Receiver" if error.status >= 500 else "Sender"
    text = (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>{fault}</Type><Code>{_xml(code)}</Code>'
        f"<Message>{_xml(error.message)}</Message></Error><RequestId>{_xml(request_id)}</RequestId></ErrorResponse>"
    )
    return code, text.encode()


def _xml(text: str) -> str:
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))
