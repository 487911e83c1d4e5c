"""From the output of an operation to the JSON of its answer. Output enums are not enforced (ListNodes answers CONTROLLER)."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from penstock.wire.model import Kind, Operation, Shape

_PYTHON: Mapping[Kind, tuple[type, ...]] = {
    Kind.STRUCTURE: (Mapping,),
    Kind.LIST: (list, tuple),
    Kind.MAP: (Mapping,),
    Kind.STRING: (str,),
    Kind.BLOB: (bytes,),
    Kind.TIMESTAMP: (datetime,),
    Kind.BOOLEAN: (bool,),
    Kind.INTEGER: (int,),
    Kind.LONG: (int,),
    Kind.DOUBLE: (int, float),
}


def write(operation: Operation, output: Mapping[str, Any]) -> bytes:
    """The body of a successful answer; empty for the operations that answer 204.

    TypeError where the output is not what the model says: an error of the operation, never of the caller."""
    document = _value(operation.output, output, operation.name)
    return b"" if operation.status == 204 else json.dumps(document, separators=(",", ":")).encode()


def _value(shape: Shape, value: Any, path: str) -> Any:
    _check(shape, value, path)
    match shape.kind:
        case Kind.STRUCTURE:
            return _structure(shape, value, path)
        case Kind.LIST:
            return [_value(shape.inner, item, f"{path}[{index}]") for index, item in enumerate(value)]
        case Kind.MAP:
            return {str.__str__(key): _value(shape.inner, item, f"{path}.{key}") for key, item in value.items()}
        case Kind.STRING:
            return str.__str__(value)
        case Kind.BLOB:
            return b64encode(value).decode()
        case Kind.TIMESTAMP:
            return timestamp(value)
        case Kind.DOUBLE:
            if not math.isfinite(value):
                raise TypeError(f"{path} is {value}, and JSON has no such number")
            return float(value)
        case _:
            return value


def _check(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, _PYTHON[shape.kind]) or (isinstance(value, bool) and shape.kind is not Kind.BOOLEAN):
        raise TypeError(f"{path} must be a {shape.kind} and is {type(value).__name__}")


def _structure(shape: Shape, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    unknown = value.keys() - shape.members.keys()
    if unknown:
        raise TypeError(f"{path} has no member {', '.join(sorted(unknown))} in the model")
    return {
        member.wire: _value(member.shape, value[name], f"{path}.{name}")
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z, as MSK shows times. TypeError for a time without a zone."""
    if moment.tzinfo is None:
        raise TypeError("a time without a time zone cannot be answered")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
