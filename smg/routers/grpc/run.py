"""One call to the engine and the answers it makes, and how several calls run side by side on one worker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any, TypeAlias

    from smg.core.generation import Delta, Generation
    from smg.routers.grpc.choice import Choice
    from smg.routers.grpc.outputs import Output
    from smg.routers.grpc.tally import Tally
    from smg.wire.openai.answer_style import ChoicePiece
    from smg.workers.grpc_worker import GrpcWorker
    from smg.workers.watch import Watch

    Watching: TypeAlias = "Callable[[bool], Watch]"
    """Makes the clocks of one call, which streams or not."""

CALLS_AT_ONCE: Final = 64
"""Calls of one request that an engine works on together; the others wait."""


class Run:
    """One call to the engine.

    Attributes:
        generation: What is asked of the engine.
        choices: The answers, by the engine's index.
    """

    def __init__(self, generation: Generation, prompt: int, choices: Sequence[Choice], tally: Tally) -> None:
        self.generation = generation
        self.choices = choices
        self._prompt = prompt
        self._tally = tally
        self._under_way = len(choices)

    def take(self, delta: Delta) -> ChoicePiece | None:
        """Return what ``delta`` adds to its answer."""
        choice = self.choices[delta.index]
        before = choice.completion_tokens
        piece = choice.take(delta)
        self._tally.add(self._prompt, delta, choice.completion_tokens - before)
        if delta.finish is not None:
            self._under_way -= 1
        return piece

    @property
    def done(self) -> bool:
        """Whether every answer has ended."""
        return all(choice.done for choice in self.choices)

    @property
    def idle(self) -> bool:
        """Whether every answer has ended while the engine still works on one of them."""
        return self._under_way > 0 and self.done


async def perform(worker: GrpcWorker, runs: Sequence[Run], output: Output, watching: Watching) -> None:
    """Make all calls of a request, each watched; leave each as soon as its answers have ended.

    Raises:
        DownstreamError: The engine refused one.
        UpstreamError: The worker failed in one; the others are cancelled.
    """
    if len(runs) == 1:
        # A task of its own: each message resumes two coroutines, in place of all those of the request's way.
        await asyncio.get_running_loop().create_task(_call(worker, runs[0], output, watching))
        return
    slots = asyncio.Semaphore(CALLS_AT_ONCE)
    await together([_in_turn(slots, _call(worker, run, output, watching)) for run in runs])


async def _in_turn(slots: asyncio.Semaphore, call: Coroutine[Any, Any, None]) -> None:
    try:
        async with slots:
            await call
    finally:
        call.close()  # one that never had its turn


async def _call(worker: GrpcWorker, run: Run, output: Output, watching: Watching) -> None:
    watch = watching(run.generation.stream)
    async with worker.generate(run.generation, watch) as deltas:
        output.begin([choice.index for choice in run.choices])
        async for delta in deltas:
            piece = run.take(delta)
            if piece is None:
                continue
            output.show(piece)
            if output.full:
                await output.ready(watch)
            if piece.finish is not None and run.idle:
                return


async def together(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all side by side; the first failure cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except ExceptionGroup as errors:
        raise _first(errors) from errors


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
