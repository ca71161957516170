"""One cell of the fault matrix: a script for the worker asked first, and what the caller must then have got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults import profile
from tests.faults.back.facing import facing, good
from tests.faults.back.verdicts import refused, whole
from tests.faults.report import figure
from tests.faults.vitals import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.back.asking import Answer
    from tests.faults.back.facing import Scene
    from tests.faults.back.steps import Script
    from tests.faults.report import Record

PROMPT_SECS = profile.secs(5) + 0.3 + profile.SLACK_SECS
"""When an answer is late that nothing has to be waited for: by then even a worker without a first byte is given up."""


@dataclass(frozen=True)
class Cell:
    """One fault in one form.

    Attributes:
        case: The catalogue's number.
        act: What the first attempt meets; a second one meets a good engine, if there is another.
        want: Raises AssertionError unless the answer is right.
        attempts: How many attempts the ledger must show; None leaves it open.
        alone: One worker only, which always misbehaves.
        within_secs: The answer must be there by then: its deadline, 300 ms, and what a loaded machine may be late by.
        no_sooner_secs: It must not be there before.
        grown_bytes: So much more memory than before it may take at most, the engine's and the caller's included.
        freed_secs: Each worker must have seen the end of its attempt so soon after the caller's answer.
    """

    case: str
    variant: str
    mode: str
    stream: bool
    act: Script
    want: Callable[[Answer], None]
    attempts: int | None = 1
    alone: bool = False
    within_secs: float = PROMPT_SECS
    no_sooner_secs: float = 0.0
    freed_secs: float | None = None
    grown_bytes: int | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        kind = "stream" if self.stream else "plain"
        return f"{self.case}-{self.variant}-{kind}-{'alone' if self.alone else 'pair'}-{self.mode}"


def retried(case: str, variant: str, act: Script, *, mode: str = "http", stream: bool, **more: Any) -> Cell:
    """Return the cell of a fault that another worker makes good."""
    return Cell(case, variant, mode, stream, act, lambda answer: whole(answer, stream=stream), attempts=2, **more)


def fatal(case: str, variant: str, act: Script, *statuses: int, mode: str = "http", stream: bool, **more: Any) -> Cell:
    """Return the cell of a fault with nobody to make it good."""
    return Cell(case, variant, mode, stream, act, lambda answer: refused(answer, *statuses), alone=True, **more)


def both(case: str, variant: str, act: Script, *statuses: int, stream: bool, **more: Any) -> tuple[Cell, Cell]:
    """Return both cells of a fault before anything was delivered: with another worker, and without."""
    return (
        retried(case, variant, act, stream=stream, **more),
        fatal(case, variant, act, *statuses, stream=stream, **more),
    )


async def play(cell: Cell, record: Record) -> None:
    """Run one cell: caller and ledger must both agree, and nothing may stay behind."""
    acts = (cell.act,) if cell.alone else (cell.act, good(cell.mode, stream=cell.stream))
    workers = 1 if cell.alone else 2
    async with facing(cell.mode, *acts, workers=workers, **cell.settings) as scene:
        late, (before, _) = True, memory()
        try:
            answer = await scene.ask(stream=cell.stream, **cell.asked)
            late = answer.secs + profile.SLACK_SECS > max(PROMPT_SECS, cell.within_secs)
        finally:
            figure(record, "F11", "answers later than their deadline + 300 ms", late, 0)
        _, peak = memory()
        cell.want(answer)
        assert cell.no_sooner_secs <= answer.secs <= cell.within_secs
        if cell.grown_bytes is not None:
            assert peak - before <= cell.grown_bytes
        await _check_ledger(cell, scene)
        if cell.freed_secs is not None:
            last = max(attempt.ended_at or 0 for attempt in scene.book.of("r"))
            assert last - answer.ended_at <= cell.freed_secs


async def _check_ledger(cell: Cell, scene: Scene) -> None:
    if cell.mode == "grpc":
        for backend in scene.backends:
            backend.thawed.set()  # what is frozen notes no end
    await scene.clean()
    attempts = scene.book.of("r")
    if cell.attempts is not None:
        assert len(attempts) == cell.attempts
        assert len({attempt.backend for attempt in attempts}) == cell.attempts


def ids(cells: Iterable[Cell]) -> list[str]:
    """Return the cells' names; no two are equal."""
    names = [str(cell) for cell in cells]
    assert len(names) == len(set(names))
    return names
