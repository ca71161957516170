"""Tests of smg.routers.judge."""

from __future__ import annotations

import msgspec
import pytest
from aiohttp import web

from smg.core.errors import UpstreamDeniedError, UpstreamError, UpstreamRejectedError, UpstreamWithheldError
from smg.core.events import AttemptEnded
from smg.core.words import Outcome
from smg.routers.judge import ERROR_BYTES
from smg.testing.sink import CollectingSink
from tests.routers.fleets import SECOND, answering, fleet_of, inference

KEY = "sk-key"
OWN = ((b"Authorization", b"Bearer mine"),)
OTHER_OWN = ((b"X-API-Key", b"mine"),)


async def route(*handles, headers=(), **gateway):
    """Route one request; return body, error and outcomes."""
    request = inference()
    request.headers = headers
    async with fleet_of(*handles, **gateway) as fleet:
        sink, error = CollectingSink(), None
        try:
            await fleet.attempts.route(request, sink)
        except UpstreamError as raised:
            error = raised
        return sink.body, error, [event.outcome for event in fleet.observer.of(AttemptEnded)]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("headers", "gateway", "verdict"),
    [
        pytest.param((), {"api_key": KEY}, Outcome.FAILED, id="our key"),
        pytest.param(OWN, {"api_key": KEY}, Outcome.FAILED, id="our key in place of the caller's"),
        pytest.param(OWN, {"gateway_auth": True}, Outcome.FAILED, id="the caller's was for the gateway"),
        pytest.param((), {}, Outcome.ABANDONED, id="the caller brought none"),
    ],
)
async def test_a_denial_of_ours_is_no_answer(status, headers, gateway, verdict):
    """Another worker is asked, and where there is none it is a 502 that says so.

    It counts against the worker, unless a caller could bring it about by leaving its key off.
    """
    body, error, outcomes = await route(answering(status), answering(body=SECOND), headers=headers, **gateway)
    assert (body, error, outcomes) == (SECOND, None, [verdict, Outcome.SUCCEEDED])

    _, error, outcomes = await route(answering(status, b"who are you?"), headers=headers, **gateway)
    assert isinstance(error, UpstreamDeniedError)
    assert (error.status, error.code, outcomes) == (502, "upstream_denied", [verdict])


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("headers", [OWN, OTHER_OWN])
async def test_a_denial_of_the_callers_credentials_is_the_callers(status, headers):
    """They were passed through, so the worker's answer is, too."""
    _, error, outcomes = await route(answering(status, b"who are you?"), answering(), headers=headers)

    assert isinstance(error, UpstreamRejectedError)
    assert (error.upstream_status, error.body, outcomes) == (status, b"who are you?", [Outcome.SUCCEEDED])


async def test_a_denial_within_a_200_is_no_other():
    """An error object that names 401 is judged like the status."""
    told = b'{"error":{"message":"who are you?","code":401}}'
    _, error, _ = await route(answering(body=told))
    assert isinstance(error, UpstreamDeniedError)

    _, error, _ = await route(answering(body=told), headers=OWN)
    assert isinstance(error, UpstreamRejectedError)
    assert error.upstream_status == 401


async def in_a_field(_: web.BaseRequest) -> web.Response:
    """Refuse, with the key in a field."""
    return web.Response(status=422, body=b"no", headers={"X-Debug": f"key={KEY}", "Retry-After": "1"})


@pytest.mark.parametrize(
    ("worker", "status"),
    [
        pytest.param(answering(400, b"bad key sk-key"), 400, id="in the body"),
        pytest.param(answering(500, b'{"error":"\\u0073k-key"}'), 500, id="escaped"),
        pytest.param(in_a_field, 422, id="in a field"),
        pytest.param(answering(200, b'{"error":{"message":"sk-key","code":404}}'), 404, id="in a 200"),
    ],
)
async def test_an_error_that_shows_the_key_is_withheld(worker, status):
    """A generic one stands in its place, with its status and the request's id."""
    _, error, _ = await route(worker, api_key=KEY)

    assert isinstance(error, UpstreamWithheldError)
    assert (error.upstream_status, error.headers) == (status, ((b"content-type", b"application/json"),))
    told = msgspec.json.decode(error.body)["error"]
    assert (told["message"], told["code"]) == (
        "the worker's error is withheld, request id r1",
        "upstream_error_withheld",
    )


@pytest.mark.parametrize(("status", "outcome"), [(422, Outcome.SUCCEEDED), (500, Outcome.FAILED)])
async def test_an_error_that_is_too_long_keeps_its_status(status, outcome):
    """Engines may echo what they refuse; its length makes a caller's fault no worker's."""
    _, error, outcomes = await route(answering(status, bytes(ERROR_BYTES + 1)))

    assert isinstance(error, UpstreamWithheldError)
    assert (error.upstream_status, outcomes) == (status, [outcome])


async def test_any_other_error_passes_as_it_came():
    """Neither another's key nor a stack trace is the gateway's to hide."""
    _, error, _ = await route(answering(400, b"Traceback: sk-kez"), api_key=KEY)

    assert isinstance(error, UpstreamRejectedError)
    assert not isinstance(error, UpstreamWithheldError)
    assert error.body == b"Traceback: sk-kez"


async def test_the_key_is_no_secret_to_answers():
    """Only errors are searched: an answer says what the model said."""
    body, error, _ = await route(answering(body=b'{"a":"sk-key"}'), api_key=KEY)

    assert (body, error) == (b'{"a":"sk-key"}', None)


async def test_an_overloaded_worker_is_followed_by_another():
    """529 is tried again."""
    body, error, _ = await route(answering(529), answering(body=SECOND))

    assert (body, error) == (SECOND, None)
