from __future__ import annotations

from functools import partial

from smg.core.errors import BadFramingError
from smg.server.metrics_page import metrics_page, page_fault
from tests.middleware.recording import RecordingSink, StepClock, request


async def page(text: bytes = b"") -> bytes:
    """Render ``text``."""
    return text


async def test_page_shows_what_is_rendered() -> None:
    """The text of the metrics comes with Prometheus's content type."""
    sink = RecordingSink()

    await metrics_page(partial(page, b"a 1\n"), StepClock())(request(path="/metrics"), sink)

    assert sink.body == b"a 1\n"
    assert sink.header(b"content-type")[0].startswith(b"text/plain; version=")


async def test_nothing_else_is_there() -> None:
    """Other paths are 404, unroutable requests 400, in the one error shape."""
    other, fault = RecordingSink(), RecordingSink()

    await metrics_page(page, StepClock())(request(path="/workers"), other)
    await page_fault(StepClock())(BadFramingError("no"))(request(), fault)

    assert (other.status, fault.status) == (404, 400)
