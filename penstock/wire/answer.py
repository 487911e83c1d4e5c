"""What goes back to a client: a status, headers, bytes. And how an error becomes one."""

from __future__ import annotations

import json
from collections.abc import Mapping

from attrs import field, frozen

from penstock.wire import sts
from penstock.wire.errors import AccessDenied, ApiError, PayloadTooLarge, UnknownOperation
from penstock.wire.model import Operation

JSON = "application/json"
_LONGEST = 1000
"""Characters of a message or a member's name in an answer: a client's megabyte is not sent back to it."""

_INSTEAD: Mapping[str, tuple[str, ...]] = {
    "UnauthorizedException": ("ForbiddenException",),
    "ForbiddenException": ("UnauthorizedException",),
    "TooManyRequestsException": ("ServiceUnavailableException",),
    "ServiceUnavailableException": ("TooManyRequestsException",),
    "TopicExistsException": ("ConflictException",),
}
"""The nearest words for an error that an operation's model does not declare, best first."""


@frozen
class Answer:
    """One HTTP answer. `error` is the code of the error that it tells, None for a success."""

    status: int
    body: bytes = field(repr=False)
    content_type: str | None = None
    error: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


def refusal(error: ApiError, service: str, operation: Operation | None, request_id: str) -> Answer:
    """The answer that tells an error, in the words of the service and of the operation's model."""
    allow = error.allow if isinstance(error, UnknownOperation) else ()
    headers = (("allow", ", ".join(allow)),) if allow else ()
    if service == "sts":
        code, body = sts.refusal(error, request_id)
        return Answer(error.status, body, sts.CONTENT_TYPE, code, headers)
    code, status = _declared(error, operation)
    document = {"message": error.message[:_LONGEST]}
    if error.invalid_parameter is not None and service != "kafkaconnect":
        document["invalidParameter"] = error.invalid_parameter[:_LONGEST]
    return Answer(status, json.dumps(document).encode(), JSON, code, headers)


def _declared(error: ApiError, operation: Operation | None) -> tuple[str, int]:
    """The error's code where the operation declares it, else the nearest that it does declare."""
    if operation is None or isinstance(error, AccessDenied | PayloadTooLarge | UnknownOperation):
        return error.code, error.status
    last = "BadRequestException" if error.status < 500 else "InternalServerErrorException"
    for code in (error.code, *_INSTEAD.get(error.code, ()), last):
        if code in operation.errors:
            return code, operation.errors[code]
    return error.code, error.status
