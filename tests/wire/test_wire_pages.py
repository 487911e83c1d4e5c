"""Paging: every item once, whatever comes and goes; and tokens that nobody can make or bend."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.wire.call import Call, Caller
from penstock.wire.errors import BadRequest
from penstock.wire.pages import Pages

PAGES = Pages(b"a secret of this home")


def call(**params: Any) -> Call:
    caller = Caller("111122223333", "eu-west-1", "AKIDEXAMPLE", "arn:aws:iam::111122223333:root")
    return Call("kafka", "ListTopics", {"ClusterArn": "arn", **params}, caller, "id")


def key(item: str) -> tuple[str | int, ...]:
    return (len(item), item)


def walk(items: list[str], size: int, pages: Pages = PAGES) -> list[list[str]]:
    shown, token = pages.page(items, call(MaxResults=size), key)
    every = [shown]
    while token is not None:
        shown, token = pages.page(items, call(MaxResults=size, NextToken=token), key)
        every.append(shown)
        assert len(every) <= len(items) + 1, "the pages never end"
    return every


@settings(max_examples=50, deadline=None, database=None)
@given(st.sets(st.text(max_size=3), max_size=30), st.integers(1, 12))
def test_the_pages_hold_every_item_once_and_in_order(items: set[str], size: int) -> None:
    every = walk(list(items), size)
    assert [item for page in every for item in page] == sorted(items, key=key)
    assert all(len(page) == size for page in every[:-1])
    assert len(every) == max(1, -(-len(items) // size))


def test_a_page_has_a_hundred_items_unless_said_otherwise() -> None:
    items = [f"topic-{n:03}" for n in range(101)]
    shown, token = PAGES.page(items, call(), key)
    assert (len(shown), token is None) == (100, False)
    assert PAGES.page(items[:100], call(), key)[1] is None


@pytest.mark.parametrize("size", [0, -1, 101])
def test_a_page_is_never_larger_than_the_limit(size: int) -> None:
    with pytest.raises(BadRequest) as caught:
        PAGES.page([], call(MaxResults=size), key)
    assert caught.value.invalid_parameter == "maxResults"


def test_items_that_come_and_go_between_two_pages() -> None:
    """The last item shown is gone, one came before it, one behind: the next page begins where the first ended."""
    shown, token = PAGES.page(["a", "c", "e", "g"], call(MaxResults=2), key)
    assert shown == ["a", "c"]
    assert PAGES.page(["a", "b", "d", "e", "g"], call(NextToken=token), key) == (["d", "e", "g"], None)
    assert PAGES.page(["a"], call(NextToken=token), key) == ([], None)


def test_a_token_survives_a_restart_and_another_page_size() -> None:
    _, token = PAGES.page("abcdef", call(MaxResults=2), key)
    again = Pages(b"a secret of this home")
    assert again.page("abcdef", call(MaxResults=3, NextToken=token), key)[0] == ["c", "d", "e"]


def test_connect_spells_its_members_otherwise() -> None:
    shown, token = PAGES.page("abc", call(maxResults=2), key)
    assert shown == ["a", "b"]
    assert PAGES.page("abc", call(nextToken=token), key) == (["c"], None)


TOKEN = PAGES.page("abc", call(MaxResults=1), key)[1] or ""


def refused(asked: Call, pages: Pages = PAGES) -> None:
    with pytest.raises(BadRequest) as caught:
        pages.page("abc", asked, key)
    assert caught.value.invalid_parameter == "nextToken"


def test_a_token_says_nothing_of_what_it_holds() -> None:
    _, token = PAGES.page(["secret-topic-a", "secret-topic-b"], call(MaxResults=1), key)
    assert token is not None
    assert "secret" not in token
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "token", ["", "x", "é", "a" * 40, TOKEN[:-2], TOKEN + "AA", "A" + TOKEN[1:], TOKEN + "\n", "!" + TOKEN]
)
def test_a_token_that_was_bent(token: str) -> None:
    refused(call(NextToken=token))


@pytest.mark.parametrize("position", range(0, len(TOKEN) - 1, 7))
def test_every_character_of_a_token_counts(position: int) -> None:
    other = "B" if TOKEN[position] != "B" else "C"
    refused(call(NextToken=TOKEN[:position] + other + TOKEN[position + 1 :]))


def test_a_token_for_another_question() -> None:
    mine = call(NextToken=TOKEN)
    assert PAGES.page("abc", mine, key)[0] == ["b", "c"]
    refused(evolve(mine, operation="ListNodes"))
    refused(evolve(mine, service="kafkaconnect"))
    refused(evolve(mine, caller=evolve(mine.caller, account="999999999999")))
    refused(evolve(mine, caller=evolve(mine.caller, region="us-east-1")))
    refused(evolve(mine, params={**mine.params, "ClusterArn": "another"}))
    refused(evolve(mine, params={**mine.params, "TopicNameFilter": "a"}))
    refused(mine, Pages(b"another home"))
