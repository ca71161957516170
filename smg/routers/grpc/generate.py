"""SGLang's native endpoint: one prompt or a batch, each with its own sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from smg.core.errors import InvalidRequestError
from smg.routers.grpc.generation_job import Ask, GenerationJob
from smg.routers.grpc.prompts import sources
from smg.wire.openai.bodies import GenerateBody, decode_body
from smg.wire.openai.generate_answers import GenerateShape, GenerateStyle
from smg.wire.openai.sampling import generate_sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.request import InferenceRequest
    from smg.routers.grpc.job import Kit
    from smg.routers.grpc.prompts import Prompt
    from smg.wire.openai.answer_style import AnswerStyle
    from smg.workers.grpc_worker import GrpcWorker

DEFAULT_TOKENS: Final = 128
"""What SGLang takes silence for."""


class GenerateJob(GenerationJob):
    """One ``/generate``."""

    def __init__(self, request: InferenceRequest, kit: Kit) -> None:
        self._body = decode_body(GenerateBody, request.body)
        self._param = "text" if self._body.text is not None else "input_ids"
        self._sources = sources(self._body.prompts, self._param)
        asks = [_ask(self._body, number) for number in range(len(self._sources))]
        if len({ask.sampling.n for ask in asks}) > 1:
            raise InvalidRequestError("n must be the same for all prompts", param="sampling_params")
        super().__init__(request, kit, asks)
        self._began = kit.clock.now()

    @override
    async def _encode(self, worker: GrpcWorker) -> list[Prompt]:
        return await self._reader(worker).read_all(self._sources, self._param, special=True)

    @override
    def _style(self, prompts: Sequence[Prompt], worker: GrpcWorker) -> AnswerStyle:
        body, count = self._body, self._asks[0].sampling.n
        numbers = [number for number in range(len(prompts)) for _ in range(count)]
        shape = GenerateShape(
            answer_ids=[self._answer_id(number) for number in numbers],
            prompt_tokens=[len(prompts[number].ids) for number in numbers],
            several=body.batch or count > 1,
            logprobs=[self._asks[number].logprobs is not None for number in numbers],
            spelt=bool(body.return_text_in_logprobs),
        )
        return GenerateStyle(shape, self._elapsed)

    def _answer_id(self, number: int) -> str:
        several = len(self._asks) > 1
        return self._body.each(self._body.rid, number) or self._request.id + (f"-{number}" if several else "")

    def _elapsed(self) -> float:
        return self._kit.clock.now() - self._began


def _ask(body: GenerateBody, number: int) -> Ask:
    logprobs = body.alternatives(number)
    return Ask(
        sampling=generate_sampling(body.params(number)),
        default_tokens=DEFAULT_TOKENS,
        logprobs=logprobs,
        prompt_logprobs=logprobs if body.scores_prompt(number) else None,
        prompt_from=body.each(body.logprob_start_len, number) or 0,
    )
