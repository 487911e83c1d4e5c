"""From a request to the input of an operation: typed, valid against the model, under botocore's member names.

Every refusal is a BadRequest that names the member by its dotted path on the wire (`brokerNodeGroupInfo.clientSubnets[0]`)."""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from penstock.wire.document import parse
from penstock.wire.errors import BadRequest
from penstock.wire.model import Kind, Member, Operation, Place, Shape
from penstock.wire.request import decode, split

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_BOUNDS = {Kind.INTEGER: 31, Kind.LONG: 63}
_BOOLEANS = {"true": True, "false": False}


def read(operation: Operation, labels: Mapping[str, bytes], query: bytes, body: bytes) -> dict[str, Any]:
    """The input of one call. Labels and query parameters are percent-decoded exactly once."""
    members = operation.input.members.values()
    params = {}
    for member in members:
        if member.place is Place.PATH:
            params[member.name] = _label(member, labels[member.wire])
    params |= _query({m.wire: m for m in members if m.place is Place.QUERY}, query)
    params |= _structure({m.wire: m for m in members if m.place is Place.BODY}, parse(body), "")
    for member in members:
        if member.required and member.name not in params:
            raise BadRequest(f"{member.wire} is required.", member.wire)
    return params


def _label(member: Member, raw: bytes) -> Any:
    text = _decoded(raw, member.wire, plus=False)
    if text in ("", ".", ".."):
        # Signatures are made over the path without empty and dot segments: only refusing them here keeps one signed
        # path from meaning two requests.
        raise BadRequest(f"{member.wire} in the path must not be {text!r}.", member.wire)
    return _from_text(member.shape, text, member.wire)


def _query(members: Mapping[str, Member], query: bytes) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for raw_name, raw_value in split(query):
        name = _decoded(raw_name, raw_name.decode("ascii", "replace"), plus=True)
        if name.lower().startswith("x-amz-"):
            continue  # the parts of a presigned signature
        if name not in members:
            raise BadRequest(f"{name} is no query parameter of this operation; remove it.", name)
        found.setdefault(name, []).append(_decoded(raw_value, name, plus=True))
    params: dict[str, Any] = {}
    for name, texts in found.items():
        member = members[name]
        if member.shape.kind is Kind.LIST:
            items = [_from_text(member.shape.inner, text, f"{name}[{i}]") for i, text in enumerate(texts)]
            params[member.name] = _long_enough(member.shape, items, name)
        elif len(texts) > 1:
            raise BadRequest(f"{name} is given {len(texts)} times in the query; give it once.", name)
        else:
            params[member.name] = _from_text(member.shape, texts[0], name)
    return params


def _decoded(raw: bytes, name: str, *, plus: bool) -> str:
    try:
        return decode(raw, plus=plus)
    except ValueError as error:
        raise BadRequest(f"{name} cannot be decoded: {error}.", name) from None


def _from_text(shape: Shape, text: str, path: str) -> Any:
    """A value that travels as text, in the path or in the query."""
    value: Any = text
    if shape.kind is Kind.BOOLEAN:
        value = _BOOLEANS.get(text, text)
    elif shape.kind in _BOUNDS and text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 20:
        value = int(text)
    return _value(shape, value, path)


def _structure(members: Mapping[str, Member], value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """An object's members, by wire name, as params by member name. A JSON null is an absent member."""
    params = {}
    for wire, item in value.items():
        where = f"{path}{wire}"
        if wire not in members:
            raise BadRequest(f"{where} is no member of this operation's input; remove it or correct its name.", where)
        if item is not None:
            params[members[wire].name] = _value(members[wire].shape, item, where)
    for member in members.values():
        if path and member.required and member.name not in params:
            raise BadRequest(f"{path}{member.wire} is required.", f"{path}{member.wire}")
    return params


def _value(shape: Shape, value: Any, path: str) -> Any:
    """One value of any kind, checked and converted."""
    match shape.kind:
        case Kind.STRUCTURE:
            members = {member.wire: member for member in shape.members.values()}
            return _structure(members, _typed(dict, value, path, "an object"), f"{path}.")
        case Kind.LIST:
            items = [_value(shape.inner, v, f"{path}[{i}]") for i, v in enumerate(_typed(list, value, path, "a list"))]
            return _long_enough(shape, items, path)
        case Kind.MAP:
            return _long_enough(shape, _map(shape, _typed(dict, value, path, "an object"), path), path)
        case Kind.STRING:
            return _string(shape, _typed(str, value, path, "a string"), path)
        case Kind.BLOB:
            return _blob(_typed(str, value, path, "a string of base64"), path)
        case Kind.TIMESTAMP:
            return _timestamp(_typed(str, value, path, "a string with an ISO 8601 time"), path)
        case Kind.BOOLEAN:
            return _typed(bool, value, path, "true or false")
        case Kind.INTEGER | Kind.LONG:
            return _whole(shape, value, path)
        case Kind.DOUBLE:
            return _double(value, path)


def _typed(kind: type, value: Any, path: str, words: str) -> Any:
    if not isinstance(value, kind):
        raise BadRequest(f"{path} must be {words}.", path)
    return value


def _map(shape: Shape, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    keys = shape.key or shape
    return {
        _string(keys, name, f"{path}.{name}"): _value(shape.inner, v, f"{path}.{name}") for name, v in value.items()
    }


def _string(shape: Shape, text: str, path: str) -> str:
    if _NO_TEXT.search(text):
        raise BadRequest(f"{path} must not hold the NUL character or half of a surrogate pair.", path)
    if shape.enum and text not in shape.enum:
        raise BadRequest(f"{path} must be one of {', '.join(shape.enum)}.", path)
    if shape.pattern and not shape.pattern.search(text):
        raise BadRequest(f"{path} must match {shape.pattern.pattern}.", path)
    _long_enough(shape, text, path)
    return text


def _long_enough(shape: Shape, value: Any, path: str) -> Any:
    if shape.minimum is not None and len(value) < shape.minimum:
        what = "characters" if shape.kind is Kind.STRING else "items"
        raise BadRequest(f"{path} must have at least {shape.minimum} {what}.", path)
    return value


def _blob(text: str, path: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise BadRequest(f"{path} is not base64: {error}.", path) from None


def _timestamp(text: str, path: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequest(f"{path} must be an ISO 8601 time such as 2026-03-20T21:39:28.495Z.", path) from None
    raise BadRequest(f"{path} must say its time zone; append Z for UTC.", path)


def _whole(shape: Shape, value: Any, path: str) -> int:
    bits = _BOUNDS[shape.kind]
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**bits) <= value < 2**bits:
        raise BadRequest(f"{path} must be a whole number between -2^{bits} and 2^{bits}-1.", path)
    if shape.minimum is not None and value < shape.minimum:
        raise BadRequest(f"{path} must be at least {shape.minimum}.", path)
    return value


def _double(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"{path} must be a finite number.", path)
    return float(value)
