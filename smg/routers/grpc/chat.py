"""Chat completions: the model's template makes the one prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from smg.core.errors import UnsupportedFieldError
from smg.routers.grpc.generation_job import Ask, GenerationJob, usage_wishes
from smg.wire.openai.bodies import ChatBody, decode_body
from smg.wire.openai.chat_answers import ChatStyle
from smg.wire.openai.sampling import chat_sampling

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from smg.core.request import InferenceRequest
    from smg.routers.grpc.job import Kit
    from smg.routers.grpc.prompts import Prompt
    from smg.wire.openai.answer_style import AnswerStyle
    from smg.workers.grpc_worker import GrpcWorker


class ChatJob(GenerationJob):
    """One ``/v1/chat/completions``."""

    def __init__(self, request: InferenceRequest, kit: Kit) -> None:
        self._body = decode_body(ChatBody, request.body)
        _check_tool_choice(self._body)
        ask = Ask(
            sampling=chat_sampling(self._body),
            default_tokens=None,
            logprobs=self._body.alternatives,
            prompt_logprobs=None,
        )
        super().__init__(request, kit, [ask])

    @override
    async def _encode(self, worker: GrpcWorker) -> list[Prompt]:
        body, reader = self._body, self._reader(worker)
        unused = body.tool_choice == "none" and not worker.dialect.manner.unused_tools
        text = await reader.converse(
            body.messages,
            tools=None if unused else body.tool_fields,
            add_generation_prompt=body.generation_prompt,
            continue_final_message=bool(body.continue_final_message),
            kwargs=_variables(body),
        )
        return [await reader.read(text, "messages", special=bool(body.add_special_tokens))]

    @override
    def _style(self, prompts: Sequence[Prompt], worker: GrpcWorker) -> AnswerStyle:
        body = self._body
        return ChatStyle(
            body.rid or f"chatcmpl-{self._request.id}",
            self._request.model,
            int(self._kit.wall()),
            logprobs=bool(body.logprobs),
            usage=usage_wishes(body.stream_options),
        )


def _check_tool_choice(body: ChatBody) -> None:
    """Refuse to promise a tool call: the answer's text is not yet parsed for any."""
    if body.tool_choice not in (None, "none", "auto"):
        raise UnsupportedFieldError("tool_choice must be none or auto for this model", param="tool_choice")


def _variables(body: ChatBody) -> dict[str, Any]:
    """Return what the caller has for the template beside the conversation."""
    effort = {} if body.reasoning_effort is None else {"reasoning_effort": body.reasoning_effort}
    return {**effort, **(body.chat_template_kwargs or {})}
