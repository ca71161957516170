"""Encoding off the event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from smg.text import encoder as encoder_module
from smg.text.encoder import Encoder
from smg.text.errors import TemplateBudgetError, TemplateError, TokenizerError
from smg.text.template import ChatTemplate
from tests.text.tokenizers_made import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.text.tokenizer import Tokenizer

LONG = "the dog sleeps " * 400
PATIENCE_SECS = 10


@pytest.fixture
async def encoder() -> AsyncIterator[Encoder]:
    """An encoder of one thread."""
    made = Encoder(threads=1)
    yield made
    await made.aclose()


class Gate:
    """Work for the pool that says when it runs and goes on when it is told to."""

    def __init__(self) -> None:
        self.runs = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> str:
        self.runs.set()
        assert self.may_end.wait(PATIENCE_SECS)
        return "done"


async def until_running(gate: Gate) -> None:
    """Wait until the gate's work has its thread."""
    assert await asyncio.to_thread(gate.runs.wait, PATIENCE_SECS)


@pytest.mark.parametrize("text", ["", "short", LONG])
async def test_ids_are_those_of_the_tokenizer(encoder: Encoder, tokenizer: Tokenizer, text: str) -> None:
    """Inline, in a thread or from memory: the ids are the same."""
    expected = tokenizer.encode(text, add_special_tokens=False)

    assert await encoder.encode(tokenizer, text, add_special_tokens=False) == expected
    assert await encoder.encode(tokenizer, text, add_special_tokens=False) == expected


async def test_long_text_is_encoded_once(encoder: Encoder, tokenizer: Tokenizer) -> None:
    """A text met before needs no thread."""
    expected = await encoder.encode(tokenizer, LONG, add_special_tokens=False)
    gate = Gate()
    busy = asyncio.gather(encoder._in_thread(gate))
    await until_running(gate)

    assert await encoder.encode(tokenizer, LONG, add_special_tokens=False) == expected
    gate.may_end.set()
    assert await busy == ["done"]


async def test_a_conversation_that_goes_on_is_not_encoded_again(encoder: Encoder, tokenizer: Tokenizer) -> None:
    """What was encoded for the last turn is known; a short new turn, and what begins alike, needs no thread."""
    begin = f"<|im_start|>system\n{LONG}<|im_end|>\n"
    longer = f"{begin}<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    expected = tokenizer.encode(longer, add_special_tokens=False)
    await encoder.encode(tokenizer, begin, add_special_tokens=False)
    gate = Gate()
    busy = asyncio.gather(encoder._in_thread(gate))
    await until_running(gate)

    assert await encoder.encode(tokenizer, longer, add_special_tokens=False) == expected
    gate.may_end.set()
    assert await busy == ["done"]


async def test_late_text_is_given_up(tokenizer: Tokenizer) -> None:
    """A text that no thread comes to in time ends in ``TimeoutError``, and leaves its place to others."""
    encoder = Encoder(threads=1, timeout_secs=0.05)
    gate = Gate()
    with pytest.raises(TimeoutError):
        await encoder._in_thread(gate)
    with pytest.raises(TimeoutError):
        await encoder.encode(tokenizer, LONG, add_special_tokens=False)
    gate.may_end.set()
    encoder._timeout_secs = PATIENCE_SECS

    assert await encoder.encode(tokenizer, LONG, add_special_tokens=False)
    assert encoder._waiting == 0
    await encoder.aclose()


async def test_caller_that_leaves_frees_its_place(encoder: Encoder, tokenizer: Tokenizer) -> None:
    """Neither a caller who leaves in the queue nor one whose text is being encoded blocks the next."""
    gate = Gate()
    running = asyncio.ensure_future(encoder._in_thread(gate))
    await until_running(gate)
    queued = asyncio.ensure_future(encoder.encode(tokenizer, LONG, add_special_tokens=False))
    await asyncio.sleep(0)  # lets it take its place in the queue
    assert encoder._waiting == 2
    for task in (queued, running):
        task.cancel()
    ends = await asyncio.gather(queued, running, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 2
    gate.may_end.set()

    assert await encoder.encode(tokenizer, LONG, add_special_tokens=False)
    assert encoder._waiting == 0


async def test_queue_has_an_end(encoder: Encoder, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of waiting texts the next is refused at once."""
    monkeypatch.setattr(encoder_module, "WAITING_AT_MOST", 0)

    with pytest.raises(TimeoutError, match="too many"):
        await encoder.encode(tokenizer, LONG, add_special_tokens=False)


async def test_bad_text_is_refused_wherever_it_is_encoded(encoder: Encoder, tokenizer: Tokenizer) -> None:
    """An error in the thread is the caller's error."""
    for text in ("\ud800", LONG + "\ud800"):
        with pytest.raises(TokenizerError):
            await encoder.encode(tokenizer, text, add_special_tokens=False)


async def test_conversations_are_rendered(encoder: Encoder) -> None:
    """A short conversation inline, a long one in a thread; options reach the template."""
    template = ChatTemplate(TEMPLATE, {})
    for content in ("Hi", LONG * 10):
        text = await encoder.render(template, [{"role": "user", "content": content}], add_generation_prompt=False)
        assert text == f"<|im_start|>user\n{content}<|im_end|>\n"


async def test_slow_template_leaves_the_loop(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that is slow on a short conversation is rendered again in a thread, with more time."""
    monkeypatch.setattr(encoder_module, "INLINE_RENDER_CPU_SECS", -1.0)
    source = "{% for n in range(99) %}{{ n }}{% endfor %}"

    assert (await encoder.render(ChatTemplate(source, {}), [])).startswith("0123")


async def test_endless_template_is_ended(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop goes on meanwhile, and the caller hears of it."""
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    monkeypatch.setattr(encoder_module, "RENDER_CPU_SECS", 0.1)

    with pytest.raises(TemplateBudgetError):
        await encoder.render(ChatTemplate(endless, {}), [])


async def test_refusal_of_a_template_needs_no_thread(encoder: Encoder) -> None:
    """Only want of time sends a rendering to a thread."""
    with pytest.raises(TemplateError, match="no"):
        await encoder.render(ChatTemplate("{{ raise_exception('no') }}", {}), [])


async def test_closing_twice_never_waits(tokenizer: Tokenizer) -> None:
    """Closing is at once even while a thread works, and is a bug to encode after."""
    encoder = Encoder(threads=1)
    gate = Gate()
    running = asyncio.ensure_future(encoder._in_thread(gate))
    await until_running(gate)
    await encoder.aclose()
    await encoder.aclose()
    gate.may_end.set()

    assert await running == "done"
    with pytest.raises(RuntimeError):
        await encoder.encode(tokenizer, LONG, add_special_tokens=False)
    with pytest.raises(RuntimeError):
        await encoder.encode(tokenizer, LONG, add_special_tokens=False)
