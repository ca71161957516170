"""J01-J14: bodies."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.front.caller import Caller, exchange
from tests.faults.front.cases_json import PASSED_ON, all_json
from tests.faults.front.cases_media import all_media
from tests.faults.front.refusals import Refusal, cases, check_error, check_refused
from tests.faults.front.requests import CHAT, GOOD_BODY, LAST, chunk, chunked, head, request
from tests.faults.profile import MIB, SLACK_SECS


@cases([*all_json(), *all_media()])
def test_bad_body_is_refused(front, case):
    """One error that names what is wrong, and no worker sees a byte."""
    check_refused(front, case)


def test_j11_writes_no_file():
    """Names of uploaded files lead nowhere."""
    assert not Path("/tmp/smg-fault").exists()


@pytest.mark.parametrize("name", PASSED_ON)
def test_what_the_gateway_does_not_read_passes_untouched(front, name):
    """An HTTP worker gets the caller's very bytes, whatever they hold that is not ours to judge."""
    mark = len(front.worker.ledger.entries)
    got = exchange(front.port, request(PASSED_ON[name]), 3, answers=1)

    assert [answer.status for answer in got.answers] == [200]
    assert [entry.received.partition(b"\r\n\r\n")[2] for entry in front.worker.ledger.since(mark)] == [PASSED_ON[name]]


def padded(size: int) -> bytes:
    """Return a good body of exactly so many bytes."""
    return GOOD_BODY[:-1] + b', "x": "' + b"x" * (size - len(GOOD_BODY) - 9) + b'"}'


def test_j10_body_of_the_limit_passes(front):
    """8 MiB exactly is not too large."""
    got = exchange(front.port, request(padded(8 * MIB)), 10, answers=1)

    assert [answer.status for answer in got.answers] == [200]


def test_j10_length_beyond_the_limit_is_refused_unread(front):
    """One byte more, by its length: 413 before any of the body has been sent, and the end."""
    sent = head(b"Content-Type: application/json", b"Content-Length: %d" % (8 * MIB + 1))
    received = front.worker.ledger.received_bytes
    got = exchange(front.port, sent, 1 + SLACK_SECS)

    assert [answer.status for answer in got.answers] == [413]
    assert got.closed
    assert front.worker.ledger.received_bytes == received


def test_j10_chunks_beyond_the_limit_are_refused_there(front):
    """One byte more, in chunks: 413 although the last chunk never comes, and the end."""
    body = padded(8 * MIB + 1)
    pieces = [chunk(body[start : start + MIB]) for start in range(0, len(body), MIB)]
    received = front.worker.ledger.received_bytes
    with Caller(front.port) as caller:
        caller.send(chunked(*pieces))
        got = caller.read(5)

    assert [answer.status for answer in got.answers] == [413]
    assert got.closed
    assert front.worker.ledger.received_bytes == received


def test_j10_endless_chunks_end(front):
    """A body without end is cut off at the limit, however long the caller goes on."""
    with Caller(front.port) as caller:
        caller.send(chunked())
        begun = time.monotonic()
        while caller.send(chunk(bytes(MIB))) and time.monotonic() - begun < 10:
            pass

    assert time.monotonic() - begun < 2 + SLACK_SECS


@pytest.mark.parametrize("extra", [b"", LAST])
def test_j10_error_has_the_form(front, extra):
    """413 looks like every other error."""
    sent = chunked(*[chunk(b" " * MIB)] * 9, extra)
    got = exchange(front.port, sent, 5)

    assert len(got.answers) == 1
    error = got.answers[0].json()["error"]
    assert (got.answers[0].status, error["code"]) == (413, "payload_too_large")


def test_paths_that_are_not_there_have_the_form(front):
    """404 and 405 look like every other error."""
    for path, status in {"/v1/nothing": 404, f"{CHAT}/more": 404, "/v1/models": 405}.items():
        got = exchange(front.port, request(path=path), 3, answers=1)

        check_error(got.answers[0], Refusal(path, b"", statuses=(status,)))
