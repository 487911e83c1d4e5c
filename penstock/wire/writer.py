"""From the output of an operation to the JSON of its answer. Output enums are not enforced (ListNodes answers CONTROLLER)."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
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
    kind = shape.kind
    if not isinstance(value, _PYTHON[kind]) or (isinstance(value, bool) and kind is not Kind.BOOLEAN):
        raise TypeError(f"{path} must be a {kind} and is {type(value).__name__}")
    return _WRITE[kind](shape, value, path)


def _structure(shape: Shape, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    unknown = value.keys() - shape.members.keys()
    if unknown:
        raise TypeError(f"{path} has no member {', '.join(sorted(unknown))} in the model")
    return {
        member.wire: _value(member.shape, value[name], f"{path}.{name}")
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def _list(shape: Shape, value: Sequence[Any], path: str) -> list[Any]:
    return [_value(shape.inner, item, f"{path}[{index}]") for index, item in enumerate(value)]


def _map(shape: Shape, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    return {str.__str__(key): _value(shape.inner, item, f"{path}.{key}") for key, item in value.items()}


def _double(shape: Shape, value: float, path: str) -> float:
    if not math.isfinite(value):
        raise TypeError(f"{path} is {value}, and JSON has no such number")
    return float(value)


def _as_it_is(shape: Shape, value: Any, path: str) -> Any:
    return value


_WRITE: Mapping[Kind, Callable[[Shape, Any, str], Any]] = {
    Kind.STRUCTURE: _structure,
    Kind.LIST: _list,
    Kind.MAP: _map,
    Kind.STRING: lambda _shape, value, _path: str.__str__(value),
    Kind.BLOB: lambda _shape, value, _path: b64encode(value).decode(),
    Kind.TIMESTAMP: lambda _shape, value, _path: timestamp(value),
    Kind.DOUBLE: _double,
    Kind.BOOLEAN: _as_it_is,
    Kind.INTEGER: _as_it_is,
    Kind.LONG: _as_it_is,
}


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z, as MSK shows times. TypeError for a time without a zone."""
    if moment.tzinfo is None:
        raise TypeError("a time without a time zone cannot be answered")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
