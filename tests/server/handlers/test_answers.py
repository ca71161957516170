from __future__ import annotations

import json
from typing import Any

import pytest

from smg.core.errors import InvalidJsonError
from smg.server.handlers.answers import read_object, send_json
from smg.wire.shapes import JsonLimits
from tests.middleware.recording import RecordingSink, request


async def test_object_is_read() -> None:
    """A JSON object comes back as a dictionary."""
    assert await read_object(request(body=b'{"a": [1]}'), JsonLimits()) == {"a": [1]}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b'{"a": NaN}', b'{"a": 1} x', b"\xff", b'{"a": ' + b"[" * 99 + b"]" * 99 + b"}"]
)
async def test_anything_else_is_refused(body: Any) -> None:
    """Other values, broken text and too deep nesting are one kind of error."""
    with pytest.raises(InvalidJsonError):
        await read_object(request(body=body), JsonLimits())


def test_answer_is_json_with_the_given_fields() -> None:
    """Status and further fields go with the body."""
    sink = RecordingSink()

    send_json(sink, {"a": 1}, status=202, extra=((b"location", b"/a"),))

    assert (sink.status, json.loads(sink.body), sink.header(b"location")) == (202, {"a": 1}, [b"/a"])
