"""Embeddings: one call to the engine per input, side by side."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from typing_extensions import override

from smg.core.errors import UnsupportedEndpointError, UnsupportedFieldError
from smg.core.request import reply
from smg.routers.grpc.job import Job, context_length
from smg.routers.grpc.prompts import check_fits, sources
from smg.routers.grpc.run import CALLS_AT_ONCE, together
from smg.wire.openai.bodies import EmbeddingBody, decode_body
from smg.wire.openai.embedding_answers import embeddings_body

if TYPE_CHECKING:
    from smg.core.generation import Embedding
    from smg.core.request import InferenceRequest, Sink
    from smg.routers.grpc.job import Kit
    from smg.routers.grpc.prompts import Prompt
    from smg.wire.engines.dialect import Dialect
    from smg.workers.grpc_worker import GrpcWorker


class EmbeddingJob(Job):
    """One ``/v1/embeddings``."""

    def __init__(self, request: InferenceRequest, kit: Kit) -> None:
        super().__init__(request, kit)
        self._body = decode_body(EmbeddingBody, request.body)
        self._sources = sources(self._body.input, "input")

    @override
    def refuse(self, dialect: Dialect) -> None:
        engine = dialect.runtime.value
        if dialect.embed is None:
            raise UnsupportedEndpointError(f"the {engine} engine serves no embeddings")
        if self._body.dimensions is not None:
            raise UnsupportedFieldError(f"dimensions is not supported by the {engine} engine", param="dimensions")

    @override
    async def answer(self, worker: GrpcWorker, sink: Sink) -> None:
        prompts = await self._reader(worker).read_all(self._sources, "input", special=True)
        check_fits(prompts, context_length(worker, self._request.model))
        embeddings = await self._embed(worker, prompts)
        self._request.trail.prompt_tokens = sum(embedding.prompt_tokens for embedding in embeddings)
        body = embeddings_body(self._request.model, embeddings, as_base64=self._body.encoding_format == "base64")
        reply(sink, 200, body)

    async def _embed(self, worker: GrpcWorker, prompts: list[Prompt]) -> list[Embedding]:
        found: dict[int, Embedding] = {}
        slots = asyncio.Semaphore(CALLS_AT_ONCE)
        watching = self._watching(worker)
        call = f"{self._request.id}-{secrets.token_hex(8)}"

        async def embed(number: int, prompt: Prompt) -> None:
            async with slots:
                found[number] = await worker.embed(f"{call}-{number}", prompt.ids, prompt.text, watching(False))

        await together([embed(number, prompt) for number, prompt in enumerate(prompts)])
        return [found[number] for number in range(len(prompts))]
