"""The body of a chat completion."""

from __future__ import annotations

from typing import Any, ClassVar

from smg.wire.openai.chat_messages import check_messages
from smg.wire.openai.decoding import Body, unsupported
from smg.wire.openai.ranges import Range, bad, check_ranges
from smg.wire.openai.sampling_fields import RequestSampling, check_request_sampling
from smg.wire.openai.stream_options import StreamOptions, check_stream_options
from smg.wire.openai.tools import NamedTool, Tool, check_tools, told
from smg.wire.shapes import MAX_TOKENS

CHAT_RANGES = {"top_logprobs": Range(0, 20), "max_completion_tokens": Range(1, MAX_TOKENS)}
REFUSED = frozenset({
    "allowed_token_ids",
    "audio",
    "bad_words",
    "chat_template",
    "documents",
    "echo",
    "function_call",
    "functions",
    "length_penalty",
    "logits_processors",
    "mm_processor_kwargs",
    "prompt_logprobs",
    "return_audio",
    "return_hidden_states",
    "return_token_ids",
    "return_tokens_as_token_ids",
    "session_params",
    "truncate_prompt_tokens",
    "use_beam_search",
    "web_search_options",
})  # fmt: skip


class ChatBody(RequestSampling, Body, kw_only=True):
    """What a caller of ``/v1/chat/completions`` may say.

    Attributes:
        messages: As they came, at least one; roles and kinds of content are checked.
        tools: As they came, for the template; each has a function with a name.
        tool_choice: ``none``, ``auto``, ``required`` or one function.
        continue_final_message: The last message is the beginning of the answer.
        rid: The caller's own id of the request.
    """

    refused: ClassVar[frozenset[str]] = REFUSED

    messages: list[dict[str, Any]]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[Tool] | None = None
    tool_choice: str | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    add_special_tokens: bool | None = None
    modalities: list[str] | None = None
    user: str | None = None
    rid: str | None = None

    @property
    def answer_tokens(self) -> int | None:
        """Tokens of one answer at most; the newer name wins."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def alternatives(self) -> int | None:
        """Alternatives to report per token, as ``Generation.logprobs`` has it."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def generation_prompt(self) -> bool:
        """Whether the template shall open the assistant's turn; unless the last message is to be continued."""
        if self.add_generation_prompt is None:
            return not self.continue_final_message
        return self.add_generation_prompt

    @property
    def tool_fields(self) -> list[dict[str, Any]] | None:
        """The tools as plain values for a chat template; None if there are none."""
        return told(self.tools)

    def check(self) -> None:
        """Raise an error that names the first field whose value cannot be served."""
        check_messages(self.messages)
        check_ranges(self, CHAT_RANGES)
        check_request_sampling(self, self.answer_tokens, 1)
        check_stream_options(self.stream_options, stream=self.stream)
        check_tools(self.tools, self.tool_choice)
        if self.top_logprobs and not self.logprobs:
            raise bad("top_logprobs", "needs logprobs")
        if self.continue_final_message and self.add_generation_prompt:
            raise bad("continue_final_message", "excludes add_generation_prompt")
        if set(self.modalities or ()) - {"text"}:
            raise unsupported("modalities")
