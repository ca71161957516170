"""Tests of smg.wire.secrets."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest

from smg.wire.secrets import UNPACKED_BYTES, shows

KEY = "sk-a/b+c=ü0"


def escaped(text: str) -> bytes:
    """Return a text with every character escaped."""
    return "".join(f"\\u{ord(character):04X}" for character in text).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"bad key Bearer {KEY}.".encode(), id="as it is"),
        pytest.param(KEY.replace("/", "\\/").replace("ü", "\\u00fc").encode(), id="escaped where usual"),
        pytest.param(b'{"error":"' + escaped(KEY) + b'"}', id="escaped all over"),
        pytest.param(
            b'{"error":"{\\"x\\":\\"' + KEY.replace("/", "\\\\/").replace("ü", "\\\\u00FC").encode(), id="twice"
        ),
    ],
)
def test_a_secret_is_seen_however_it_is_spelt(body):
    """JSON may escape any character, and JSON in JSON escapes the escapes."""
    assert shows(KEY, body)


@pytest.mark.parametrize("body", [b"", b"sk-a/b+c=", b'{"error":"sk-*** \\" is wrong \\\\"}', b"\xff\xfe"])
def test_other_words_are_no_secret(body):
    """Part of a key, a masked one, and odd bytes are shown."""
    assert not shows(KEY, body, ((b"x-debug", b"sk-***"),))


def test_a_secret_in_a_field_is_seen():
    """Any value of any field counts."""
    assert shows(KEY, b"", ((b"a", b"b"), (b"X-Debug", b"key=" + KEY.encode())))


@pytest.mark.parametrize(
    ("coding", "packed", "expected"),
    [
        pytest.param(b"gzip", gzip.compress(KEY.encode()), True, id="within gzip"),
        pytest.param(b"gzip", gzip.compress(b"no"), False, id="not within gzip"),
        pytest.param(b"deflate", zlib.compress(b"no"), False, id="not within deflate"),
        pytest.param(b"br", b"no", True, id="a coding we cannot read"),
        pytest.param(b"gzip, br", gzip.compress(b"no"), True, id="two codings"),
        pytest.param(b"gzip", b"no", True, id="not what it says"),
        pytest.param(b"gzip", gzip.compress(b"no")[:-2], True, id="cut short"),
        pytest.param(b"gzip", gzip.compress(b"no") + gzip.compress(KEY.encode()), True, id="a second member"),
        pytest.param(b"gzip", gzip.compress(bytes(UNPACKED_BYTES + 1)), True, id="too large to look into"),
    ],
)
def test_what_cannot_be_vouched_for_counts_as_shown(coding, packed, expected):
    """A packed body is looked into within bounds."""
    assert shows(KEY, packed, ((b"Content-Encoding", coding),)) is expected


@pytest.mark.parametrize("filler", [b"\\", b"s\\", b"\\u0073", b"sk-a\\", b"\\\\\\\\sk"])
def test_the_search_is_quick_on_any_body(filler):
    """A megabyte of escapes does not stall the loop."""
    body = filler * (UNPACKED_BYTES // len(filler))
    began = time.process_time()
    found = shows(KEY, body)

    assert not found
    assert time.process_time() - began < 0.5
