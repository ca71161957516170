"""What an answer must be: whole, refused, or broken off, each by the answer rules of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.back.http_words import TEXT

if TYPE_CHECKING:
    from tests.faults.back.asking import Answer

SHAPE = {"message", "type", "param", "code"}
SECRETS = (b"127.0.0.1", b"localhost", b"aiohttp", b"grpc", b"Traceback", b"h11", b"asyncio")
"""What no error of the gateway's own shows."""


def whole(answer: Answer, *, stream: bool, text: str = TEXT) -> None:
    """The caller got all of one worker's answer."""
    assert (answer.status, answer.whole) == (200, True)
    assert answer.text == text
    if stream:
        assert (answer.errors, answer.done) == ([], 1)
        assert answer.events[-1] == "[DONE]"


def refused(answer: Answer, *statuses: int) -> None:
    """The caller got an error in place of an answer."""
    assert answer.status in statuses
    assert answer.whole
    assert set(answer.json["error"]) == SHAPE
    assert answer.field("x-request-id")
    assert not [secret for secret in SECRETS if secret in answer.body]


def passed_on(answer: Answer, status: int, body: bytes) -> None:
    """The caller got the worker's own refusal, byte for byte."""
    assert (answer.status, answer.whole, answer.body) == (status, True, body)
    assert answer.field("x-request-id")


def broken(answer: Answer, said: str) -> None:
    """The caller got the beginning, then exactly one error event, and a body that ends properly."""
    assert (answer.status, answer.whole) == (200, True)
    assert answer.text == said
    assert len(answer.errors) == 1
    assert "error" in answer.events[-1]
    assert set(answer.errors[0]) == SHAPE
    assert answer.done == 0
    assert not [secret for secret in SECRETS if secret in answer.events[-1].encode()]
