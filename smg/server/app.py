"""What callers can ask, and what happens around every request: two lists."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from smg.core.words import Endpoint
from smg.middleware.authenticate import Access
from smg.middleware.cors import cors
from smg.middleware.failures import failures, refusing
from smg.middleware.finishing import finishing
from smg.middleware.record import record
from smg.middleware.stamp import stamp
from smg.server.handlers.fleet_admin import FleetAdminHandlers
from smg.server.handlers.health import HealthHandlers
from smg.server.handlers.inference import InferenceHandlers
from smg.server.handlers.models import ModelHandlers
from smg.server.handlers.workers_api import WorkerHandlers
from smg.server.routes import Route, RouteTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.core.clock import Clock
    from smg.core.errors import GatewayError
    from smg.core.observers import Observer
    from smg.core.request import Handler
    from smg.middleware.admit import Admission
    from smg.middleware.authenticate import Keys
    from smg.middleware.finishing import Running
    from smg.server.handlers.inference import Inference
    from smg.server.handlers.workers_api import FleetWrites
    from smg.server.settings import ServerSettings
    from smg.wire.shapes import JsonLimits
    from smg.workers.registry import Registry

SPELLINGS = (
    ("/v1/chat/completions", Endpoint.CHAT),
    ("/v1/completions", Endpoint.COMPLETIONS),
    ("/v1/embeddings", Endpoint.EMBEDDINGS),
    ("/v1/rerank", Endpoint.RERANK),
    ("/rerank", Endpoint.RERANK),
    ("/v1/classify", Endpoint.CLASSIFY),
    ("/classify", Endpoint.CLASSIFY),
    ("/v1/score", Endpoint.SCORE),
    ("/score", Endpoint.SCORE),
    ("/generate", Endpoint.GENERATE),
    ("/v1/tokenize", Endpoint.TOKENIZE),
    ("/tokenize", Endpoint.TOKENIZE),
    ("/v1/detokenize", Endpoint.DETOKENIZE),
    ("/detokenize", Endpoint.DETOKENIZE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the handlers work on."""

    settings: ServerSettings
    keys: Keys
    limits: JsonLimits
    admission: Admission
    registry: Registry
    writes: FleetWrites
    inference: Inference
    running: Running
    draining: Callable[[], bool]
    clock: Clock
    observer: Observer


def around(handler: Handler, parts: Parts) -> Handler:
    """Wrap ``handler`` in what is common to all requests."""
    settings = parts.settings
    layers: tuple[Callable[[Handler], Handler], ...] = (
        # outermost: ids first, since everything inside names the request
        partial(stamp, id_headers=settings.request_id_headers, clock=parts.clock),
        # sees the final status, so it stands outside of what makes one
        partial(record, clock=parts.clock, observer=parts.observer),
        # outside of failures, so that a page can read errors too
        partial(cors, origins=settings.cors_allowed_origins),
        partial(failures, observer=parts.observer),
        # innermost: its error must become an answer
        partial(finishing, running=parts.running),
    )
    for layer in reversed(layers):
        handler = layer(handler)
    return handler


def front(parts: Parts) -> Handler:
    """Return the handler of the listener that callers reach."""
    return around(RouteTable(routes(parts), parts.keys), parts)


def routes(parts: Parts) -> tuple[Route, ...]:
    """Return every way in."""
    return (*_serving(parts), *_facts(parts), *_admin(parts))


def faults(parts: Parts) -> Callable[[GatewayError], Handler]:
    """Return what makes a handler that refuses a request which cannot be routed."""
    return lambda error: around(refusing(error), parts)


def _serving(parts: Parts) -> tuple[Route, ...]:
    handlers = InferenceHandlers(parts.admission.within(parts.inference), lambda: parts.registry.fleet, parts.limits)
    around = parts.admission.around
    return tuple(
        Route("POST", path, around(handlers.handler(endpoint)), Access.SERVING) for path, endpoint in SPELLINGS
    )


def _facts(parts: Parts) -> tuple[Route, ...]:
    models = ModelHandlers(lambda: parts.registry.fleet, int(time.time()))
    health = HealthHandlers(lambda: parts.registry.fleet, parts.draining)
    return (
        Route("GET", "/liveness", health.alive, Access.PUBLIC),
        Route("GET", "/health", health.alive, Access.PUBLIC),
        Route("GET", "/readiness", health.ready, Access.PUBLIC),
        Route("GET", "/health_generate", health.generate, Access.PUBLIC),
        Route("GET", "/v1/models", models.list, Access.SERVING),
        Route("GET", "/v1/models/{model*}", models.show, Access.SERVING),
        Route("GET", "/get_server_info", health.server_info, Access.SERVING),
        Route("GET", "/get_model_info", health.model_info, Access.SERVING),
    )


def _admin(parts: Parts) -> tuple[Route, ...]:
    fleet = FleetAdminHandlers(lambda: parts.registry.fleet, time.time)
    workers = WorkerHandlers(parts.registry, parts.writes, parts.limits, parts.clock, wall=time.time)
    return (
        Route("GET", "/v1/loads", fleet.loads, Access.ADMIN),
        Route("GET", "/get_loads", fleet.loads, Access.ADMIN),
        Route("POST", "/flush_cache", fleet.flush_cache, Access.ADMIN),
        Route("POST", "/workers", workers.create, Access.ADMIN),
        Route("GET", "/workers", workers.list, Access.ADMIN),
        Route("GET", "/workers/{id}", workers.show, Access.ADMIN),
        Route("PUT", "/workers/{id}", workers.replace, Access.ADMIN),
        Route("PATCH", "/workers/{id}", workers.patch, Access.ADMIN),
        Route("DELETE", "/workers/{id}", workers.remove, Access.ADMIN),
    )
