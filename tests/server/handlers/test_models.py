from __future__ import annotations

import json

import pytest

from smg.core.words import LifeState
from smg.server.handlers.models import ModelHandlers
from smg.testing.sink import CollectingSink
from smg.workers.fleet import assemble
from tests.middleware.recording import request
from tests.server.gateways import GRPC, HTTP, gateway
from tests.workers.support import build


async def test_model_of_both_modes_is_listed_once() -> None:
    """OpenAI's list has one entry per model, whoever serves it, with the length a prompt may have."""
    async with gateway(HTTP, GRPC) as asked:
        status, _, told = await asked.ask("GET", "/v1/models")

    assert (status, told["object"]) == (200, "list")
    [entry] = told["data"]
    assert (entry["id"], entry["object"], entry["max_model_len"]) == ("sim", "model", 32768)


async def test_one_model_is_shown_by_its_name() -> None:
    """A model can be asked for by name; an unknown one is 404."""
    async with gateway(HTTP) as asked:
        _, _, told = await asked.ask("GET", "/v1/models/sim")
        status, _, error = await asked.ask("GET", "/v1/models/some/other")

    assert told["id"] == "sim"
    assert (status, error["error"]["code"]) == (404, "model_not_found")


async def test_models_of_a_gone_worker_are_not_listed() -> None:
    """Only workers that take requests count."""
    async with gateway(HTTP) as asked:
        [worker] = asked.gateway.registry.fleet.workers
        await asked.gateway.registry.remove(worker)
        _, _, told = await asked.ask("GET", "/v1/models")

    assert told["data"] == []


@pytest.mark.parametrize(("ratio", "listed"), [(0.0, []), (0.5, ["m"])])
async def test_models_in_panic_are_listed(ratio: float, listed: list[str]) -> None:
    """They can be asked for though no worker of theirs is well; without a ratio they cannot."""
    worker = build("http://h:1", models=[{"id": "m"}])
    worker.move(LifeState.READY, "test")
    worker.move(LifeState.UNHEALTHY, "test")
    fleet = assemble({worker.id: worker}, ratio)
    sink = CollectingSink()
    await ModelHandlers(lambda: fleet, 0).list(request(), sink)

    assert [entry["id"] for entry in json.loads(sink.body)["data"]] == listed
