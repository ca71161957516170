"""Requests for engines: read what routing needs, leave the rest as it came, and hand over to the attempt loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias

from smg.core.errors import InvalidRequestError, NoWorkerError, UnsupportedMediaTypeError
from smg.core.request import InferenceRequest
from smg.wire.routing import read_routing, steps_of_routing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from smg.core.request import Handler, Request, Sink
    from smg.core.words import Endpoint
    from smg.wire.shapes import JsonLimits, RoutingFields
    from smg.workers.fleet import Fleet

BYTES_PER_TOKEN: Final = 4
RETRY_AFTER_SECS: Final = 1.0
LARGE_BYTES: Final = 1 << 20
"""A body from this size on may take milliseconds to be read: up to three for each MiB."""

JSON: Final = b"application/json"
CHARSETS: Final = frozenset({b"", b"charset=utf-8", b'charset="utf-8"', b"charset=utf8"})


Inference: TypeAlias = "Callable[[InferenceRequest, Sink], Awaitable[None]]"
"""Answers an inference request; the attempt loop does."""


class InferenceHandlers:
    """Makes the handler of each inference endpoint."""

    def __init__(self, inference: Inference, fleet: Callable[[], Fleet], limits: JsonLimits) -> None:
        self._inference = inference
        self._fleet = fleet
        self._limits = limits
        self._turn = asyncio.Lock()

    def handler(self, endpoint: Endpoint) -> Handler:
        """Return the handler that serves ``endpoint``."""
        path = endpoint.value

        async def handle(request: Request, sink: Sink) -> None:
            check_media_type(request)
            await self._inference(await self._read(request, endpoint, path), sink)

        return handle

    async def _read(self, request: Request, endpoint: Endpoint, path: str) -> InferenceRequest:
        body = await request.receive()
        if len(body) < LARGE_BYTES:
            fields = read_routing(endpoint, body, self._limits)
        else:
            fields = await self._in_steps(endpoint, body)
        model = fields.model or self._only_model()
        request.trail.model = model
        request.trail.streaming = fields.stream
        return InferenceRequest(
            id=request.id,
            endpoint=endpoint,
            path=f"{path}?{request.query}" if request.query else path,
            headers=request.headers,
            body=body,
            model=model,
            stream=fields.stream,
            tokens=max(1, len(body) // BYTES_PER_TOKEN),
            began_at=request.arrived_at,
            trail=request.trail,
        )

    async def _in_steps(self, endpoint: Endpoint, body: bytes) -> RoutingFields:
        """Read what routing needs of a large body, one such at a time, with turns of the loop between the steps."""
        async with self._turn:
            return await in_turns(steps_of_routing(endpoint, body, self._limits))

    def _only_model(self) -> str:
        fleet = self._fleet()
        models = fleet.models()
        if not models and fleet.undiscovered:
            raise NoWorkerError("the workers are still starting", retry_after_secs=RETRY_AFTER_SECS)
        if len(models) != 1:
            raise InvalidRequestError("model is required: there is not exactly one to choose", param="model")
        return models[0].id


async def in_turns(steps: Generator[None, None, RoutingFields]) -> RoutingFields:
    """Return what the steps come to; before each of them, and behind the last, the loop has a turn."""
    while True:
        await asyncio.sleep(0)
        try:
            next(steps)
        except StopIteration as end:
            fields: RoutingFields = end.value
            await asyncio.sleep(0)
            return fields


def check_media_type(request: Request) -> None:
    """Refuse a body that does not say it is JSON in UTF-8.

    Raises:
        UnsupportedMediaTypeError: By ``Content-Type``, which must be there.
    """
    kind = request.fields.get(b"content-type") or b""
    if kind == JSON:
        return
    media, _, parameter = kind.lower().partition(b";")
    if media.strip() != JSON or parameter.strip() not in CHARSETS:
        raise UnsupportedMediaTypeError("content-type must be application/json in utf-8")
