"""What chat, completions and the native endpoint have in common: prompts in, sampled answers out."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import override

from smg.core.generation import Generation
from smg.routers.grpc.choice import Choice
from smg.routers.grpc.job import Job, context_length
from smg.routers.grpc.outputs import Streamed, Whole
from smg.routers.grpc.prompts import answer_tokens
from smg.routers.grpc.run import Run, perform
from smg.routers.grpc.sampling import settled
from smg.routers.grpc.spelling import Speller
from smg.routers.grpc.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smg.core.generation import Sampling
    from smg.core.request import InferenceRequest, Sink
    from smg.routers.grpc.job import Kit
    from smg.routers.grpc.prompts import Prompt
    from smg.text.tokenizer import Tokenizer
    from smg.wire.engines.dialect import Dialect
    from smg.wire.openai.answer_style import AnswerStyle
    from smg.workers.grpc_worker import GrpcWorker


class GenerationJob(Job):
    """A request for sampled text.

    Attributes:
        default_tokens: Tokens of an answer where the caller is silent; None for all the context leaves.
        logprobs: As in ``Generation``.
        prompt_logprobs: As in ``Generation``.
    """

    default_tokens: int | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None

    def __init__(self, request: InferenceRequest, kit: Kit, sampling: Sampling) -> None:
        super().__init__(request, kit)
        self._sampling = sampling
        self._encoded: dict[str, list[Prompt]] = {}

    @override
    def refuse(self, dialect: Dialect) -> None:
        dialect.refuse(self._ask("", [], "", self._sampling))

    @override
    async def answer(self, worker: GrpcWorker, sink: Sink) -> None:
        prompts = await self._prompts(worker.tokenizer)
        tally = Tally([len(prompt.ids) for prompt in prompts])
        output = (Streamed if self._request.stream else Whole)(sink, self._style(prompts, worker), tally.usage)
        try:
            await perform(worker, list(self._runs(worker, prompts, tally)), output)
            output.end()
        finally:
            self._request.trail.prompt_tokens = tally.usage.prompt_tokens
            self._request.trail.completion_tokens = tally.usage.completion_tokens

    async def _prompts(self, tokenizer: Tokenizer) -> list[Prompt]:
        """Encode once for all attempts at workers of one tokenizer."""
        if tokenizer.fingerprint not in self._encoded:
            self._encoded[tokenizer.fingerprint] = await self._encode(tokenizer)
        return self._encoded[tokenizer.fingerprint]

    @abstractmethod
    async def _encode(self, tokenizer: Tokenizer) -> list[Prompt]:
        """Return the prompts in ids."""

    @abstractmethod
    def _style(self, prompts: Sequence[Prompt], worker: GrpcWorker) -> AnswerStyle:
        """Return the shape of the answer."""

    def _runs(self, worker: GrpcWorker, prompts: Sequence[Prompt], tally: Tally) -> Iterator[Run]:
        """Yield the calls: one per prompt, or one per answer where the engine gives only one at a time."""
        call = secrets.token_hex(8)  # callers may repeat their request ids; the engine's must not repeat
        count = self._sampling.n
        limit = worker.dialect.max_n
        each = count if limit is None else min(count, limit)
        for number, prompt in enumerate(prompts):
            sampling = self._settled(worker, prompt)
            for first in range(0, count, each):
                name = f"{self._request.id}-{call}-{number}-{first}"
                part = _part(sampling, first, min(each, count - first))
                generation = self._ask(name, prompt.ids, prompt.text, part)
                generation.rank = worker.rank
                generation.stream = self._streams(worker.dialect)
                yield Run(generation, number, self._choices(worker, part, number * count + first), tally)

    def _settled(self, worker: GrpcWorker, prompt: Prompt) -> Sampling:
        context = context_length(worker, self._request.model)
        tokens = answer_tokens(prompt, context, self._sampling.max_tokens, self.default_tokens)
        return settled(self._sampling, tokens, worker.tokenizer, worker.facts)

    def _choices(self, worker: GrpcWorker, sampling: Sampling, first: int) -> list[Choice]:
        speller = Speller(worker.tokenizer)
        return [Choice(first + index, worker.tokenizer, sampling, speller.spell) for index in range(sampling.n)]

    def _streams(self, dialect: Dialect) -> bool:
        """Whether the engine shall send tokens as they come, be it only to watch for stop strings."""
        return self._request.stream or (bool(self._sampling.stop) and not dialect.engine_stops)

    def _ask(self, name: str, prompt_ids: list[int], prompt_text: str, sampling: Sampling) -> Generation:
        return Generation(
            request_id=name,
            prompt_ids=prompt_ids,
            prompt_text=prompt_text,
            sampling=sampling,
            stream=self._request.stream,
            logprobs=self.logprobs,
            prompt_logprobs=self.prompt_logprobs,
        )


def _part(sampling: Sampling, first: int, count: int) -> Sampling:
    """Return the sampling of some of the answers; copies of one seed would all be the same answer."""
    seed = None if sampling.seed is None else sampling.seed + first
    return replace(sampling, n=count, seed=seed)
