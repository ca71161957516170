from __future__ import annotations

from typing import Any

import pytest

from smg.core.request import Request, Sink, reply
from smg.middleware.cors import cors
from tests.middleware.recording import RecordingSink, request

PAGE = (b"origin", b"https://app.example")
PREFLIGHT = (PAGE, (b"access-control-request-method", b"POST"), (b"access-control-request-headers", b"authorization"))


async def _answer(_request: Request, sink: Sink) -> None:
    reply(sink, 200, b"x", ((b"Access-Control-Allow-Origin", b"*"),))


async def _run(origins: Any, asked: Any) -> Any:
    sink = RecordingSink()
    await cors(_answer, origins=origins)(asked, sink)
    return sink


@pytest.mark.parametrize("origins", [("https://app.example",), ("*",)])
async def test_named_origin_may_read(origins: Any) -> None:
    """The answer names the page's own origin once, in place of what a worker said."""
    sink = await _run(origins, request(headers=(PAGE,)))

    assert sink.header(b"access-control-allow-origin") == [b"https://app.example"]
    assert sink.header(b"vary") == [b"origin"]


async def test_preflight_is_answered_without_the_handler() -> None:
    """A browser's question before the call is answered 204 with methods and the fields it asked for."""
    sink = await _run(("https://app.example",), request("OPTIONS", headers=PREFLIGHT))

    assert (sink.status, sink.body) == (204, b"")
    assert sink.header(b"access-control-allow-headers") == [b"authorization"]
    assert b"POST" in sink.header(b"access-control-allow-methods")[0]


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_other_origins_get_no_permission(method: Any) -> None:
    """A page that is not named reaches the handler like any caller, and gets no fields that open it."""
    sink = await _run(("https://other.example",), request(method, headers=PREFLIGHT))

    assert (sink.status, sink.header(b"access-control-allow-methods")) == (200, [])


async def test_closed_by_default() -> None:
    """Without named origins the handler is left as it is."""
    assert cors(_answer, origins=()) is _answer
