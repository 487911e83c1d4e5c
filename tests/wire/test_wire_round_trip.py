"""Every operation through a stock botocore client and back, unchanged: botocore's own codec is the oracle.

The client serialises, validates and signs the input; the gateway reads it, and what the operation gets must be what was
given. What the operation answers must be what the client's parser hands out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.wire.model import SERVICES, Kind, Member, Operation, Place, Shape, load

OPERATIONS = [operation for name in SERVICES for operation in load(name).operations.values()]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
AWKWARD = st.sampled_from(
    ["arn:aws:kafka:eu-west-1:1:cluster/a b/ü-1", "a+b", "%2F", "a&b=c", "~._-", "?#", "\u2028", "\n", "😀"]
)
BITS = {Kind.INTEGER: 31, Kind.LONG: 63}
MOMENTS = st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)


def test_the_models_hold_the_operations_that_were_promised() -> None:
    counts = {name: len(load(name).operations) for name in SERVICES}
    assert counts == {"kafka": 64, "kafkaconnect": 21}


def values(shape: Shape, length: st.SearchStrategy[int], present: st.SearchStrategy[bool]) -> st.SearchStrategy[Any]:
    """Values of a shape that the model allows; `length` of each list and map, `present` for each optional member."""

    @st.composite
    def structure(draw: Any) -> Any:
        chosen = [m for m in shape.members.values() if m.required or draw(present)]
        return {m.name: draw(member_values(m, length, present)) for m in chosen}

    match shape.kind:
        case Kind.STRUCTURE:
            return structure()
        case Kind.LIST:
            inner = values(shape.inner, length, present)
            return length.flatmap(lambda n: st.lists(inner, min_size=n, max_size=n))
        case Kind.MAP:
            assert shape.key is not None
            keys, inner = values(shape.key, length, present), values(shape.inner, length, present)
            return length.flatmap(lambda n: st.dictionaries(keys, inner, min_size=n, max_size=n))
        case Kind.STRING if shape.enum:
            return st.sampled_from(shape.enum)
        case Kind.STRING if shape.pattern:
            return st.from_regex(re.compile(shape.pattern.pattern, re.ASCII), fullmatch=True)
        case Kind.STRING:
            return (TEXT | AWKWARD).map(lambda text: text.ljust(shape.minimum or 0, "x"))
        case Kind.BLOB:
            return st.binary(max_size=20)
        case Kind.TIMESTAMP:
            return MOMENTS
        case Kind.BOOLEAN:
            return st.booleans()
        case Kind.INTEGER | Kind.LONG:
            bound = 2 ** BITS[shape.kind]
            return st.integers(-bound if shape.minimum is None else shape.minimum, bound - 1)
        case Kind.DOUBLE:
            return st.floats(allow_nan=False, allow_infinity=False)


def member_values(
    member: Member, length: st.SearchStrategy[int], present: st.SearchStrategy[bool]
) -> st.SearchStrategy[Any]:
    made = values(member.shape, length, present)
    if member.place is Place.PATH and member.shape.kind is Kind.STRING:
        return made.filter(lambda text: text not in ("", ".", ".."))
    if member.place is Place.QUERY and member.shape.kind is Kind.LIST:
        return made.filter(bool)  # an empty list leaves no trace in a query
    return made


EXTREMES = [(n, there) for n in (0, 1, 2) for there in (True, False)]


@st.composite
def exchanges(draw: Any, operation: Operation) -> tuple[Any, Any]:
    """An input and an output: everything there or nothing optional, lists of 0, 1 or 2 throughout; or any mixture."""
    n, there = draw(st.sampled_from([*EXTREMES, None])) or (None, None)
    length = st.integers(0, 2) if n is None else st.just(n)
    present = st.booleans() if there is None else st.just(there)
    query_lists = any(m.place is Place.QUERY and m.shape.kind is Kind.LIST for m in operation.input.members.values())
    input_length = st.integers(1, 2) if query_lists else length
    return draw(values(operation.input, input_length, present)), draw(values(operation.output, length, present))


class Stage:
    """One gateway for all of this file: every operation writes down what it hears and answers what it was told to."""

    def __init__(self, bench: Any) -> None:
        self.heard: list[Any] = []
        self.answer: Any = None
        bench.handlers = {(each.service, each.name): self.handler for each in OPERATIONS}
        app = bench.gateway()
        self.clients = {name: bench.client(name, app) for name in SERVICES}

    def handler(self, call: Any) -> Any:
        self.heard.append((call.service, call.operation, call.caller.account, call.caller.region, call.params))
        return self.answer

    def play(self, operation: Operation, asked: Any, answered: Any) -> None:
        self.heard, self.answer = [], answered
        reply = self.clients[operation.service]._make_api_call(operation.name, asked)
        metadata = reply.pop("ResponseMetadata")
        assert self.heard == [(operation.service, operation.name, "111122223333", "eu-west-1", asked)]
        assert reply == answered
        assert metadata["HTTPStatusCode"] == operation.status
        assert metadata["RequestId"]


@pytest.fixture(scope="module")
def stage(signed_bench: Any) -> Stage:
    return Stage(signed_bench)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.service}.{each.name}")
def test_what_a_client_says_arrives_and_what_is_answered_comes_back(stage: Stage, operation: Operation) -> None:
    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(exchanges(operation))
    def round_trip(exchange: tuple[Any, Any]) -> None:
        stage.play(operation, *exchange)

    round_trip()


@pytest.mark.parametrize("there", [True, False], ids=["everything", "only-required"])
@pytest.mark.parametrize("length", [0, 1, 2])
def test_the_extremes_of_every_operation(stage: Stage, there: bool, length: int) -> None:
    """The corners without chance: all optional members and none, with lists and maps of 0, 1 and 2."""
    for operation in OPERATIONS:
        asked = sample(operation.input, there, length)
        for member in operation.input.members.values():
            if member.place is Place.QUERY and asked.get(member.name) == []:
                asked[member.name] = ["an empty list leaves no trace in a query"]
        stage.play(operation, asked, sample(operation.output, there, length))


def sample(shape: Shape, there: bool, length: int, number: int = 0) -> Any:
    """One value, the same each time; every optional member if `there`, lists and maps of `length`."""
    match shape.kind:
        case Kind.STRUCTURE:
            chosen = [m for m in shape.members.values() if m.required or there]
            return {m.name: sample(m.shape, there, length, number) for m in chosen}
        case Kind.LIST:
            return [sample(shape.inner, there, length, i) for i in range(length)]
        case Kind.MAP:
            return {f"key {i}/": sample(shape.inner, there, length, i) for i in range(length)}
        case Kind.STRING:
            return (
                shape.enum[number % len(shape.enum)]
                if shape.enum
                else f"text{number}"
                if shape.pattern
                else f"te:xt/ ü+{number}"
            )
        case Kind.BLOB:
            return b"\x00\xff=" * (number + 1)
        case Kind.TIMESTAMP:
            return datetime(2026, 3, 20, 21, 39, 28, 495000, tzinfo=UTC)
        case Kind.BOOLEAN:
            return number % 2 == 0
        case Kind.INTEGER | Kind.LONG:
            return 7 + number
        case Kind.DOUBLE:
            return 2.0 + number
