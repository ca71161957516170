"""What goes wrong on the way from text to ids is told in the caller's terms."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest

from smg.core.clock import MonotonicClock
from smg.core.errors import ContextLengthError, InvalidRequestError, NoWorkerError
from smg.core.events import AttemptEnded
from smg.core.words import Endpoint, Outcome, Runtime
from smg.routers.attempt import Attempt, Surroundings
from smg.routers.grpc.encoding import Reader
from smg.text.encoder import Encoder
from smg.text.template import ChatTemplate
from tests.routers.grpc.scripted import HELLO, Script, scripted
from tests.workers.support import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.text.tokenizer import Tokenizer

USER = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def encoder() -> AsyncIterator[Encoder]:
    """Return an encoder for short texts."""
    made = Encoder(threads=1, cache_bytes=0)
    yield made
    await made.aclose()


async def test_a_templates_refusal_is_the_callers_fault(own_tokenizer: Tokenizer, encoder: Encoder) -> None:
    """Its words reach the caller, with the field at fault."""
    own_tokenizer.template = ChatTemplate("{{ raise_exception('roles must alternate') }}", {})
    with pytest.raises(InvalidRequestError) as caught:
        await Reader(own_tokenizer, encoder).converse(USER)

    assert caught.value.param == "messages"
    assert "roles must alternate" in caught.value.message


async def test_a_model_without_template_takes_no_chat(own_tokenizer: Tokenizer, encoder: Encoder) -> None:
    """Only completions are left."""
    own_tokenizer.template = None
    with pytest.raises(InvalidRequestError) as caught:
        await Reader(own_tokenizer, encoder).converse(USER)

    assert caught.value.param == "messages"


async def test_a_template_that_says_nothing_is_refused(own_tokenizer: Tokenizer, encoder: Encoder) -> None:
    """An empty prompt kills one engine and hangs another."""
    reader = Reader(own_tokenizer, encoder)
    with pytest.raises(InvalidRequestError):
        await reader.read("", "messages", special=False)


@pytest.mark.parametrize("ids", [[-1], [1 << 31], [1274]])
async def test_ids_beyond_the_vocabulary_are_refused(tokenizer: Tokenizer, encoder: Encoder, ids: list[int]) -> None:
    """Engines crash on them or read past their table."""
    with pytest.raises(InvalidRequestError) as caught:
        await Reader(tokenizer, encoder).read(ids, "prompt", special=True)

    assert caught.value.param == "prompt"


async def test_a_busy_gateway_is_not_the_workers_fault(tokenizer: Tokenizer) -> None:
    """A prompt that finds no free encoder in time is a 503, and its lease is abandoned, not failed."""
    async with scripted(Runtime.VLLM, tokenizer, Script()) as (front, _):
        front.router._kit.encoder._timeout_secs = 0
        request = front.request(Endpoint.COMPLETIONS, {**HELLO, "prompt": "word " * 120})
        front.router.check(request)
        observer = Recorder()
        around = Surroundings(MonotonicClock(), observer, Random(1), asyncio.sleep)
        with pytest.raises(NoWorkerError):
            await Attempt(front.router, front.workers[0], around).run(request, front.sink)

    assert [event.outcome for event in observer.of(AttemptEnded)] == [Outcome.ABANDONED]


async def test_a_text_that_cannot_fit_is_refused_unread(tokenizer: Tokenizer, encoder: Encoder) -> None:
    """Where the context is known; what may just fit is read."""
    reader = Reader(tokenizer, encoder, 10)
    with pytest.raises(ContextLengthError, match="10 tokens: the text has at least"):
        await reader.read("x" * 100_000, "prompt", special=True)

    assert (await reader.read("hello", "prompt", special=True)).ids
    assert (await Reader(tokenizer, encoder).read("x" * 10_000, "prompt", special=True)).ids
