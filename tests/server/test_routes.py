from __future__ import annotations

import json
from typing import Any

import pytest

from smg.core.errors import NotFoundError, UnauthenticatedError
from smg.core.request import reply
from smg.middleware.authenticate import Access, Keys
from smg.server.routes import Route, RouteTable
from tests.middleware.recording import RecordingSink, request


async def _show(request: Any, sink: Any) -> Any:
    reply(sink, 200, json.dumps([request.method, request.trail.route, request.params]).encode())


TABLE = RouteTable(
    (
        Route("GET", "/workers", _show, Access.ADMIN),
        Route("POST", "/workers", _show, Access.ADMIN),
        Route("GET", "/workers/{id}", _show, Access.ADMIN),
        Route("GET", "/health", _show, Access.PUBLIC),
    ),
    keys=Keys(),
)


async def _ask(method: Any, path: Any, table: Any = TABLE) -> Any:
    asked, sink = request(method, path), RecordingSink()
    await table(asked, sink)
    return asked, sink


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/workers", ["GET", "/workers", {}]),
        ("POST", "/workers", ["POST", "/workers", {}]),
        ("GET", "/workers/a b", ["GET", "/workers/{id}", {"id": "a b"}]),
        ("HEAD", "/health", ["HEAD", "/health", {}]),
    ],
)
async def test_route_is_found_by_path_and_method(method: Any, path: Any, expected: Any) -> None:
    """The handler of the route runs, knows the template, and has its placeholders' values."""
    _, sink = await _ask(method, path)

    assert json.loads(sink.body) == expected


async def test_unknown_method_names_the_known_ones() -> None:
    """A path that exists answers 405 with Allow, in the one error shape."""
    asked, sink = await _ask("DELETE", "/workers")

    assert (sink.status, sink.header(b"allow")) == (405, [b"GET, HEAD, POST"])
    assert (asked.trail.error_code, asked.trail.route) == ("method_not_allowed", "/workers")


@pytest.mark.parametrize("path", ["/", "/nothing", "/workers/", "/workers/a/b", "/health/"])
async def test_unknown_path_is_not_found(path: Any) -> None:
    """What no template matches is 404, and never becomes a label of its own."""
    asked = request("GET", path)
    with pytest.raises(NotFoundError):
        await TABLE(asked, RecordingSink())

    assert asked.trail.route == "unknown"


async def test_access_rule_of_the_route_is_enforced() -> None:
    """With a key set, public routes stay open and the others ask for it."""
    table = RouteTable(
        (Route("GET", "/open", _show, Access.PUBLIC), Route("GET", "/shut", _show, Access.SERVING)), keys=Keys("k")
    )

    await _ask("GET", "/open", table)
    with pytest.raises(UnauthenticatedError):
        await _ask("GET", "/shut", table)
