"""`configs` of a topic, as people write them."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.api.topic_configs import decode, encode
from penstock.wire.errors import BadRequest


def packed(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (
            '{"retention.ms": "60000", "cleanup.policy": "compact,delete"}',
            {"retention.ms": "60000", "cleanup.policy": "compact,delete"},
        ),
        (
            '{"retention.ms": 60000, "min.cleanable.dirty.ratio": 0.50}',
            {"retention.ms": "60000", "min.cleanable.dirty.ratio": "0.50"},
        ),
        ('{"retention.bytes": 123456789012345678901234567890}', {"retention.bytes": "123456789012345678901234567890"}),
        (
            '{"preallocate": true, "unclean.leader.election.enable": false}',
            {"preallocate": "true", "unclean.leader.election.enable": "false"},
        ),
        ('{"retention.ms": null}', {"retention.ms": None}),
        ("\ufeff  {}\n", {}),
        ("retention.ms=60000\ncleanup.policy=compact\n", {"retention.ms": "60000", "cleanup.policy": "compact"}),
        ("# of the shop\r\n\r\n  retention.ms = 60000  \r\n", {"retention.ms": "60000"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("", {}),
    ],
)
def test_both_forms_are_understood(written, meant):
    assert decode(packed(written)) == meant


def test_the_line_breaks_that_the_base64_command_makes_are_nothing():
    text = packed('{"retention.ms": "60000", "cleanup.policy": "compact"}')
    assert decode("\n".join(text[i : i + 16] for i in range(0, len(text), 16)) + "\n")["retention.ms"] == "60000"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"retention.ms": "60000"}', "is not base64"),
        ("retention.ms=60000", "is not base64"),
        ("YQ", "is not base64"),
        (base64.b64encode(b"\xff\xfe").decode(), "UTF-8"),
        (packed('{"retention.ms": '), "begins like JSON and is not"),
        (packed('["retention.ms"]'), "no object"),
        (packed('"retention.ms=1"'), "no object"),
        (packed('{"retention.ms": ["1"]}'), "'retention.ms' has a value that is neither"),
        (packed('{"retention.ms": {"a": "1"}}'), "'retention.ms' has a value that is neither"),
        (packed('{"retention.ms": NaN}'), "NaN is no number"),
        (packed('{"a": "1", "a": "2"}'), "'a' is there twice"),
        (packed("a=1\na=2"), "'a' is there twice"),
        (packed('{"": "1"}'), "no name"),
        (packed('{"retention.ms": "\\ud800"}'), "half of a surrogate pair"),
        (packed("=1"), "no name"),
        (packed("a=1\nretention.ms 60000"), "line 2 is 'retention.ms 60000'"),
        (packed("[" * 100_000), "begins like JSON"),
    ],
)
def test_what_is_neither_form_is_refused_with_the_reason(text, why):
    with pytest.raises(BadRequest, match=why) as refused:
        decode(text)
    assert refused.value.invalid_parameter == "configs"


@given(st.dictionaries(st.text(min_size=1).filter(str.strip), st.text()))
def test_what_an_answer_holds_can_be_given_back(configs):
    assert decode(encode(configs)) == configs
    assert json.loads(base64.b64decode(encode(configs))) == configs
