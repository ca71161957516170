"""Tests of smg.core.request."""

from __future__ import annotations

import pytest

from smg.core.request import Request, reply
from smg.testing.sink import CollectingSink


async def _nothing() -> bytes:
    return b""


def test_a_field_is_found_whatever_its_spelling():
    """Names are compared without case, the first of repeated values counts."""
    headers = ((b"X-Key", b"one"), (b"x-key", b"two"))
    request = Request("r", "GET", "/", "", headers, _nothing, 0.0)

    assert request.header(b"x-key") == b"one"
    assert request.header(b"other") is None


def test_a_reply_is_whole():
    """Head, body and end go out in one go, the length known."""
    sink = CollectingSink()
    reply(sink, 201, b"{}")

    assert sink.head is not None
    assert (sink.head.status, sink.head.length) == (201, 2)
    assert sink.body == b"{}"
    assert sink.finished
    with pytest.raises(RuntimeError):
        reply(sink, 200, b"")
