"""What every job knows of its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.generation import EngineFacts
from smg.core.words import Runtime
from smg.routers.grpc.job import context_length
from smg.workers.spec import ModelCard
from tests.routers.grpc.scripted import pipeline, worker_at

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer


async def test_the_context_is_the_operators_then_the_engines_then_the_models(tokenizer: Tokenizer) -> None:
    """By any name of the model."""
    worker = await worker_at("grpc://127.0.0.1:1", Runtime.VLLM, tokenizer)
    async with pipeline(worker):
        assert context_length(worker, "m") == 64
        worker.facts = EngineFacts(context_length=50)
        assert context_length(worker, "m") == 50
        worker.models = (ModelCard(id="m", aliases=("alias",), context_length=40),)

        assert context_length(worker, "alias") == 40
