"""SGLang's own generate endpoint, and the tokenizer endpoints of both runtimes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from smg.core.words import Runtime
from smg.sim import vocabulary
from smg.sim.asks import Ask, RefusedError
from smg.sim.chances import alternatives, logprob
from smg.sim.http_bodies import ChatBody, Message, banned, chat_prompt
from smg.sim.http_calls import Call, json_response, prompt_ids
from smg.sim.http_styles import TextCursor

if TYPE_CHECKING:
    from smg.sim.generations import Choice, Generation


class Ranked(msgspec.Struct):
    """The field of a body that names the rank."""

    data_parallel_rank: int | None = None


class NativeSampling(msgspec.Struct, kw_only=True):
    """SGLang's sampling parameters, as far as they change an answer."""

    max_new_tokens: int | None = 128
    min_new_tokens: int = 0
    n: int = 1
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    sampling_seed: int | None = None
    logit_bias: dict[str, float] | None = None
    json_schema: str | None = None
    regex: str | None = None
    ebnf: str | None = None


class NativeBody(msgspec.Struct, kw_only=True):
    """A body of ``/generate``."""

    text: str | list[str] | None = None
    input_ids: list[int | list[int]] | None = None
    sampling_params: NativeSampling = msgspec.field(default_factory=NativeSampling)
    rid: str | None = None
    stream: bool = False
    return_logprob: bool = False
    top_logprobs_num: int = 0


async def generate(call: Call) -> web.StreamResponse:
    """Answer ``/generate``; a stream repeats the whole text so far in each event, as SGLang does."""
    body = call.decode(NativeBody)
    asks = [_ask(body, body.rid or call.record.request_id, tokens) for tokens in _prompts(body)]
    with ExitStack() as leaving:
        generations = [leaving.enter_context(call.machine.generating(a, call.record, call.fault)) for a in asks]
        if body.stream:
            return await _stream(call, body, generations)
        answers = []
        for generation in generations:
            async for _ in generation.pieces():
                pass
            answers += [_document(body, choice, choice.answer.text) for choice in generation.choices]
        alone = len(answers) == 1 and not isinstance(body.text, list)
        return json_response(answers[0] if alone else answers)


def _prompts(body: NativeBody) -> list[tuple[int, ...]]:
    if body.text is not None:
        return [prompt_ids(text) for text in ([body.text] if isinstance(body.text, str) else body.text)]
    given = body.input_ids or []
    tokens = [one for one in given if isinstance(one, int)]
    return [prompt_ids(tokens)] if tokens else [prompt_ids(one) for one in given if not isinstance(one, int)]


def _ask(body: NativeBody, request_id: str, tokens: tuple[int, ...]) -> Ask:
    if not tokens:
        raise RefusedError("input_ids must not be empty")
    given = body.sampling_params
    named = ("json_schema", "regex", "ebnf")
    return Ask(
        request_id=request_id,
        prompt_ids=tokens,
        max_tokens=given.max_new_tokens,
        min_tokens=given.min_new_tokens,
        seed=given.sampling_seed,
        n=given.n,
        ignore_eos=given.ignore_eos,
        stop=tuple([given.stop] if isinstance(given.stop, str) else given.stop or ()),
        stop_token_ids=frozenset(given.stop_token_ids or ()),
        banned=banned(given.logit_bias or {}),
        constraint=next(((kind, value) for kind in named if (value := getattr(given, kind))), None),
    )


async def _stream(call: Call, body: NativeBody, generations: list[Generation]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(call.request)
    for number, generation in enumerate(generations):
        texts = [""] * len(generation.choices)
        cursors = [TextCursor() for _ in generation.choices]
        async for piece in generation.pieces():
            at = piece.choice.index
            texts[at] += cursors[at].push(piece)
            document = _document(body, piece.choice, texts[at])
            index = {"index": number * len(texts) + at} if len(generations) * len(texts) > 1 else {}
            await response.write(b"data: " + msgspec.json.encode(document | index) + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


def _document(body: NativeBody, choice: Choice, text: str) -> dict[str, Any]:
    generation = choice.generation
    token_ids = choice.answer.token_ids[: choice.produced]
    meta = {
        "id": generation.ask.request_id,
        "finish_reason": _finish(choice),
        "prompt_tokens": len(generation.ask.prompt_ids),
        "completion_tokens": choice.produced,
        "cached_tokens": generation.cached_tokens,
        "weight_version": "default",
    }
    return {"text": text, "output_ids": token_ids, "meta_info": meta | _logprobs(body, token_ids)}


def _finish(choice: Choice) -> dict[str, Any] | None:
    if choice.ended is None:
        return None
    if choice.ended == "aborted":
        return {"type": "abort", "message": "Aborted"}
    if choice.answer.finish == "length":
        return {"type": "length", "length": choice.produced}
    matched = vocabulary.END_OF_TURN_ID if choice.answer.matched is None else choice.answer.matched
    return {"type": "stop", "matched": matched}


def _logprobs(body: NativeBody, token_ids: tuple[int, ...]) -> dict[str, Any]:
    if not body.return_logprob:
        return {}
    places = list(enumerate(token_ids))
    found: dict[str, Any] = {"output_token_logprobs": [(logprob(token, at), token, None) for at, token in places]}
    if body.top_logprobs_num:
        found["output_top_logprobs"] = [
            [(value, other, None) for other, value in alternatives(token, at, body.top_logprobs_num)]
            for at, token in places
        ]
    return found


class TokenizeBody(msgspec.Struct, kw_only=True):
    """A body of ``/tokenize``: a prompt, or messages."""

    prompt: str | list[str] | None = None
    messages: list[Message] | None = None
    add_special_tokens: bool = True
    add_generation_prompt: bool = True
    return_token_strs: bool | None = None


class DetokenizeBody(msgspec.Struct, kw_only=True):
    """A body of ``/detokenize``."""

    tokens: list[int]
    skip_special_tokens: bool | None = None


async def tokenize(call: Call) -> web.StreamResponse:
    """Answer ``/tokenize``."""
    body = call.decode(TokenizeBody)
    if body.messages is not None:
        chat = ChatBody(messages=body.messages, add_generation_prompt=body.add_generation_prompt)
        tokens = list(chat_prompt(chat))
    elif isinstance(body.prompt, str):
        tokens = vocabulary.encode(body.prompt)
    else:
        raise RefusedError("prompt must be a text")
    strings = [vocabulary.token_text(one) for one in tokens] if body.return_token_strs else None
    context = call.machine.settings.context_length
    return json_response({"count": len(tokens), "max_model_len": context, "tokens": tokens, "token_strs": strings})


async def detokenize(call: Call) -> web.StreamResponse:
    """Answer ``/detokenize``; vLLM shows special tokens, SGLang skips them unless told otherwise."""
    body = call.decode(DetokenizeBody)
    vllm = call.machine.runtime is Runtime.VLLM
    skip = not vllm if body.skip_special_tokens is None else body.skip_special_tokens
    text = vocabulary.decode(prompt_ids(body.tokens), skip_special_tokens=skip)
    return json_response({"prompt" if vllm else "text": text})
