"""The service models of the pinned botocore, as typed frozen values: what the API is, and the only place that says so.

Only the models that botocore ships are read: files in a user's `~/.aws/models` change nothing here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import botocore.model
from attrs import field, frozen
from botocore.loaders import Loader

SERVICES = ("kafka", "kafkaconnect")


class Kind(StrEnum):
    """The types that the models use."""

    STRUCTURE = "structure"
    LIST = "list"
    MAP = "map"
    STRING = "string"
    BLOB = "blob"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    LONG = "long"
    DOUBLE = "double"


class Place(StrEnum):
    """Where a member of an input travels."""

    BODY = "body"
    PATH = "uri"
    QUERY = "querystring"


@frozen
class Shape:
    """A type of the model. Maxima are left out on purpose: they are advisory (MSK's real limits differ, msk.md 12.1)."""

    name: str
    kind: Kind
    members: Mapping[str, Member] = field(factory=dict)
    """Of a structure, by member name."""
    item: Shape | None = None
    """Of a list, its item; of a map, its value."""
    key: Shape | None = None
    enum: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    minimum: int | None = None
    """Of a number, its value; of a string, list or map, its length."""

    @property
    def inner(self) -> Shape:
        """The item of a list, the value of a map."""
        if self.item is None:
            raise TypeError(f"{self.name} is a {self.kind} and holds no items")
        return self.item


@frozen
class Member:
    """A member of a structure: botocore's name, the name on the wire, and where it travels."""

    name: str
    wire: str
    shape: Shape
    required: bool
    place: Place = Place.BODY


@frozen
class Operation:
    """One operation. `template` is its path in segments, a label as `{name}`; `errors` is exception name -> HTTP status."""

    service: str
    name: str
    method: str
    template: tuple[str, ...]
    input: Shape
    output: Shape
    errors: Mapping[str, int]
    status: int

    def labels(self, segments: tuple[bytes, ...]) -> Mapping[str, bytes] | None:
        """Label -> raw segment where the path is this operation's, else None."""
        if len(segments) != len(self.template):
            return None
        labels = {}
        for want, have in zip(self.template, segments, strict=True):
            if want.startswith("{"):
                labels[want[1:-1]] = have
            elif want.encode() != have:
                return None
        return labels


@frozen
class Service:
    """One service of the API."""

    name: str
    operations: Mapping[str, Operation]
    routes: Mapping[tuple[int, tuple[bytes, ...]], Sequence[Operation]]
    """The operations by how many segments their path has, and the first of these, which is never a label."""


def load(name: str) -> Service:
    """Read one service model. ValueError where it uses a trait that the reader or the writer does not know."""
    make_loader: Any = Loader
    loader = make_loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    make_model: Any = botocore.model.ServiceModel
    model = make_model(loader.load_service_model(name, "service-2"), name)
    compiler = _Compiler()
    operations = {each: compiler.operation(model.operation_model(each)) for each in model.operation_names}
    routes: dict[tuple[int, tuple[bytes, ...]], list[Operation]] = {}
    for operation in operations.values():
        routes.setdefault((len(operation.template), (operation.template[0].encode(),)), []).append(operation)
    return Service(name, operations, routes)


def candidates(services: Mapping[str, Service], path: bytes) -> list[tuple[Operation, Mapping[str, bytes]]]:
    """Every operation that has this raw path, of whatever method, in the order of the services; each with its labels.

    Literal segments must be there as they are; a label is one segment, so an ARN in it must be percent-encoded."""
    segments = tuple(path.split(b"/")[1:])
    found: list[tuple[Operation, Mapping[str, bytes]]] = []
    for service in services.values():
        for operation in service.routes.get((len(segments), segments[:1]), ()):
            labels = operation.labels(segments)
            if labels is not None:
                found.append((operation, labels))
    return found


_EMPTY = Shape("Empty", Kind.STRUCTURE)


class _Compiler:
    """botocore's shapes -> ours; each named shape once."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}
        self._open: set[str] = set()

    def operation(self, model: Any) -> Operation:
        return Operation(
            service=model.service_model.service_name,
            name=model.name,
            method=model.http["method"],
            template=tuple(model.http["requestUri"].removeprefix("/").split("/")),
            input=self.shape(model.input_shape) if model.input_shape else _EMPTY,
            output=self.shape(model.output_shape) if model.output_shape else _EMPTY,
            errors={error.name: error.metadata["error"]["httpStatusCode"] for error in model.error_shapes},
            status=model.http["responseCode"],
        )

    def shape(self, shape: Any) -> Shape:
        name = shape.name
        if name in self._shapes:
            return self._shapes[name]
        if name in self._open:
            raise ValueError(f"shape {name} of the model holds itself; the reader has no rule for that yet")
        if "payload" in shape.serialization or shape.serialization.get("timestampFormat", "iso8601") != "iso8601":
            raise ValueError(f"shape {name} of the model has a trait without a rule: {dict(shape.serialization)}")
        self._open.add(name)
        made = self._made(shape)
        self._open.discard(name)
        self._shapes[name] = made
        return made

    def _made(self, shape: Any) -> Shape:
        kind, facts = Kind(shape.type_name), shape.metadata
        required = set(facts.get("required", ()))
        return Shape(
            name=shape.name,
            kind=kind,
            members={name: self._member(name, each, name in required) for name, each in shape.members.items()}
            if kind is Kind.STRUCTURE
            else {},
            item=self.shape(_inner(shape, kind)) if kind in (Kind.LIST, Kind.MAP) else None,
            key=self.shape(shape.key) if kind is Kind.MAP else None,
            enum=tuple(facts.get("enum", ())),
            pattern=_pattern(facts.get("pattern")),
            minimum=facts.get("min"),
        )

    def _member(self, name: str, shape: Any, required: bool) -> Member:
        traits = shape.serialization
        return Member(
            name, traits.get("name", name), self.shape(shape), required, Place(traits.get("location", "body"))
        )


def _inner(shape: Any, kind: Kind) -> Any:
    return shape.member if kind is Kind.LIST else shape.value


def _pattern(text: str | None) -> re.Pattern[str] | None:
    """The model's pattern; its closing `$` means the very end, also before a newline."""
    if text is None:
        return None
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", text))
