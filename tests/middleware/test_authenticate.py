from __future__ import annotations

from typing import Any

import pytest

from smg.core.errors import UnauthenticatedError
from smg.core.request import Request, Sink, reply
from smg.middleware.authenticate import Access, authenticate
from tests.middleware.recording import RecordingSink, request


async def _ok(_request: Request, sink: Sink) -> None:
    reply(sink, 200, b"")


async def _status(headers: Any, access: Any = Access.SERVING, api_key: Any = "sk-right") -> Any:
    sink = RecordingSink()
    await authenticate(_ok, access=access, api_key=api_key)(request(headers=headers), sink)
    return sink.status


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(((b"Authorization", b"Bearer sk-right"),), id="bearer"),
        pytest.param(((b"authorization", b"bEARER  sk-right"),), id="any case"),
        pytest.param(((b"X-API-Key", b"sk-right"),), id="x-api-key"),
        pytest.param(((b"x-api-key", b"sk-right"), (b"authorization", b"Bearer sk-right")), id="both"),
    ],
)
@pytest.mark.parametrize("access", [Access.SERVING, Access.ADMIN])
async def test_right_key_passes(headers: Any, access: Any) -> None:
    """The key is taken as a bearer token in any case, or as x-api-key."""
    assert await _status(headers, access) == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((), id="none"),
        pytest.param(((b"authorization", b"Bearer "),), id="empty"),
        pytest.param(((b"authorization", b"Basic sk-right"),), id="scheme"),
        pytest.param(((b"authorization", b"Bearer sk-wrong"),), id="wrong"),
        pytest.param(((b"authorization", b"Bearer sk-righ"),), id="half"),
        pytest.param(((b"authorization", b"Bearer caf\xe9"),), id="not ascii"),
        pytest.param(((b"authorization", b"Bearer sk-right"), (b"authorization", b"Bearer x")), id="two"),
        pytest.param(((b"x-api-key", b"x"), (b"authorization", b"Bearer sk-right")), id="contradiction"),
    ],
)
async def test_missing_and_wrong_keys_are_refused_alike(headers: Any) -> None:
    """Every other showing gets the same message."""
    with pytest.raises(UnauthenticatedError, match=r"^the api key is missing or wrong$"):
        await _status(headers)


async def test_public_routes_and_open_gateways_ask_for_nothing() -> None:
    """Without a key, or on a public route, everybody is served."""
    assert await _status((), Access.PUBLIC) == 200
    assert await _status((), Access.ADMIN, api_key=None) == 200
