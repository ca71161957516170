from __future__ import annotations

from typing import Any

import pytest

from smg.core.errors import ForbiddenError, UnauthenticatedError
from smg.core.request import Request, Sink, reply
from smg.middleware.authenticate import Access, Keys, authenticate
from smg.middleware.settings import CallerSettings
from tests.middleware.recording import RecordingSink, request


async def _ok(_request: Request, sink: Sink) -> None:
    reply(sink, 200, b"")


CALLERS = [CallerSettings(name=f"c{number}", api_key=f"sk-{number}") for number in range(100)]


async def _status(headers: Any, access: Any = Access.SERVING, keys: Any = None) -> Any:
    sink = RecordingSink()
    keys = Keys("sk-right", CALLERS) if keys is None else keys
    await authenticate(_ok, access=access, keys=keys)(request(headers=headers), sink)
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
    assert await _status((), Access.ADMIN, keys=Keys()) == 200


def _showing(key: Any) -> Any:
    return request(headers=((b"authorization", b"Bearer " + key),))


async def test_key_of_a_caller_serves_and_tells_its_name() -> None:
    """Each caller is known by its own key; the gateway's own key has no name."""
    handler = authenticate(_ok, access=Access.SERVING, keys=Keys("sk-right", CALLERS))
    asked = [_showing(key) for key in (b"sk-0", b"sk-99", b"sk-right")]
    for one in asked:
        await handler(one, RecordingSink())

    assert [one.trail.caller for one in asked] == ["c0", "c99", None]


@pytest.mark.parametrize("own", ["sk-right", None])
async def test_key_of_a_caller_opens_no_administration(own: Any) -> None:
    """403 says that the key is right but not for this, also where nothing would open it; the record has the name."""
    asked = _showing(b"sk-1")
    with pytest.raises(ForbiddenError):
        await authenticate(_ok, access=Access.ADMIN, keys=Keys(own, CALLERS))(asked, RecordingSink())

    assert asked.trail.caller == "c1"


async def test_callers_close_a_gateway_without_a_key_of_its_own() -> None:
    """Where callers have keys, nobody is served without one."""
    with pytest.raises(UnauthenticatedError):
        await _status((), keys=Keys(None, CALLERS))


def test_keys_are_kept_as_digests_nobody_can_predict() -> None:
    """No key is compared byte by byte with what a stranger sends: of each only a digest is known, another each time."""
    first, second = (Keys("sk-right", CALLERS) for _ in range(2))

    assert len(first._holders) == 101
    assert {len(digest) for digest in first._holders} == {32}
    assert not set(first._holders) & set(second._holders)
    assert b"sk-right" not in first._holders
