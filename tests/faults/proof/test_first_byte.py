"""B07: nothing is tried again once the caller has a byte of an answer, however its worker dies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.back.facing import facing, good
from tests.faults.back.grpc_words import THREE
from tests.faults.back.http_words import SSE_HEAD, TEXT, WORDS, chunk, event
from tests.faults.back.steps import Close, Play, Reset, ResetStream, Send, Status, Wait
from tests.faults.profile import SIZE
from tests.faults.proof.callers import in_lanes
from tests.faults.report import figure

if TYPE_CHECKING:
    from tests.faults.back.book import Attempt
    from tests.faults.back.steps import Script

pytestmark = [pytest.mark.usefixtures("unburdened"), pytest.mark.paired]

STREAMS = {"short": 60, "scaled": 1_200, "full": 25_000}[SIZE]
"""Of each mode."""
LANES = 20
MOST_EVENTS = 50
WORD = WORDS[2]
"""What first workers say over and over; the text of second ones begins otherwise."""
ERROR = Send(chunk(b'data: {"error": {"message": "ill"}}\n\n'))
DEATHS: dict[str, tuple[Script, ...]] = {
    "http": ((Reset(),), (Close(),), (Send(b"40\r\ndata: {"), Close()), (ERROR, Close())),
    "grpc": ((ResetStream(2),), (ResetStream(11),), (Status(13),), (Status(14),)),
}
"""Of gRPC those of one call: the end of a connection would also end its neighbours, begun or not."""
FREELY: dict[str, Any] = {
    "worker_defaults": {"breaker": {"disabled": True}, "retry": {"initial_backoff_ms": 1, "max_backoff_ms": 5}},
    "retry_budget": {"ratio": 1.0, "floor": 1000},
}
"""Neither a breaker nor the budget may be what keeps a retry back."""


@dataclass
class Deaths(Play):
    """Has the first attempt at ``r<number>`` die after number % 51 events; a second one would be answered well."""

    mode: str = "http"

    def act(self, attempt: Attempt) -> Script:
        """Return the script of an attempt."""
        if attempt.number > 1:
            return good(self.mode, stream=True)
        number, deaths = int(attempt.request_id[1:]), DEATHS[self.mode]
        return (*begun(self.mode, number % (MOST_EVENTS + 1)), Wait(0.03), *deaths[number % len(deaths)])


def begun(mode: str, events: int) -> Script:
    """Return a stream up to so many events."""
    if mode == "grpc":
        return THREE[2:] * events
    return (Send(SSE_HEAD), *[Send(chunk(event(WORD)))] * events)


def wrong(text: str, attempts: int) -> bool:
    """Tell whether a text is neither the beginning of a first worker's nor the whole of a second one's."""
    return text != (WORD * text.count(WORD) if text.startswith(WORD) and attempts == 1 else TEXT)


@pytest.mark.timeout({"short": 60, "scaled": 120, "full": 3600}[SIZE])
@pytest.mark.parametrize("mode", [pytest.param(mode, id=f"B07-{mode}") for mode in ("http", "grpc")])
async def test_nothing_is_tried_again_after_the_first_byte(mode, record_property):
    """By the ledger a stream of which anything was delivered was asked of one worker; of which nothing was, of two."""
    seen: dict[str, tuple[str, int]] = {}
    async with facing(mode, (), setup={"play": Deaths((), mode=mode)}, **FREELY) as scene:

        async def lane(names: list[str]) -> None:
            for name in names:
                answer = await scene.ask(name, stream=True)
                seen[name] = answer.text, len(scene.book.of(name))

        await in_lanes([f"r{number}" for number in range(STREAMS)], LANES, lane)

    begun_ones = [attempts for text, attempts in seen.values() if text.startswith(WORD)]
    again = sum(begun_ones) - len(begun_ones)
    figure(record_property, "F05", "retries after the first byte", again, 0, over=len(begun_ones))
    assert again == 0
    assert len(begun_ones) >= 0.9 * STREAMS
    assert len(begun_ones) < STREAMS, "no stream was tried again: the case shows nothing"
    assert [name for name, (text, attempts) in seen.items() if wrong(text, attempts)] == []
