from __future__ import annotations

from tests.server.gateways import GRPC, HTTP, gateway


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
