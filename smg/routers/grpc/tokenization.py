"""Text to token ids and back by the model's tokenizer, without asking the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from smg.core.request import reply
from smg.routers.grpc.encoding import Reader
from smg.routers.grpc.job import Job, context_length
from smg.routers.grpc.prompts import check_ids, sources
from smg.wire.openai.bodies import DetokenizeBody, TokenizeBody, decode_body

if TYPE_CHECKING:
    from smg.core.request import InferenceRequest, Sink
    from smg.routers.grpc.job import Kit
    from smg.routers.grpc.prompts import Prompt
    from smg.text.tokenizer import Tokenizer
    from smg.wire.engines.dialect import Dialect
    from smg.workers.grpc_worker import GrpcWorker


class TokenizeJob(Job):
    """One ``/tokenize`` of a prompt, of several, or of a chat."""

    def __init__(self, request: InferenceRequest, kit: Kit) -> None:
        super().__init__(request, kit)
        self._body = decode_body(TokenizeBody, request.body)
        self._sources = [] if self._body.prompt is None else sources(self._body.prompt, "prompt", empty=True)

    @override
    def refuse(self, dialect: Dialect) -> None:
        """Refuse nothing: the tokenizer is the gateway's."""

    @override
    async def answer(self, worker: GrpcWorker, sink: Sink) -> None:
        body, reader = self._body, Reader(worker.tokenizer, self._kit.encoder)
        if body.messages is not None:
            prompts = [await self._converse(body.messages, reader)]
        else:
            special = body.add_special_tokens is not False
            prompts = [await reader.spell(source, "prompt", special=special) for source in self._sources]
        fields = self._fields(prompts, worker.tokenizer)
        fields["max_model_len"] = context_length(worker, self._request.model)
        reply(sink, 200, msgspec.json.encode(fields))

    async def _converse(self, messages: list[dict[str, Any]], reader: Reader) -> Prompt:
        body = self._body
        text = await reader.converse(
            messages,
            tools=body.tool_fields,
            add_generation_prompt=body.add_generation_prompt is not False,
            continue_final_message=bool(body.continue_final_message),
            kwargs=body.chat_template_kwargs,
        )
        return await reader.read(text, "messages", special=bool(body.add_special_tokens))

    def _fields(self, prompts: list[Prompt], tokenizer: Tokenizer) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {
            "tokens": [prompt.ids for prompt in prompts],
            "count": [len(prompt.ids) for prompt in prompts],
            "char_count": [len(prompt.text) for prompt in prompts],
        }
        if self._body.return_token_strs:
            columns["token_strs"] = [[tokenizer.name(one) for one in prompt.ids] for prompt in prompts]
        several = isinstance(self._body.prompt, list)
        return {name: column if several else column[0] for name, column in columns.items()}


class DetokenizeJob(Job):
    """One ``/detokenize`` of one list of ids, or of several."""

    def __init__(self, request: InferenceRequest, kit: Kit) -> None:
        super().__init__(request, kit)
        self._body = decode_body(DetokenizeBody, request.body)

    @override
    def refuse(self, dialect: Dialect) -> None:
        """Refuse nothing: the tokenizer is the gateway's."""

    @override
    async def answer(self, worker: GrpcWorker, sink: Sink) -> None:
        lists = [item for item in self._body.tokens if isinstance(item, list)]
        if lists:
            text: str | list[str] = [self._text(ids, worker) for ids in lists]
        else:
            text = self._text([item for item in self._body.tokens if isinstance(item, int)], worker)
        # SGLang says text, vLLM says prompt
        reply(sink, 200, msgspec.json.encode({"text": text, "prompt": text}))

    def _text(self, ids: list[int], worker: GrpcWorker) -> str:
        check_ids(ids, worker.tokenizer.vocab_size, "tokens")
        asked = self._body.skip_special_tokens
        skip = not worker.dialect.manner.special_text if asked is None else asked
        text: str = worker.tokenizer.decode(ids, skip_special_tokens=skip)
        return text
