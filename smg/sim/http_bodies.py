"""The bodies of the text endpoints as an engine reads them; what it does not know it ignores."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Required, TypedDict

import msgspec

from smg.sim import vocabulary
from smg.sim.asks import Ask, RefusedError
from smg.sim.http_calls import prompt_ids
from smg.sim.template import render

if TYPE_CHECKING:
    from collections.abc import Mapping

BANNED_BELOW = -50.0
"""A logit bias below this bans a token."""


class TextBody(msgspec.Struct, kw_only=True):
    """What chat and completions have in common."""

    model: str | None = None
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    min_tokens: int = 0
    seed: int | None = None
    n: int = 1
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    logit_bias: dict[str, float] | None = None
    temperature: float | None = None
    top_p: float | None = None
    response_format: dict[str, Any] | None = None
    regex: str | None = None
    ebnf: str | None = None
    data_parallel_rank: int | None = None

    @property
    def include_usage(self) -> bool:
        """Whether the stream is to end with the usage."""
        return bool((self.stream_options or {}).get("include_usage"))


class Function(TypedDict, total=False):
    """What a tool call names; the arguments as JSON in a text, or as an object."""

    name: str
    arguments: str | dict[str, Any] | None


class ToolCall(TypedDict):
    """A call of a tool in an earlier answer."""

    function: Function


class Message(TypedDict, total=False):
    """One message, as far as the template reads it."""

    role: Required[str]
    content: str | list[dict[str, Any]] | None
    tool_calls: list[ToolCall] | None


class ChatBody(TextBody, kw_only=True):
    """A chat."""

    messages: list[Message]
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool = True


class CompletionBody(TextBody, kw_only=True):
    """A completion of one or several prompts."""

    prompt: str | list[str | int | list[int]]
    echo: bool = False
    logprobs: int | None = None


def chat_prompt(body: ChatBody) -> tuple[int, ...]:
    """Return the tokens of a conversation."""
    if not body.messages:
        raise RefusedError("messages must not be empty")
    tools = None if body.tool_choice == "none" else body.tools
    return tuple(
        vocabulary.encode(
            render(
                [_for_template(message) for message in body.messages],
                tools=tools,
                add_generation_prompt=body.add_generation_prompt,
                kwargs=body.chat_template_kwargs,
            )
        )
    )


def _for_template(message: Message) -> dict[str, Any]:
    """Return a message with the arguments of its tool calls as objects, which is how engines hand them over."""
    calls = [{"function": _parsed(call["function"])} for call in message.get("tool_calls") or ()]
    return {**message, "tool_calls": calls}


def _parsed(function: Function) -> dict[str, Any]:
    arguments = function.get("arguments") or {}
    try:
        return {**function, "arguments": json.loads(arguments) if isinstance(arguments, str) else arguments}
    except ValueError as error:
        raise RefusedError("the arguments of a tool call are not JSON") from error


def prompts(prompt: str | list[str | int | list[int]]) -> list[tuple[int, ...]]:
    """Return the tokens of each prompt of a completion."""
    if isinstance(prompt, str):
        return [prompt_ids(prompt)]
    tokens = [one for one in prompt if isinstance(one, int)]
    if tokens:
        if len(tokens) != len(prompt):
            raise RefusedError("prompt mixes tokens and texts")
        return [prompt_ids(tokens)]
    return [prompt_ids(one) for one in prompt if not isinstance(one, int)]


def ask(body: TextBody, request_id: str, tokens: tuple[int, ...], context_length: int) -> Ask:
    """Return what the engine is asked for; raises RefusedError for values out of range."""
    if not tokens:
        raise RefusedError("The decoder prompt cannot be empty")
    limit = _limit(body)
    _check_ranges(body, len(tokens), limit, context_length)
    chat = isinstance(body, ChatBody)
    return Ask(
        request_id=request_id,
        prompt_ids=tokens,
        max_tokens=limit if chat or limit is not None else 16,
        min_tokens=body.min_tokens,
        seed=body.seed,
        n=body.n,
        ignore_eos=body.ignore_eos,
        stop=tuple([body.stop] if isinstance(body.stop, str) else body.stop or ()),
        stop_token_ids=frozenset(body.stop_token_ids or ()),
        banned=banned(body.logit_bias or {}),
        constraint=_constraint(body),
    )


def banned(logit_bias: Mapping[str, float] | Mapping[int, float]) -> frozenset[int]:
    """Return the tokens that a logit bias bans."""
    try:
        return frozenset(int(token) for token, bias in logit_bias.items() if bias <= BANNED_BELOW)
    except ValueError as error:
        raise RefusedError("logit_bias must be keyed by token ids") from error


def _limit(body: TextBody) -> int | None:
    if isinstance(body, ChatBody) and body.max_completion_tokens is not None:
        return body.max_completion_tokens
    return body.max_tokens


def _check_ranges(body: TextBody, prompt: int, limit: int | None, context_length: int) -> None:
    if limit is not None and limit < 1:
        raise RefusedError(f"max_tokens must be at least 1, got {limit}.")
    if body.n < 1:
        raise RefusedError(f"n must be at least 1, got {body.n}.")
    if body.temperature is not None and body.temperature < 0:
        raise RefusedError(f"temperature must be non-negative, got {body.temperature}.")
    if body.top_p is not None and not 0 < body.top_p <= 1:
        raise RefusedError(f"top_p must be in (0, 1], got {body.top_p}.")
    if prompt + (limit or 1) > context_length:
        raise RefusedError(
            f"This model's maximum context length is {context_length} tokens. However, you requested "
            f"{prompt + (limit or 1)} tokens ({prompt} in the prompt, {limit or 1} in the completion)."
        )


def _constraint(body: TextBody) -> tuple[str, str] | None:
    wanted = body.response_format or {}
    match wanted.get("type"):
        case "json_object":
            return ("json_object", "")
        case "json_schema":
            return ("json_schema", json.dumps(wanted.get("json_schema", {}).get("schema", {})))
        case _:
            return next(((kind, value) for kind in ("regex", "ebnf") if (value := getattr(body, kind))), None)
