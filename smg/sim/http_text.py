"""The text endpoints: chat and plain completions."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from smg.core.words import Runtime
from smg.sim import vocabulary
from smg.sim.asks import RefusedError
from smg.sim.http_bodies import ChatBody, CompletionBody, TextBody, ask, chat_prompt, prompts
from smg.sim.http_calls import Call, json_response, refusal
from smg.sim.http_styles import ChatStyle, CompletionStyle, Done, Style, TextCursor

if TYPE_CHECKING:
    from smg.sim.asks import Ask
    from smg.sim.generations import Generation

SSE_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


@dataclass(slots=True)
class Job:
    """A request for text: what is asked, how it is spelt."""

    asks: list[Ask]
    style: Style
    body: TextBody
    echo: bool = False


async def chat(call: Call) -> web.StreamResponse:
    """Answer ``/v1/chat/completions``."""
    body = call.decode(ChatBody)
    if (wrong := _wrong_model(call, body.model)) is not None:
        return wrong
    context = call.machine.settings.context_length
    asked = ask(body, call.record.request_id, chat_prompt(body), context)
    logprobs = (body.top_logprobs or 0) if body.logprobs else None
    style = ChatStyle(f"chatcmpl-{call.record.request_id}", _name(call, body), call.machine.runtime, logprobs)
    return await _serve(call, Job([asked], style, body))


async def completions(call: Call) -> web.StreamResponse:
    """Answer ``/v1/completions``."""
    body = call.decode(CompletionBody)
    if (wrong := _wrong_model(call, body.model)) is not None:
        return wrong
    context = call.machine.settings.context_length
    asks = [ask(body, call.record.request_id, tokens, context) for tokens in prompts(body.prompt)]
    if not asks:
        raise RefusedError("prompt must not be empty")
    style = CompletionStyle(f"cmpl-{call.record.request_id}", _name(call, body), call.machine.runtime, body.logprobs)
    return await _serve(call, Job(asks, style, body, body.echo))


def _name(call: Call, body: TextBody) -> str:
    return body.model or call.machine.settings.model


def _wrong_model(call: Call, model: str | None) -> web.Response | None:
    """Only vLLM cares which model is named."""
    if call.machine.runtime is not Runtime.VLLM or model in {None, "", call.machine.settings.model}:
        return None
    return refusal(Runtime.VLLM, 404, f"The model `{model}` does not exist.")


async def _serve(call: Call, job: Job) -> web.StreamResponse:
    with ExitStack() as leaving:
        generations = [
            leaving.enter_context(call.machine.generating(asked, call.record, call.fault)) for asked in job.asks
        ]
        if job.body.stream:
            return await _stream(call, job, generations)
        return await _whole(job, generations)


async def _whole(job: Job, generations: list[Generation]) -> web.Response:
    done: list[Done] = []
    for generation in generations:
        async for _ in generation.pieces():
            pass
        done += _done(job, generation, len(done))
    choices = [job.style.whole(one) for one in done]
    return json_response(job.style.envelope(job.style.whole_object, choices, usage(generations)))


def _done(job: Job, generation: Generation, first: int) -> list[Done]:
    echo = vocabulary.decode(generation.ask.prompt_ids) if job.echo else ""
    return [Done(first + choice.index, choice, choice.answer.text, echo) for choice in generation.choices]


async def _stream(call: Call, job: Job, generations: list[Generation]) -> web.StreamResponse:
    response = web.StreamResponse(headers=SSE_HEADERS)
    await response.prepare(call.request)
    first = 0
    for generation in generations:
        await _stream_one(response, job, generation, first)
        first += len(generation.choices)
    if job.body.include_usage:
        await _send(response, job.style.envelope(job.style.chunk_object, [], usage(generations)))
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


async def _stream_one(response: web.StreamResponse, job: Job, generation: Generation, first: int) -> None:
    cursors: dict[int, TextCursor] = {}
    async for piece in generation.pieces():
        index = piece.choice.index
        if index not in cursors:
            cursors[index] = TextCursor()
            await _open(response, job, generation, first + index)
        text = cursors[index].push(piece)
        if text or piece.last or job.style.logprobs is not None:
            delta = job.style.delta(first + index, text, piece)
            await _send(response, job.style.envelope(job.style.chunk_object, [delta], None))


async def _open(response: web.StreamResponse, job: Job, generation: Generation, index: int) -> None:
    opening = job.style.opening(index)
    if opening is None and job.echo:
        opening = {"index": index, "text": vocabulary.decode(generation.ask.prompt_ids), "finish_reason": None}
    if opening is not None:
        await _send(response, job.style.envelope(job.style.chunk_object, [opening], None))


async def _send(response: web.StreamResponse, document: dict[str, Any]) -> None:
    await response.write(b"data: " + msgspec.json.encode(document) + b"\n\n")


def usage(generations: list[Generation]) -> dict[str, Any]:
    """Return what was read and produced."""
    prompt = sum(len(one.ask.prompt_ids) for one in generations)
    produced = sum(choice.produced for one in generations for choice in one.choices)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": produced,
        "total_tokens": prompt + produced,
        "prompt_tokens_details": {"cached_tokens": sum(one.cached_tokens for one in generations)},
    }
