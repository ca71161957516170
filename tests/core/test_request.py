"""Tests of smg.core.request."""

from __future__ import annotations

import pytest

from smg.core.request import reply
from smg.testing.sink import CollectingSink


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
