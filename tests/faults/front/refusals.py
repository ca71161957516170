"""What a refused request must get, and nothing else: one answer of the right form, and no byte to any worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.faults.front.caller import exchange
from tests.faults.profile import SLACK_SECS
from tests.faults.report import figure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.front.caller import Answer
    from tests.faults.front.conftest import Front
    from tests.faults.report import Record

BANNERS = ("aiohttp", "python", "traceback", "llhttp", "uvloop", "127.0.0.1")


@dataclass(frozen=True)
class Refusal:
    """One bad request.

    Attributes:
        statuses: Those allowed.
        closes: Whether the connection must end, within a second.
        before: Good answers that come first, to pipelined good requests.
        silent: The connection may also end without a word: what came is no HTTP at all.
        codes: Allowed error codes; empty allows any.
    """

    id: str
    sent: bytes
    statuses: tuple[int, ...] = (400,)
    closes: bool = True
    before: int = 0
    silent: bool = False
    codes: tuple[str, ...] = ()
    param: str | None = None


def cases(refusals: Iterable[Refusal]):
    """Parametrise a test."""
    listed = list(refusals)
    assert len({case.id for case in listed}) == len(listed), "two cases of one id"
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in listed])


def named(name: str, group: str, names: Iterable[str]):
    """Parametrise ``name`` over ``names``, each a case of ``group``."""
    return pytest.mark.parametrize(name, [pytest.param(word, id=f"{group}-{word}") for word in names])


def check_refused(front: Front, case: Refusal, record: Record) -> None:
    """Send the bytes of a case and hold everything that happens against it."""
    ledger = front.worker.ledger
    forwarded, received = len(ledger.entries), ledger.received_bytes
    wanted = case.before + 1
    got = exchange(front.port, case.sent, 1 + SLACK_SECS, answers=None if case.closes else wanted)
    figure(record, "F13", "bad requests passed on", len(ledger.entries) - forwarded - case.before, 0)

    if case.silent and not got.answers:
        assert got.closed
    else:
        assert len(got.answers) == wanted, (got.answers, got.rest)
        assert [answer.status for answer in got.answers[:-1]] == [200] * case.before
        check_error(got.answers[-1], case)
        check_end(got.answers[-1], got.closed, case)
    assert got.rest == b""
    assert len(ledger.entries) - forwarded == case.before
    assert case.before or ledger.received_bytes == received


def check_end(answer: Answer, closed: bool, case: Refusal) -> None:
    """Hold the connection's end against the case."""
    if case.closes:
        assert closed
        assert "keep-alive" not in [value.lower() for value in answer.values("connection")]


def check_error(answer: Answer, case: Refusal) -> None:
    """Hold one error answer against the case and the answer rules."""
    assert answer.status in case.statuses, answer.raw
    error = check_shape(answer)
    assert not case.codes or error["code"] in case.codes, error
    assert case.param is None or error["param"] == case.param, error


def check_shape(answer: Answer) -> dict[str, str]:
    """Hold one error answer against the answer rules; return its error."""
    content = answer.json()
    assert set(content) == {"error"}
    error: dict[str, str] = content["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["code"]
    assert len(answer.values("x-request-id")) == 1
    assert not [banner for banner in BANNERS if banner in answer.raw.decode("latin-1").lower()]
    assert len(answer.raw) < 2_000, "more than an error needs: bytes of the request?"
    return error
