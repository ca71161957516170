"""What the official OpenAI SDK must see, whatever kind of worker answers.

One list of checks for every fleet: simulated or real engines, over HTTP or gRPC. A check takes the client,
the model's name and ``GREEDY`` or other sampling fields, and asserts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openai import BadRequestError, NotFoundError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MESSAGES: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell me of gateways."}]
GREEDY: Any = {"temperature": 0, "max_tokens": 12}


async def models(client: AsyncOpenAI, model: str) -> None:
    """The model is listed and can be read by its name."""
    listed = [found.id async for found in client.models.list()]

    assert model in listed
    assert (await client.models.retrieve(model)).id == model


async def chat(client: AsyncOpenAI, model: str) -> None:
    """A plain answer has a text, a reason to end and a usage that adds up."""
    answer = await client.chat.completions.create(model=model, messages=MESSAGES, **GREEDY)
    [choice] = answer.choices

    assert answer.object == "chat.completion"
    assert answer.model == model
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.finish_reason in {"stop", "length"}
    assert answer.usage is not None
    assert 1 <= answer.usage.completion_tokens <= 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def stream(client: AsyncOpenAI, model: str) -> None:
    """The pieces of a stream make the plain answer; usage comes last where it was asked for."""
    plain = await client.chat.completions.create(model=model, messages=MESSAGES, **GREEDY)
    options: Any = {"include_usage": True}
    chunks = [
        chunk
        async for chunk in await client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, stream_options=options, **GREEDY
        )
    ]
    pieces = [choice for chunk in chunks for choice in chunk.choices]

    assert len({chunk.id for chunk in chunks}) == 1
    assert pieces[0].delta.role == "assistant"
    assert "".join(piece.delta.content or "" for piece in pieces) == plain.choices[0].message.content
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == [plain.choices[0].finish_reason]
    assert chunks[-1].choices == []
    assert plain.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == plain.usage.completion_tokens
    assert chunks[-1].usage.prompt_tokens == plain.usage.prompt_tokens


async def stream_without_usage(client: AsyncOpenAI, model: str) -> None:
    """No usage is sent to a caller who did not ask."""
    chunks = [
        chunk
        async for chunk in await client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **GREEDY)
    ]

    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


async def length(client: AsyncOpenAI, model: str) -> None:
    """An answer cut at its limit says so and has exactly that many tokens."""
    answer = await client.chat.completions.create(model=model, messages=MESSAGES, temperature=0, max_tokens=3)

    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


async def several(client: AsyncOpenAI, model: str) -> None:
    """Two answers to one prompt come as two choices, plain and streamed."""
    asked: Any = {"n": 2, "max_tokens": 6, "temperature": 0.8}
    answer = await client.chat.completions.create(model=model, messages=MESSAGES, **asked)
    pieces = [
        choice
        async for chunk in await client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **asked)
        for choice in chunk.choices
    ]

    assert [choice.index for choice in answer.choices] == [0, 1]
    assert {piece.index for piece in pieces} == {0, 1}
    assert sorted(piece.index for piece in pieces if piece.finish_reason) == [0, 1]


async def logprobs(client: AsyncOpenAI, model: str) -> None:
    """Each token has its log-probability and as many alternatives as asked."""
    answer = await client.chat.completions.create(
        model=model, messages=MESSAGES, logprobs=True, top_logprobs=2, **GREEDY
    )
    [choice] = answer.choices

    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert answer.usage is not None
    assert len(choice.logprobs.content) in {answer.usage.completion_tokens, answer.usage.completion_tokens - 1}
    for token in choice.logprobs.content:
        assert token.logprob <= 0
        assert 1 <= len(token.top_logprobs) <= 3
        assert token.bytes is None or bytes(token.bytes).decode(errors="replace") == token.token or not token.bytes


async def stop(client: AsyncOpenAI, model: str) -> None:
    """A stop string ends the answer and is not in it, plain and streamed."""
    whole = (await client.chat.completions.create(model=model, messages=MESSAGES, **GREEDY)).choices[0].message.content
    assert whole is not None
    word = whole.strip()[3:6] or whole[:2]
    plain = await client.chat.completions.create(model=model, messages=MESSAGES, stop=[word], **GREEDY)
    pieces = [
        choice
        async for chunk in await client.chat.completions.create(
            model=model, messages=MESSAGES, stop=word, stream=True, **GREEDY
        )
        for choice in chunk.choices
    ]

    assert plain.choices[0].message.content == whole[: whole.index(word)]
    assert plain.choices[0].finish_reason == "stop"
    assert "".join(piece.delta.content or "" for piece in pieces) == whole[: whole.index(word)]
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == ["stop"]


async def completions(client: AsyncOpenAI, model: str) -> None:
    """Completions take one prompt, several, and token ids; a stream makes the plain text."""
    one = await client.completions.create(model=model, prompt="Once upon", **GREEDY)
    two = await client.completions.create(model=model, prompt=["Once upon", "a time"], **GREEDY)
    ids = await client.completions.create(model=model, prompt=[70, 71, 72], **GREEDY)
    pieces = [
        choice.text
        async for chunk in await client.completions.create(model=model, prompt="Once upon", stream=True, **GREEDY)
        for choice in chunk.choices
    ]

    assert one.object == "text_completion"
    assert two.choices[0].text == one.choices[0].text
    assert [choice.index for choice in two.choices] == [0, 1]
    assert ids.usage is not None
    assert ids.usage.prompt_tokens == 3
    assert "".join(pieces) == one.choices[0].text


async def completion_logprobs(client: AsyncOpenAI, model: str) -> None:
    """Completions report log-probabilities in their own, older shape."""
    answer = await client.completions.create(model=model, prompt="Once upon", logprobs=1, **GREEDY)
    found = answer.choices[0].logprobs

    assert found is not None
    assert found.tokens is not None
    assert found.token_logprobs is not None
    assert len(found.tokens) == len(found.token_logprobs)
    assert all(value is None or value <= 0 for value in found.token_logprobs)


async def echo(client: AsyncOpenAI, model: str) -> None:
    """An echoed completion begins with its prompt."""
    answer = await client.completions.create(model=model, prompt="Once upon", echo=True, **GREEDY)

    assert answer.choices[0].text.startswith("Once upon")
    assert len(answer.choices[0].text) > len("Once upon")


async def embeddings(client: AsyncOpenAI, model: str) -> None:
    """Each input has a vector of one length, as floats and as base64 (the SDK's default)."""
    floats = await client.embeddings.create(model=model, input=["one", "two"], encoding_format="float")
    packed = await client.embeddings.create(model=model, input="one")

    assert [found.index for found in floats.data] == [0, 1]
    assert len(floats.data[0].embedding) == len(floats.data[1].embedding) > 0
    assert packed.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-4)
    assert floats.usage.prompt_tokens > 0


