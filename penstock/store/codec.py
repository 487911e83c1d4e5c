"""Frozen values to JSON columns and back. Decoding survives added fields that have defaults, and fields that are gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TypeVar

from cattrs.preconf.json import JsonConverter, make_converter

from penstock.store.errors import StoreError

T = TypeVar("T")


def _decode_moment(text: Any, _: type[datetime]) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment.astimezone(UTC)


def _encode_moment(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; the store keeps moments in UTC: pass an aware datetime.")
    return moment.astimezone(UTC).isoformat()


def _converter() -> JsonConverter:
    converter = make_converter(detailed_validation=False)
    converter.register_structure_hook(datetime, _decode_moment)
    converter.register_unstructure_hook(datetime, _encode_moment)
    return converter


_CONVERTER = _converter()


def encode(value: Any) -> Any:
    """A value of `model` as what json.dumps takes. Raises ValueError for a datetime without time zone."""
    return _CONVERTER.unstructure(value)


def decode(document: Any, kind: type[T], what: str) -> T:
    """The inverse of `encode`. Raises StoreError that names `what` where the document does not fit."""
    try:
        return _CONVERTER.structure(document, kind)
    except Exception as error:  # cattrs raises whatever the innermost constructor raised
        raise StoreError(
            f"The stored {what} cannot be read ({type(error).__name__}: {error}). It was damaged, or a newer Penstock "
            "wrote it: start the version that wrote it, or restore the store from a backup."
        ) from error


def same(one: Any, other: Any) -> bool:
    """Whether two encoded documents would be written alike: tuples are lists in JSON, and the order of keys says nothing."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
