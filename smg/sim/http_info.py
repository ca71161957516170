"""What an engine tells about itself over HTTP, and its administration."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp import web

from smg.core.words import Runtime
from smg.sim import facts, vocabulary
from smg.sim.http_calls import json_response, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smg.sim.machine import Machine

Handler: TypeAlias = "Callable[[web.Request], Awaitable[web.StreamResponse]]"


def add_routes(app: web.Application, machine: Machine) -> None:
    """Add the routes that the runtime has."""
    info = Info(machine)
    for path in ("/health", "/ping", "/health_generate"):
        app.router.add_get(path, info.health)
    app.router.add_get("/v1/models", info.models)
    app.router.add_get("/metrics", info.metrics)
    for path in ("/v1/loads", "/get_load"):
        app.router.add_get(path, info.loads)
    app.router.add_post("/sim/faults", info.set_fault)
    if machine.runtime is Runtime.VLLM:
        app.router.add_get("/version", info.version)
        app.router.add_post("/reset_prefix_cache", info.flush)
        return
    for name, told in (("server_info", info.server_info), ("model_info", info.model_info)):
        app.router.add_get(f"/{name}", told)
        app.router.add_get(f"/get_{name}", told)
    app.router.add_route("*", "/flush_cache", info.flush)
    app.router.add_post("/abort_request", info.abort)


class Info:
    """The handlers."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def health(self, _request: web.Request) -> web.Response:
        """Answer 200 with nothing, or 503."""
        return web.Response(status=200 if self._machine.healthy else 503)

    async def models(self, _request: web.Request) -> web.Response:
        """List the one model."""
        settings = self._machine.settings
        model = {
            "id": settings.model,
            "object": "model",
            "created": int(time.time()),
            "owned_by": self._machine.runtime.value,
            "root": settings.model,
            "parent": None,
            "max_model_len": settings.context_length,
        }
        return json_response({"object": "list", "data": [model]})

    async def version(self, _request: web.Request) -> web.Response:
        """Tell vLLM's version."""
        return json_response({"version": self._machine.version})

    async def server_info(self, _request: web.Request) -> web.Response:
        """Tell SGLang's server arguments."""
        return json_response(facts.server_args(self._machine) | {"version": self._machine.version})

    async def model_info(self, _request: web.Request) -> web.Response:
        """Tell SGLang's facts of the model."""
        name = self._machine.settings.model
        info: dict[str, Any] = {"model_path": name, "tokenizer_path": name, "is_generation": True}
        info |= {"has_image_understanding": False, "has_audio_understanding": False, "weight_version": "default"}
        return json_response(info | {"model_type": "sim", "architectures": [vocabulary.ARCHITECTURE]})

    async def loads(self, request: web.Request) -> web.Response:
        """Tell the load of each rank; ``/get_load`` is the old, short form."""
        found = facts.loads(self._machine)
        if request.path == "/get_load":
            short = [
                {
                    "dp_rank": one["dp_rank"],
                    "num_reqs": one["num_total_reqs"],
                    "num_waiting_reqs": one["num_waiting_reqs"],
                    "num_tokens": one["num_used_tokens"],
                }
                for one in found
            ]
            return json_response(short)
        around = {"timestamp": facts.timestamp(), "version": self._machine.version}
        return json_response(around | {"dp_rank_count": len(found), "loads": found})

    async def metrics(self, _request: web.Request) -> web.Response:
        """Tell the gauges under the runtime's names."""
        return web.Response(text=facts.metrics(self._machine), content_type="text/plain")

    async def flush(self, _request: web.Request) -> web.Response:
        """Forget the cached prefixes."""
        self._machine.flush()
        return web.Response(text="Cache flushed.\n")

    async def abort(self, request: web.Request) -> web.Response:
        """End the requests of an id."""
        self._machine.abort(str((await request.json()).get("rid")))
        return web.Response()

    async def set_fault(self, request: web.Request) -> web.Response:
        """Set the standing fault: ``{"fault": "stall"}``, null takes it away; ``rank`` narrows it."""
        asked = await request.json()
        try:
            self._machine.faults.set(asked.get("fault"), rank=asked.get("rank"))
        except ValueError as error:
            return refusal(self._machine.runtime, 400, str(error))
        return web.Response()
