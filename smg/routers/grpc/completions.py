"""Text completions: one prompt or several, in text or in ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from smg.routers.grpc.generation_job import Ask, GenerationJob, usage_wishes
from smg.routers.grpc.prompts import sources
from smg.wire.openai.bodies import CompletionBody, decode_body
from smg.wire.openai.completion_answers import CompletionStyle
from smg.wire.openai.sampling import completion_sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.request import InferenceRequest
    from smg.routers.grpc.job import Kit
    from smg.routers.grpc.prompts import Prompt
    from smg.text.tokenizer import Tokenizer
    from smg.wire.openai.answer_style import AnswerStyle
    from smg.workers.grpc_worker import GrpcWorker


class CompletionJob(GenerationJob):
    """One ``/v1/completions``."""

    def __init__(self, request: InferenceRequest, kit: Kit) -> None:
        self._body = body = decode_body(CompletionBody, request.body)
        self._sources = sources(body.prompt, "prompt")
        sampling = completion_sampling(body)
        sampling.max_tokens = body.max_tokens  # silence is cut to what the context leaves, a number is not
        ask = Ask(
            sampling=sampling,
            default_tokens=body.answer_tokens,
            logprobs=body.alternatives,
            prompt_logprobs=body.alternatives if body.echo else None,
        )
        super().__init__(request, kit, [ask] * len(self._sources))

    @override
    async def _encode(self, worker: GrpcWorker) -> list[Prompt]:
        reader = self._reader(worker)
        return await reader.read_all(self._sources, "prompt", special=self._body.add_special_tokens is not False)

    @override
    def _style(self, prompts: Sequence[Prompt], worker: GrpcWorker) -> AnswerStyle:
        body = self._body
        return CompletionStyle(
            body.rid or f"cmpl-{self._request.id}",
            self._request.model,
            int(self._kit.wall()),
            echoes=_echoes(prompts, worker.tokenizer, body.n or 1) if body.echo else (),
            logprobs=body.logprobs,
            usage=usage_wishes(body.stream_options),
        )


def _echoes(prompts: Sequence[Prompt], tokenizer: Tokenizer, count: int) -> list[str]:
    """Return for each answer the prompt that stands before it."""
    texts = [prompt.text or tokenizer.decode(prompt.ids, skip_special_tokens=True) for prompt in prompts]
    return [text for text in texts for _ in range(count)]
