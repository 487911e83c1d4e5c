"""Modelled errors: raised by operations, turned into bytes by the gateway.

An error names the member it is about (`invalid_parameter`, wire name or dotted path) and says what to do."""

from __future__ import annotations


class ApiError(Exception):
    """Base of all modelled errors. `code` is the model's exception name, `status` its HTTP status."""

    code = "InternalServerErrorException"
    status = 500

    def __init__(self, message: str, invalid_parameter: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.invalid_parameter = invalid_parameter


class BadRequest(ApiError):
    code, status = "BadRequestException", 400


class Unauthorized(ApiError):
    code, status = "UnauthorizedException", 401


class Forbidden(ApiError):
    code, status = "ForbiddenException", 403


class NotFound(ApiError):
    code, status = "NotFoundException", 404


class Conflict(ApiError):
    code, status = "ConflictException", 409


class TooManyRequests(ApiError):
    code, status = "TooManyRequestsException", 429


class InternalServerError(ApiError):
    code, status = "InternalServerErrorException", 500


class ServiceUnavailable(ApiError):
    code, status = "ServiceUnavailableException", 503


class KafkaRequestFailed(ApiError):
    """Kafka refused what it was asked."""

    code, status = "KafkaRequestException", 400


class TopicExists(ApiError):
    code, status = "TopicExistsException", 409


class ClusterConnectivity(ApiError):
    """Nobody answers on the cluster; nothing was changed."""

    code, status = "ClusterConnectivityException", 409


class KafkaTimeout(ApiError):
    """No answer in time; what was asked may or may not have happened."""

    code, status = "KafkaTimeoutException", 409


class ControllerMoved(ApiError):
    code, status = "ControllerMovedException", 409


class NotController(ApiError):
    code, status = "NotControllerException", 409


class ReassignmentInProgress(ApiError):
    code, status = "ReassignmentInProgressException", 409


class GroupSubscribedToTopic(ApiError):
    code, status = "GroupSubscribedToTopicException", 409


class AccessDenied(ApiError):
    """What the signature check answers, before any operation is known; SDKs know these codes from every AWS service.

    `code` is one of MissingAuthenticationToken, InvalidSignatureException, UnrecognizedClientException,
    SignatureDoesNotMatch, RequestExpired, IncompleteSignatureException."""

    status = 403

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PayloadTooLarge(ApiError):
    """A body past the limit."""

    code, status = "BadRequestException", 413


class UnknownOperation(ApiError):
    """No operation has this method and path. 405 with the methods that the path knows, 404 where it knows none.

    The code is the one with which AWS services answer a path that is none of theirs; SDKs show it and do not retry."""

    code, status = "UnknownOperationException", 404

    def __init__(self, message: str, allow: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.allow = allow
        if allow:
            self.status = 405
