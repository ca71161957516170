"""Texts and conversations encoded without holding up the event loop, with a memory of what was encoded.

A conversation is encoded in pieces, so that of one that goes on, or begins as others do, only what is new is encoded.
Short texts are encoded where they stand, since handing them to a thread takes longer. Long ones wait, in order
and with a deadline, for one of a few threads; at most so many jobs are handed over as there are threads, so a
caller that leaves while it waits leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from smg.text.encoding_cache import EncodingCache
from smg.text.errors import TemplateBudgetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from smg.text.encoding_cache import Key
    from smg.text.template import ChatTemplate
    from smg.text.tokenizer import Tokenizer

T = TypeVar("T")

INLINE_CHARS = 512
INLINE_RENDER_CHARS = 8192
INLINE_RENDER_CPU_SECS = 0.01
RENDER_CPU_SECS = 2.0
WAITING_AT_MOST = 4096


class Encoder:
    """Encodes and renders for all requests of one event loop."""

    def __init__(self, threads: int = 2, cache_bytes: int = 64 * 1024 * 1024, *, timeout_secs: float = 30.0) -> None:
        """Make an encoder; threads start with the first long text.

        Args:
            threads: Texts encoded at once, at least 1.
            cache_bytes: Memory for texts and their ids; 0 remembers none.
            timeout_secs: How long a text may wait and be encoded in all.
        """
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="smg-encoder")
        self._free = asyncio.Semaphore(threads)
        self._cache = EncodingCache(cache_bytes)
        self._timeout_secs = timeout_secs
        self._waiting = 0

    async def encode(self, tokenizer: Tokenizer, text: str, *, add_special_tokens: bool) -> list[int]:
        """Return the ids of ``text``, in a list of the caller's own.

        Raises:
            TokenizerError: The text is not valid unicode.
            TimeoutError: No thread came to it in time, or too many texts wait already.
        """
        pieces = [text] if add_special_tokens else tokenizer.cuts.pieces(text)
        keys = [(tokenizer.fingerprint, add_special_tokens, piece) for piece in pieces]
        found = {key: ids for key in keys if (ids := self._cache.find(key)) is not None}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        for key, ids in zip(missing, await self._encode(tokenizer, missing), strict=True):
            self._cache.keep(key, ids)
            found[key] = ids
        return found[keys[0]] if len(keys) == 1 else [*chain.from_iterable(found[key] for key in keys)]

    async def _encode(self, tokenizer: Tokenizer, keys: Sequence[Key]) -> list[list[int]]:
        def encode() -> list[list[int]]:
            return [tokenizer.encode(text, add_special_tokens=special) for _, special, text in keys]

        short = sum(len(text) for _, _, text in keys) < INLINE_CHARS
        return encode() if short else await self._in_thread(encode)

    async def render(self, template: ChatTemplate, messages: Sequence[Mapping[str, Any]], **options: Any) -> str:
        """Return the conversation as text; ``options`` are those of ``ChatTemplate.render`` but time.

        A short conversation is rendered at once, within a hundredth of a second; a template that needs longer,
        as any long conversation, goes to a thread.

        Raises:
            TemplateError: The template refuses the conversation or fails on it.
            TimeoutError: No thread came to it in time, or too many wait already.
        """
        if _content_chars(messages) < INLINE_RENDER_CHARS:
            with contextlib.suppress(TemplateBudgetError):
                return template.render(messages, **options, cpu_secs=INLINE_RENDER_CPU_SECS)
        return await self._in_thread(lambda: template.render(messages, **options, cpu_secs=RENDER_CPU_SECS))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_AT_MOST:
            raise TimeoutError("too many texts wait to be encoded")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_secs):
                await self._free.acquire()
                return await self._submit(work)
        finally:
            self._waiting -= 1

    def _submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Hand ``work`` to the pool; its place is free again when the thread is, not when the caller leaves."""
        loop = asyncio.get_running_loop()

        def give_back(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop may have closed while the thread worked
                loop.call_soon_threadsafe(self._free.release)

        try:
            job = self._pool.submit(work)
        except RuntimeError:
            self._free.release()
            raise
        job.add_done_callback(give_back)
        return asyncio.wrap_future(job, loop=loop)

    async def aclose(self) -> None:
        """Take no more work and drop what waits for a thread; never waits, safe to call twice."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _content_chars(messages: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(str(message.get("content"))) for message in messages)
