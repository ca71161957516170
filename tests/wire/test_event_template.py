"""Tests of smg.wire.event_template."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.wire.event_template import template_of

CHAT = b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'
COMPLETION = b'data: {"choices": [{"text": "%b", "logprobs": null, "finish_reason": null}]}\n\n'
THOUGHT = b'data: {"choices":[{"delta":{"reasoning_content":"%b","content":null}}]}\n\n'
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
CALL = b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"%b"}}]}}]}\n\n'


@pytest.mark.parametrize("event", [CHAT, COMPLETION, THOUGHT, CALL])
@pytest.mark.parametrize(
    "text", ["a", " token", "\u00e9\u6f22", "{}[]:,", "data: [DONE]", "error", "a\\\\nb", "\\\\u00e9"]
)
def test_an_event_fits_whatever_its_text(event, text):
    """As long as it stays one string; what it was when the template was made does not matter."""
    for first in (b"x", b"", b'a \\"quoted\\" word', b"\\\\"):
        made = template_of(event % first)
        assert made is not None
        assert made.fits(event % text.encode())


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(CHAT % b"", id="no text"),
        pytest.param(CHAT % b'a","x":"b', id="a quote"),
        pytest.param(CHAT % b'a\\"b', id="a quote in the text"),
        pytest.param(CHAT % b"a\\", id="a backslash before the quote"),
        pytest.param(CHAT % b"a\\\\", id="two of them"),
        pytest.param(CHAT % b"a\nb", id="a line's end"),
        pytest.param(CHAT % b"a\rb", id="another"),
        pytest.param((CHAT % b"a").replace(b"null", b'"stop"'), id="a reason to finish"),
        pytest.param((CHAT % b"a").replace(b"c1", b"c2"), id="another id"),
        pytest.param(CHAT % b"a" * 2, id="two events"),
        pytest.param((CHAT % b"a")[:-1], id="half an event"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"data: [DONE]\n\n", id="the end"),
    ],
)
def test_what_differs_in_more_than_text_does_not_fit(event):
    """It is to be looked into."""
    made = template_of(CHAT % b"a")
    assert made is not None
    assert not made.fits(event)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(b'data: {"delta":{"content":null}}\n\n', id="no string"),
        pytest.param(b'data: {"content":"a":"b"}\n\n', id="no JSON"),
        pytest.param(b'data: {"object":"chat.completion.chunk"}\n\n', id="a field that says more than text"),
        pytest.param(b'data: {"t":"\\"content\\":\\"a\\"}"}\n\n', id="in a text"),
    ],
)
def test_some_events_are_no_templates(event):
    """Those without a text of their own."""
    assert template_of(event) is None


@given(st.text(), st.binary(max_size=12))
def test_an_event_that_fits_is_the_same_but_for_one_string(first, second):
    """Whatever is put in the text's place, its strings and what stands between them are the same, but for that one."""
    made = template_of(CHAT % json.dumps(first)[1:-1].encode())
    assert made is not None
    if made.fits(event := CHAT % second):
        assert STRING.findall(event) == [
            b'"%b"' % second if string == b'"%b"' else string for string in STRING.findall(CHAT)
        ]
        assert STRING.sub(b"", event) == STRING.sub(b"", CHAT)
