from __future__ import annotations

from smg.core.request import ReplyHead
from smg.middleware.relay import RelaySink
from tests.middleware.recording import RecordingSink


async def test_everything_goes_on_to_the_inner_sink() -> None:
    """A relay that overrides nothing is the sink it wraps."""
    inner = RecordingSink()
    outer = RelaySink(RelaySink(inner))

    outer.start(ReplyHead(200, ()))
    outer.write(b"x")
    await outer.drain()
    outer.finish()

    assert (inner.status, inner.body, inner.drains, inner.finished) == (200, b"x", 1, True)
    assert (outer.started, outer.paused) == (True, False)
