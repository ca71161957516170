"""Continuous batching: one loop of steps per rank, in which every running request gets one token.

A request waits until the batch has a place and the KV cache has room for its prompt and answer. Then its
uncached prompt is read in chunks shared with the others, and from then on each step draws one token for it.
A step lasts as the settings say. A request that is aborted gives its place and room back at once, in the
middle of a step too. Held requests (a fault) keep place and room and cost no step time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from smg.sim.answers import answer
from smg.sim.asks import Ask, RefusedError
from smg.sim.generations import Choice, Generation
from smg.sim.kv_cache import KvCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smg.core.clock import Clock
    from smg.sim.ledger import End, Record
    from smg.sim.settings import EngineSettings


class Scheduler:
    """The batch of one rank; ``run`` must be running for anything to be produced. ``told`` hears of each step."""

    def __init__(
        self,
        settings: EngineSettings,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._told = told
        self._waiting: deque[Choice] = deque()
        self._running: dict[Choice, None] = {}
        self._held: dict[Choice, None] = {}
        self._by_id: dict[str, list[Generation]] = {}
        self._work = asyncio.Event()
        self.cache = KvCache(settings.kv_tokens, settings.block_tokens)
        self.throughput = 0.0
        self.aborts = 0

    @property
    def running(self) -> int:
        """Choices in the batch."""
        return len(self._running) + len(self._held)

    @property
    def waiting(self) -> int:
        """Choices that wait for a place."""
        return len(self._waiting)

    @property
    def waiting_tokens(self) -> int:
        """Prompt tokens of those who wait."""
        return sum(len(one.generation.ask.prompt_ids) for one in self._waiting)

    def submit(self, ask: Ask, record: Record) -> Generation:
        """Queue a request; raises RefusedError if it can never be served."""
        prompt = len(ask.prompt_ids)
        if prompt >= self._settings.context_length:
            raise RefusedError(
                f"The input ({prompt} tokens) is longer than the model's context length "
                f"({self._settings.context_length} tokens)."
            )
        generation = Generation(ask, record)
        for index in range(ask.n):
            drawn = answer(ask, index, self._settings.context_length)
            if not self.cache.fits(prompt + len(drawn.token_ids)):
                raise RefusedError("the request does not fit into the KV cache")
            generation.choices.append(Choice(generation, index, drawn))
        self._waiting.extend(generation.choices)
        self._by_id.setdefault(ask.request_id, []).append(generation)
        self._work.set()
        return generation

    def abort(self, request_id: str) -> bool:
        """End all requests of an id at once; tell whether there was any."""
        found = tuple(self._by_id.get(request_id, ()))
        for generation in found:
            self.leave(generation)
        return bool(found)

    def leave(self, generation: Generation) -> None:
        """End what still runs of a request, at once; nothing happens if it has ended."""
        running = [choice for choice in generation.choices if choice.ended is None]
        self.aborts += bool(running)
        for choice in running:
            self._end(choice, "aborted")

    async def run(self) -> None:
        """Do steps for ever, sleeping while there is nothing to do."""
        while True:
            self._admit()
            if not self._running:
                self._work.clear()
                await self._work.wait()
            else:
                await self._step()

    def _admit(self) -> None:
        while self._waiting and self.running < self._settings.max_running:
            choice = self._waiting[0]
            ask = choice.generation.ask
            room = self.cache.hold(ask.prompt_ids, len(choice.answer.token_ids))
            if room is None:
                return
            self._waiting.popleft()
            choice.room = room
            choice.to_prefill = len(ask.prompt_ids) - room.cached_tokens
            if choice.index == 0:
                choice.generation.cached_tokens = room.cached_tokens
            self._running[choice] = None

    async def _step(self) -> None:
        budget = self._settings.prefill_chunk_tokens
        for choice in self._running:
            read = min(budget, choice.to_prefill)
            choice.to_prefill -= read
            budget -= read
        drawing = [choice for choice in self._running if choice.to_prefill == 0]
        secs = self._settings.step_secs(self._settings.prefill_chunk_tokens - budget, len(drawing))
        self.throughput = len(drawing) / secs if secs else 0.0
        await self._sleep(secs)
        for choice in drawing:
            if choice.ended is None:
                self._draw(choice)
        self._told()

    def _draw(self, choice: Choice) -> None:
        ask, record = choice.generation.ask, choice.generation.record
        if choice.produced == ask.fail_after:
            self._end(choice, "failed")
            return
        if choice.produced == ask.hold_after:
            del self._running[choice]
            self._held[choice] = None
            return
        if record.first_token_at is None:
            record.first_token_at = self._clock.now()
        choice.produced = min(choice.produced + 1, len(choice.answer.token_ids))
        record.tokens += 1
        choice.generation.news.set()
        if choice.produced == len(choice.answer.token_ids):
            self._end(choice, "finished")

    def _end(self, choice: Choice, end: End) -> None:
        choice.ended = end
        self._running.pop(choice, None)
        self._held.pop(choice, None)
        if choice.room is None:
            self._waiting.remove(choice)
        else:
            produced = choice.answer.token_ids[: choice.produced]
            self.cache.release(choice.room, (*choice.generation.ask.prompt_ids, *produced))
            choice.room = None
        if all(one.ended for one in choice.generation.choices):
            self._forget(choice.generation)
        choice.generation.news.set()
        self._work.set()

    def _forget(self, generation: Generation) -> None:
        of_id = self._by_id[generation.ask.request_id]
        of_id.remove(generation)
        if not of_id:
            del self._by_id[generation.ask.request_id]
