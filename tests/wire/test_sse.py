"""Tests of smg.wire.sse."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.wire.sse import DONE, DONE_DATA, EventTooLargeError, SseFramer, data_event

payloads = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])).map(str.encode)


def feed_all(chunks: list[bytes], cap: int = 1_000_000) -> list[bytes]:
    framer = SseFramer(cap)
    return [event for chunk in chunks for event in framer.feed(chunk)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[begin:end] for begin, end in pairwise(edges)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(b"data: a\n\n", [b"a"], id="one event"),
        pytest.param(b"data:a\n\ndata: b\n\n", [b"a", b"b"], id="without a space"),
        pytest.param(b"data:  a\n\n", [b" a"], id="only one space goes"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\r", [b"a", b"b"], id="crlf and cr"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="lines of one event"),
        pytest.param(b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"], id="crlf lines of one event"),
        pytest.param(b"data\n\n", [b""], id="name alone"),
        pytest.param(b": ping\n\nevent: x\nid: 1\ndata: a\n\n", [b"a"], id="comments and other fields"),
        pytest.param(b"event: x\n\n\n\n", [], id="no data, no event"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="byte order mark"),
        pytest.param(b"data: a\n", [], id="cut off"),
        pytest.param(b"data: [DONE]\n\n", [DONE_DATA], id="the end"),
        pytest.param(b'data: {"t":"data: [DONE]\\n\\n"}\n\n', [b'{"t":"data: [DONE]\\n\\n"}'], id="end in a text"),
        pytest.param(b": data: [DONE]\n\nevent: [DONE]\n\n", [], id="end in a comment"),
        pytest.param(b"databus: a\n\n", [], id="longer name"),
    ],
)
def test_events_are_read_by_the_rules_of_the_format(stream: bytes, expected: object) -> None:
    """Whole, and byte by byte."""
    assert expected == feed_all([stream])
    assert expected == feed_all([bytes([byte]) for byte in stream])


@given(
    st.lists(st.sampled_from([b"data: a", b"data:", b": c", b"x: y", b"", b"\r", b"\n", b"\r\n", b"[DONE]"])),
    st.lists(st.integers(0, 1_000), max_size=8),
)
def test_chunking_never_matters(parts: list[bytes], places: list[int]) -> None:
    """Any cuts give the events of the uncut stream."""
    stream = b"".join(parts)

    assert feed_all([stream]) == feed_all(cut(stream, places))


@given(st.lists(payloads), st.lists(st.integers(0, 10_000), max_size=8))
def test_written_events_are_read_back(written: list[bytes], places: list[int]) -> None:
    """Writer and reader agree."""
    stream = b"".join(map(data_event, written)) + DONE

    assert [*written, DONE_DATA] == feed_all(cut(stream, places))


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([b"x" * 101], id="a line without end"),
        pytest.param([b"data: " + b"x" * 95], id="in one chunk"),
        pytest.param([b"data: x\n"] * 15, id="many lines"),
        pytest.param([b"x"] * 101, id="byte by byte"),
    ],
)
def test_event_over_the_cap_is_refused(chunks: list[bytes]) -> None:
    """Memory held for one stream is bounded."""
    with pytest.raises(EventTooLargeError):
        feed_all(chunks, cap=100)


def test_comments_and_finished_events_do_not_count() -> None:
    """A stream may be idle, and may go on, for as long as it likes."""
    assert feed_all([b": ping\n"] * 1_000 + [b"data: a\n\n"] * 1_000, cap=100) == [b"a"] * 1_000
