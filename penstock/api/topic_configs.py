"""`configs` of the topics API: a string that holds base64. Of what, the model does not say: JSON and `key=value` lines are
both understood, and answers are JSON.

JSON is an object of names to strings, numbers, booleans or null; null takes the topic's own value away. Lines are
`key=value`, one each; empty ones and those that begin with `#` are nothing."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from penstock.wire.errors import BadRequest

MEMBER = "configs"
_HOW = 'encode JSON, {"retention.ms": "60000"}, or lines, retention.ms=60000, as base64'


def encode(configs: Mapping[str, str]) -> str:
    """Base64 of a JSON object, by name."""
    return b64encode(json.dumps(configs, sort_keys=True, separators=(",", ":")).encode()).decode()


def decode(text: str) -> Mapping[str, str | None]:
    """What a caller wrote. BadRequest where it is neither form, or names a property twice."""
    try:
        content = b64decode("".join(text.split()), validate=True).decode("utf-8-sig")
    except ValueError as error:
        raise _refused(f"it is not base64 of text in UTF-8 ({error}); {_HOW}") from error
    return _json(content) if content.lstrip().startswith(("{", "[", '"')) else _lines(content)


def _json(content: str) -> Mapping[str, str | None]:
    try:
        # Numbers stay as they are written: 0.50 is not 0.5 to a reader, and a long one loses no digit.
        found = json.loads(
            content, object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        raise _refused(f"it begins like JSON and is not: {error}; {_HOW}") from error
    if not isinstance(found, dict):
        raise _refused(f"its JSON is no object of names and values; {_HOW}")
    return {_name(key): _value(key, value) for key, value in found.items()}


def _lines(content: str) -> Mapping[str, str | None]:
    pairs = []
    for number, line in enumerate(content.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, equals, value = stripped.partition("=")
        if not equals:
            raise _refused(f"line {number} is {_short(stripped)} and no key=value; {_HOW}")
        pairs.append((_name(key.strip()), value.strip()))
    return _object(pairs)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise _refused(f"{_short(twice)} is there twice; say it once")
    return found


def _no_number(text: str) -> str:
    raise ValueError(f"{text} is no number of JSON")


def _name(key: str) -> str:
    if not key.strip():
        raise _refused(f"a value has no name; {_HOW}")
    return _text(key)


def _value(key: str, value: Any) -> str | None:
    match value:
        case None:
            return None
        case str():
            return _text(value)
        case bool():
            return "true" if value else "false"
        case _:
            raise _refused(
                f"{_short(key)} has a value that is neither text nor a number, a boolean or null; write it as text"
            )


def _text(text: str) -> str:
    """The same text. JSON can spell half of a character, and nothing can be sent as UTF-8 that holds one."""
    if any("\ud800" <= each <= "\udfff" for each in text):
        raise _refused(f"{text[:80]!a} holds half of a surrogate pair; write the whole character")
    return text


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "…")


def _refused(why: str) -> BadRequest:
    return BadRequest(f"{MEMBER}: {why}.", invalid_parameter=MEMBER)
