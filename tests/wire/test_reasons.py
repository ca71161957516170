"""Tests of smg.wire.reasons."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smg.wire.reasons import A_REASON, shows_reason

PIECES = st.sampled_from([b'"finish_reason"', b":", b" ", b"null", b'"stop"', b'{"type":1}', b",", b"\n", b"data"])


@given(st.lists(PIECES).map(b"".join))
def test_only_what_holds_none_is_told_by_counting(events: bytes) -> None:
    """The short way says what the search would."""
    assert shows_reason(events) is (A_REASON.search(events) is not None)
