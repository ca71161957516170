"""Tests of smg.wire.event_relay."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.wire.event_relay import EventRelay
from smg.wire.sse import EventTooLargeError
from smg.wire.told import ToldError

TOKEN = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
OTHER = b'data: {"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"gone","code":500}}\n\n'


def passed(stream: bytes, places: tuple[int, ...] = ()) -> tuple[bytes, EventRelay]:
    """Return what comes through of a stream cut at ``places``, and the relay."""
    relay = EventRelay(1_000_000)
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return b"".join(relay.feed(stream[begin:end]) for begin, end in pairwise(edges)), relay


@pytest.mark.parametrize(
    ("stream", "expected", "done", "finished"),
    [
        pytest.param(TOKEN + LAST + DONE, TOKEN + LAST + DONE, True, {0}, id="whole"),
        pytest.param(TOKEN + LAST, TOKEN + LAST, False, {0}, id="a reason to finish"),
        pytest.param(TOKEN, TOKEN, False, set(), id="neither"),
        pytest.param(TOKEN + b"data: {half", TOKEN, False, set(), id="half an event is held back"),
        pytest.param(TOKEN + DONE + TOKEN, TOKEN + DONE, True, set(), id="nothing after the end"),
        pytest.param(TOKEN + DONE + DONE, TOKEN + DONE, True, set(), id="one end"),
        pytest.param(b"data:[DONE]\r\n\r\n", b"data:[DONE]\r\n\r\n", True, set(), id="without a space, crlf"),
        pytest.param(b'data: {"t":"data: [DONE]"}\n\n', None, False, set(), id="in a text"),
        pytest.param(b'data: {"t":"\\"finish_reason\\": \\"x\\""}\n\n', None, False, set(), id="a reason in a text"),
        pytest.param(
            b'data: {"finish_reason":\n\n"data": 1}\n\n', None, False, set(), id="cut in two by an event's end"
        ),
        pytest.param(b'data: {"meta_info":{"finish_reason":{"type":"stop"}}}\n\n', None, False, {0}, id="as an object"),
        pytest.param(LAST + OTHER, None, False, {0, 1}, id="two reasons"),
        pytest.param(b": ping\n\n" + TOKEN, None, False, set(), id="comments pass"),
    ],
)
def test_what_passes_and_how_it_ended(stream, expected, done, finished):
    """Whole events pass as they came up to the real end; whether that came is known, and which choices finished."""
    through, relay = passed(stream)

    assert through == (stream if expected is None else expected)
    assert (relay.done, relay.finished) == (done, finished)
    assert relay.failure is None


def test_an_error_event_is_held_back():
    """What the engine told is kept, and nothing follows it."""
    through, relay = passed(TOKEN + b"event: error\n" + ERROR + DONE)

    assert through == TOKEN
    assert relay.failure == ToldError(b'{"error":{"message":"gone","code":500}}', None)
    assert relay.failure_event == b"event: error\n" + ERROR
    assert (relay.ended, relay.done) == (True, False)


def test_an_error_event_far_too_deep_is_no_error():
    """It is passed on like any event: what cannot be read is not judged."""
    stream = b'data: {"error":' + b"[" * 100_000 + b"\n\n"
    through, relay = passed(stream)

    assert (through, relay.failure) == (stream, None)


def test_the_word_error_is_no_error():
    """A token, a null and a nested field of that name are not one."""
    stream = b'data: {"token":"error","error":null,"response":{"error":{"code":1}}}\n\n'
    through, relay = passed(stream)

    assert through == stream
    assert relay.failure is None


def test_an_event_too_deep_to_be_read_is_no_error():
    """What nobody can read passes as any other text."""
    deep = b'data: {"error":' + b"[" * 2_000 + b"\n\n"
    through, relay = passed(deep + TOKEN)

    assert through == deep + TOKEN
    assert relay.failure is None


def test_comments_do_not_begin_a_stream():
    """Only data begins it."""
    relay = EventRelay(1000)
    relay.feed(b": ping\n\n")
    assert not relay.begun
    relay.feed(TOKEN)
    assert relay.begun


def test_an_endless_event_is_refused():
    """The cap holds for what is held back."""
    relay = EventRelay(1000)
    relay.feed(b"data: " + b"x" * 900)
    with pytest.raises(EventTooLargeError):
        relay.feed(b"x" * 200)


def known(relay: EventRelay) -> tuple[object, ...]:
    """Return what a relay knows of its stream."""
    return (relay.begun, relay.done, relay.ended, relay.finished, relay.failure)


@given(
    st.lists(
        st.sampled_from([TOKEN, LAST, OTHER, DONE, ERROR, b": ping\r\n\r\n", b"data: a\r\r", b"data: b\n\r\n", b"\n"])
    ),
    st.lists(st.integers(0, 10_000), max_size=8).map(tuple),
)
def test_the_cuts_do_not_matter(events, places):
    """However the stream is cut, the same bytes pass and the same is known."""
    stream = b"".join(events)
    whole, cut = passed(stream), passed(stream, places)

    assert cut[0].rstrip(b"\r\n") == whole[0].rstrip(b"\r\n")
    assert known(cut[1]) == known(whole[1])


WORDS = st.sampled_from([
    *(b"a", b'"', b"\\", b"error", b"finish_reason", b'"error":{"code":500}', b'"finish_reason":"stop"', b"[DONE]"),
    *(b"data: [DONE]", b"\n", b"\r", b"\n\n", b":", b",", b"{", b"}", b" ", b'":"', b'","', b"\xe9"),
])  # fmt: skip


@given(
    st.lists(st.lists(WORDS, max_size=4).map(b"".join), max_size=6), st.sampled_from([b"content", b"text", b"error"])
)
def test_events_like_the_one_before_are_judged_as_if_each_was_looked_into(texts, field):
    """With whatever in the place of their text."""
    events = [b'data: {"delta":{"%b":"%b"},"finish_reason":null}\n\n' % (field, text) for text in (b"a", *texts)]
    quick, careful = EventRelay(1_000_000), EventRelay(1_000_000)
    careful._templates_left = 0

    for event in events:
        assert quick.feed(event) == careful.feed(event)
    for name in ("begun", "done", "ended", "failure", "failure_event", "finished", "_held"):
        assert getattr(quick, name) == getattr(careful, name)


def test_events_that_differ_in_more_than_text_are_soon_no_templates_any_more():
    """To make one takes longer than to look into an event."""
    relay = EventRelay(1_000_000)
    for number in range(20):
        relay.feed(TOKEN.replace(b'"delta"', b'"index":%d,"delta"' % number))
        relay.feed(b": ping\n\n")
    assert relay._templates_left == 0

    relay = EventRelay(1_000_000)
    for _ in range(20):
        relay.feed(TOKEN)
        relay.feed(b": ping\n\n" + TOKEN)
        relay.feed(b": ping\n\n" + TOKEN)
    assert relay._templates_left > 0