async def seed(client: AsyncOpenAI, model: str) -> None:
    """One seed, one answer."""
    asked: Any = {"temperature": 1.0, "max_tokens": 8, "seed": 7}
    one = await client.chat.completions.create(model=model, messages=MESSAGES, **asked)
    other = await client.chat.completions.create(model=model, messages=MESSAGES, **asked)

    assert one.choices[0].message.content == other.choices[0].message.content


async def unknown_model(client: AsyncOpenAI, model: str) -> None:
    """A model nobody serves is not found, in OpenAI's error shape."""
    with pytest.raises(NotFoundError) as raised:
        await client.chat.completions.create(model=model + "-of-nobody", messages=MESSAGES)

    assert raised.value.code == "model_not_found"
    assert raised.value.param == "model"


async def bad_field(client: AsyncOpenAI, model: str) -> None:
    """A value out of range is the caller's fault."""
    with pytest.raises(BadRequestError):
        await client.chat.completions.create(model=model, messages=MESSAGES, temperature=-3)


async def too_long(client: AsyncOpenAI, model: str) -> None:
    """A prompt beyond the context is the caller's fault."""
    with pytest.raises(BadRequestError):
        await client.completions.create(model=model, prompt="word " * 20_000, max_tokens=2)


COMMON = (
    models,
    chat,
    stream,
    stream_without_usage,
    length,
    several,
    logprobs,
    stop,
    completions,
    completion_logprobs,
    unknown_model,
    bad_field,
    too_long,
)
"""What every engine serves."""

SOME = (echo, seed, embeddings)
"""What not every engine serves."""
