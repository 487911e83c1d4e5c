"""A JSON body, read strictly: UTF-8, no duplicate names, no NaN, not deep; every refusal says which member."""

from __future__ import annotations

import json
import re
from typing import Any

from penstock.wire.errors import BadRequest

DEPTH = 32
"""The models need 9 levels; a document that goes deeper than this is none of theirs."""
_MARKS = re.compile(r'\\.|["\[\]{}]', re.DOTALL)


def parse(body: bytes) -> dict[str, Any]:
    """The object that a body holds; an empty body is an empty object. Integers too long to be any member's are floats.

    BadRequest where it is not one JSON object."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8 (byte {error.start}); send JSON encoded as UTF-8.") from None
    if not text.strip():
        return {}
    _measure(text)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer)
    except ValueError as error:
        raise BadRequest(f"The body is not valid JSON: {error}. Send one JSON object.") from None
    if not isinstance(value, dict):
        raise BadRequest("The body is valid JSON and not an object; send one JSON object.")
    return value


def _measure(text: str) -> None:
    """Refuse depth before the parser sees it (the parser recurses), naming the top-level member that goes deep."""
    depth = start = 0
    member: str | None = None
    quoted = False
    for mark in _MARKS.finditer(text):
        match mark.group():
            case '"':
                if quoted and depth == 1:
                    member = text[start : mark.start()]
                quoted, start = not quoted, mark.end()
            case "[" | "{" if not quoted:
                depth += 1
                if depth > DEPTH:
                    raise BadRequest(f"The body nests deeper than {DEPTH} levels; no operation needs that.", member)
            case "]" | "}" if not quoted:
                depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(f"{twice} is given twice in one object; give it once.", twice)
    return made


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= 20 else float(text)
