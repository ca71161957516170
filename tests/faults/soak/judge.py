"""The verdict on each request, of its caller's answer and the ledger's attempts; none is taken from the gateway."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tests.faults.soak.said import Said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.back.asking import Answer
    from tests.faults.back.book import Attempt
    from tests.faults.soak.callers import Outcome
    from tests.faults.soak.ledger import Ledger


class History(Protocol):
    """What befell the workers."""

    def was_ill(self, backend: str, since: float, until: float) -> bool:
        """Tell whether a worker was ill at any time between two."""
        ...

    def unread(self, at: float, backend: str = "") -> bool:
        """Tell whether a worker, or this one, was frozen at a time: it notes only later what it was asked before."""
        ...


END_SECS = 20.0
OK = 200


@dataclass
class Judge:
    """Judges outcomes once all their attempts have ended.

    Attributes:
        ends: How many requests were ``whole``, ``broken`` (after output, by a worker that was ill), ``left`` by their
            callers, or ``failed`` without a reason that counts.
        wrong: What must never be, with the request it was seen at.
    """

    ledger: Ledger
    history: History
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _waiting: deque[Outcome] = field(default_factory=deque)

    def take(self, outcome: Outcome) -> None:
        """Keep an outcome until its time has come."""
        self._waiting.append(outcome)

    @property
    def judged(self) -> int:
        """Requests judged so far."""
        return self.ends.total()

    @property
    def availability(self) -> float:
        """Share of whole answers among those that could be whole: neither left nor broken after output."""
        able = self.ends["whole"] + self.ends["failed"]
        return self.ends["whole"] / able if able else 1.0

    async def run(self) -> None:
        """Judge on and on until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            self.judge(time.monotonic())

    def judge(self, now: float) -> None:
        """Judge every outcome whose attempts have ended, or should have; none while some may not have been read."""
        if self.history.unread(now):
            return
        waiting, self._waiting = self._waiting, deque()
        for outcome in waiting:
            attempts, late = self.ledger.of(outcome.request_id), now - outcome.ended_at > END_SECS
            if not late and (now - outcome.ended_at < 1 or any(attempt.ended is None for attempt in attempts)):
                self._waiting.append(outcome)
                continue
            self._judge(outcome, attempts)
            self.ledger.judged(outcome.request_id)

    def _judge(self, outcome: Outcome, attempts: list[Attempt]) -> None:
        end, faults = verdict(outcome, attempts, self.history)
        self.ends[end] += 1
        self.wrong += [f"{outcome.request_id}: {fault}" for fault in faults]


def verdict(outcome: Outcome, noted: list[Attempt], history: History) -> tuple[str, list[str]]:
    """Return how a request ended, and what was wrong with it."""
    attempts = sorted(
        noted, key=lambda each: not history.unread(each.begun_at, each.backend)
    )  # asked first, noted last
    faults = [f"{each.backend} still works for it" for each in attempts if each.ended is None]
    if outcome.kind == "leaving" and not outcome.fault:
        return "left", faults
    answer = outcome.answer
    if answer is None or answer.status != OK:
        told = outcome.fault if answer is None else f"{answer.status} {answer.body[:200]!r}"
        return "failed", [*faults, f"failed: {told} ({tried(outcome, attempts)})"]
    faults += list(wrong_with(answer, outcome, attempts))
    if faults or not broken(answer):
        return "failed" if faults else "whole", faults
    last = attempts[-1]
    if not history.was_ill(last.backend, last.begun_at, outcome.ended_at):
        return "failed", [f"broken by {last.backend}, which was well: {answer.errors} ({tried(outcome, attempts)})"]
    return "broken", []


def tried(outcome: Outcome, attempts: list[Attempt]) -> str:
    """Return what the ledger says of a request; times are seconds since its caller asked."""
    told = [
        f"{each.backend} from {each.begun_at - outcome.begun_at:.2f} {each.ended} at "
        f"{(each.ended_at or each.begun_at) - outcome.begun_at:.2f} after {each.sent} bytes"
        for each in attempts
    ]
    return f"tried: {', '.join(told) or 'nobody'}; over at {outcome.ended_at - outcome.begun_at:.2f}"


def broken(answer: Answer) -> bool:
    """Tell whether a stream ended with an error."""
    return streamed(answer) and bool(answer.errors)


def streamed(answer: Answer) -> bool:
    """Tell whether an answer is a stream."""
    return (answer.field("content-type") or "").startswith("text/event-stream")


def wrong_with(answer: Answer, outcome: Outcome, attempts: list[Attempt]) -> Iterator[str]:
    """Yield what an answer of status 200 must not be."""
    if not answer.whole:
        yield "the body was cut short"
        return
    if streamed(answer) != (outcome.kind != "plain"):
        yield "an answer of the other kind"
    if streamed(answer) and not ends_once(answer):
        yield f"the stream ends with {answer.done} [DONE] and {len(answer.errors)} errors"
    heard = [attempt for attempt in attempts if says(attempt, answer)]
    if not heard:
        yield f"the text is no worker's: {answer.text[:80]!r}"
    elif answer.text and heard[-1] is not attempts[-1]:
        yield f"tried again at {attempts[-1].backend} after {heard[-1].backend} had been heard"


def says(attempt: Attempt, answer: Answer) -> bool:
    """Tell whether an answer is what the worker of this attempt says, or where it is broken, the beginning."""
    text = Said(attempt.request_id, attempt.backend, stream=True).text
    return text.startswith(answer.text) if broken(answer) else text == answer.text


def ends_once(answer: Answer) -> bool:
    """Tell whether a stream ends with [DONE], or with one error, and only with that."""
    if answer.errors:
        return len(answer.errors) == 1 and answer.done == 0 and '"error"' in answer.events[-1]
    return answer.done == 1 and answer.events[-1] == "[DONE]"
