"""What chat, completions and the native endpoint have in common: prompts in, sampled answers out."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from smg.core.errors import InvalidRequestError
from smg.core.generation import Generation, Sampling
from smg.routers.grpc.choice import Choice
from smg.routers.grpc.job import Job, context_length
from smg.routers.grpc.outputs import Joined, Streamed, Whole
from smg.routers.grpc.prompts import answer_tokens
from smg.routers.grpc.run import Run, perform
from smg.routers.grpc.sampling import settled
from smg.routers.grpc.tally import Tally
from smg.wire.openai.chunks import UsageWishes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smg.core.request import InferenceRequest, Sink
    from smg.core.words import Runtime
    from smg.routers.grpc.job import Kit
    from smg.routers.grpc.outputs import Output
    from smg.routers.grpc.prompts import Prompt
    from smg.wire.engines.dialect import Dialect
    from smg.wire.openai.answer_style import AnswerStyle
    from smg.wire.openai.stream_options import StreamOptions
    from smg.workers.grpc_worker import GrpcWorker

ANSWERS_AT_MOST: Final = 4096
"""Answers to one request; each has a state of its own from the first call on."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of the engine for one prompt, as the caller said it.

    Attributes:
        default_tokens: Tokens of an answer where the caller is silent; None for all the context leaves.
        logprobs: As in ``Generation``.
        prompt_logprobs: As in ``Generation``.
        prompt_from: The first token of the prompt whose log-probability is told.
    """

    sampling: Sampling
    default_tokens: int | None
    logprobs: int | None
    prompt_logprobs: int | None
    prompt_from: int = 0

    def generation(self, name: str, prompt: Prompt | None, sampling: Sampling, *, stream: bool) -> Generation:
        """Return the call named ``name``; without a prompt it only shows what would be asked."""
        return Generation(
            request_id=name,
            prompt_ids=prompt.ids if prompt is not None else [],
            prompt_text=prompt.text if prompt is not None else "",
            sampling=sampling,
            stream=stream,
            logprobs=self.logprobs,
            prompt_logprobs=self.prompt_logprobs,
        )


class GenerationJob(Job):
    """A request for sampled text: one ask per prompt, all with the same number of answers.

    Raises:
        InvalidRequestError: The body is at fault, or asks for too many answers.
    """

    def __init__(self, request: InferenceRequest, kit: Kit, asks: Sequence[Ask]) -> None:
        super().__init__(request, kit)
        if sum(ask.sampling.n for ask in asks) > ANSWERS_AT_MOST:
            raise InvalidRequestError(f"n times the prompts must be at most {ANSWERS_AT_MOST}", param="n")
        self._asks = asks
        self._encoded: dict[tuple[str, Runtime], list[Prompt]] = {}

    @override
    def refuse(self, dialect: Dialect) -> None:
        for ask in self._asks:
            dialect.refuse(ask.generation("", None, ask.sampling, stream=self._request.stream))

    @override
    async def answer(self, worker: GrpcWorker, sink: Sink) -> None:
        prompts = await self._prompts(worker)
        tally = Tally([len(prompt.ids) for prompt in prompts])
        try:
            runs = list(self._runs(worker, prompts, tally))
            output = self._output(len(runs))(sink, self._style(prompts, worker), tally.usage)
            await perform(worker, runs, output, self._watching(worker))
            output.end()
        finally:
            self._request.trail.prompt_tokens = tally.usage.prompt_tokens
            self._request.trail.completion_tokens = tally.usage.completion_tokens

    def _output(self, calls: int) -> type[Output]:
        if not self._request.stream:
            return Whole
        return Joined if calls > 1 else Streamed

    async def _prompts(self, worker: GrpcWorker) -> list[Prompt]:
        """Encode once for all attempts at engines of one kind and tokenizer."""
        kind = worker.tokenizer.fingerprint, worker.runtime
        if kind not in self._encoded:
            self._encoded[kind] = await self._encode(worker)
        return self._encoded[kind]

    @abstractmethod
    async def _encode(self, worker: GrpcWorker) -> list[Prompt]:
        """Return the prompts in ids."""

    @abstractmethod
    def _style(self, prompts: Sequence[Prompt], worker: GrpcWorker) -> AnswerStyle:
        """Return the shape of the answer."""

    def _runs(self, worker: GrpcWorker, prompts: Sequence[Prompt], tally: Tally) -> Iterator[Run]:
        """Yield the calls: one per prompt, or one per answer where the engine gives only one at a time."""
        call = f"{self._request.id}-{secrets.token_hex(8)}"  # a caller's request ids may repeat, the engine's must not
        for number, (ask, prompt) in enumerate(zip(self._asks, prompts, strict=True)):
            whole = _settled(ask, prompt, worker, self._request.model)
            stream = self._request.stream or (bool(whole.stop) and not worker.dialect.engine_stops)
            for first, sampling in _parts(whole, worker.dialect.max_n):
                generation = ask.generation(f"{call}-{number}-{first}", prompt, sampling, stream=stream)
                generation.rank = worker.rank
                choices = _choices(worker, generation, number * whole.n + first, ask.prompt_from)
                yield Run(generation, number, choices, tally)


def _settled(ask: Ask, prompt: Prompt, worker: GrpcWorker, model: str) -> Sampling:
    context = context_length(worker, model)
    model_limit = worker.tokenizer.answer_tokens if worker.dialect.manner.model_limit else None
    tokens = answer_tokens(prompt, context, ask.sampling.max_tokens, ask.default_tokens or model_limit)
    return settled(ask.sampling, tokens, worker.tokenizer, worker.facts)


def _parts(sampling: Sampling, limit: int | None) -> Iterator[tuple[int, Sampling]]:
    """Split ``n`` answers into calls of at most ``limit``; copies of one seed would all be the same answer."""
    each = sampling.n if limit is None else min(sampling.n, limit)
    for first in range(0, sampling.n, each):
        seed = None if sampling.seed is None else sampling.seed + first
        yield first, replace(sampling, n=min(each, sampling.n - first), seed=seed)


def _choices(worker: GrpcWorker, generation: Generation, first: int, prompt_from: int) -> list[Choice]:
    indices = range(first, first + generation.sampling.n)
    return [Choice(index, worker.tokenizer, generation, worker.dialect, prompt_from=prompt_from) for index in indices]


def usage_wishes(options: StreamOptions | None) -> UsageWishes:
    """Return where the caller wants a stream's usage."""
    if options is None or not options.include_usage:
        return UsageWishes()
    return UsageWishes(at_end=True, in_chunks=bool(options.continuous_usage_stats))
