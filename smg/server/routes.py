"""The table of paths: which handler serves which method and path, and who may ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smg.core.errors import MethodNotAllowedError, NotFoundError
from smg.middleware.authenticate import Access, authenticate
from smg.middleware.failures import answer_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from smg.core.request import Handler, Request, Sink
    from smg.middleware.authenticate import Keys


@dataclass(frozen=True, slots=True)
class Route:
    """One way in.

    Attributes:
        template: Path whose segments in braces match any one segment, which goes to ``request.params``; a last
            one with a star (``{name*}``) matches the whole rest.
        access: Who may ask; there is no default.
    """

    method: str
    template: str
    handler: Handler
    access: Access


class RouteTable:
    """A handler that hands each request to the route that matches it."""

    def __init__(self, routes: Iterable[Route], keys: Keys) -> None:
        self._plain: dict[str, dict[str, Handler]] = {}
        self._patterned: dict[str, dict[str, Handler]] = {}
        for route in routes:
            table = self._patterned if "{" in route.template else self._plain
            methods = table.setdefault(route.template, {})
            methods[route.method] = authenticate(route.handler, access=route.access, keys=keys)
            if route.method == "GET":
                methods["HEAD"] = methods["GET"]

    def __call__(self, request: Request, sink: Sink) -> Awaitable[None]:
        """Answer one request; raises NotFoundError where no template matches its path."""
        methods = self._methods(request)
        handler = methods.get(request.method)
        return _refuse(request, sink, methods) if handler is None else handler(request, sink)

    def _methods(self, request: Request) -> dict[str, Handler]:
        if methods := self._plain.get(request.path):
            request.trail.route = request.path
            return methods
        segments = request.path.split("/")
        for template, methods in self._patterned.items():
            if (params := _match(template.split("/"), segments)) is not None:
                request.trail.route = template
                request.params = params
                return methods
        raise NotFoundError("there is nothing at this path")


async def _refuse(request: Request, sink: Sink, methods: Iterable[str]) -> None:
    """Say which methods a path has instead of the one that was asked for."""
    error = MethodNotAllowedError(f"this path does not serve {request.method[:16]}")
    answer_error(request, sink, error, ((b"allow", ", ".join(sorted(methods)).encode()),))


def _match(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if template[-1].endswith("*}"):
        segments = [*segments[: len(template) - 1], "/".join(segments[len(template) - 1 :])]
    if len(template) != len(segments):
        return None
    params: dict[str, str] = {}
    for wanted, given in zip(template, segments, strict=True):
        if wanted.startswith("{") and given:
            params[wanted.strip("{*}")] = given
        elif wanted != given:
            return None
    return params
