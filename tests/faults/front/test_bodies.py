"""J01-J14: bodies."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.front.caller import Caller, exchange
from tests.faults.front.cases_json import PASSED_ON, all_json
from tests.faults.front.cases_media import all_media
from tests.faults.front.conftest import fronted
from tests.faults.front.refusals import Refusal, cases, check_error, check_refused
from tests.faults.front.requests import CHAT, GOOD_BODY, LAST, chunk, chunked, head, request
from tests.faults.profile import MIB, SLACK_SECS, count
from tests.faults.report import figure


@cases([*all_json(), *all_media()])
def test_bad_body_is_refused(front, case, record_property):
    """One error that names what is wrong, and no worker sees a byte."""
    check_refused(front, case, record_property)


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


AT_ONCE = count(100, 12)
BUDGETS = {"J10-room-for-all": AT_ONCE, "J10-room-for-a-third": AT_ONCE // 3}
SPARE_BYTES = 64 * MIB
"""What the allocator may keep for later of what it was given back."""
UNHURRIED = {"timeouts": {"connect_secs": 30.0}, "breaker": {"disabled": True}}
"""One worker in this process takes in all the bodies, slowly."""


@pytest.mark.parametrize("room", BUDGETS.values(), ids=BUDGETS)
def test_bodies_at_once_stay_within_their_memory(room, record_property):
    """Bodies of 8 MiB are served where there is room, others refused, and memory grows by no more than that room."""
    sent = request(padded(8 * MIB), b"X-Script: wait 1")
    budget = room * 8 * MIB
    with fronted(limits={"body_memory_bytes": budget}, worker_defaults=UNHURRIED) as fresh:
        before = fresh.program.ask("rest")["rss_bytes"]
        peak, got = watched(fresh, [sent] * AT_ONCE)
        statuses = [answer.status for answers in got for answer in answers]
        held = metric(fresh.program.ask()["metrics_port"], b"smg_http_request_body_bytes")

    taken, most = (peak - before) / MIB, (1.2 * budget + SPARE_BYTES) / MIB
    figure(record_property, "J10", f"MiB that {AT_ONCE} bodies take within {budget // MIB} MiB", taken, most)
    assert len(statuses) == AT_ONCE
    assert set(statuses) == ({200} if room == AT_ONCE else {200, 503})
    assert all(answers[0].values("retry-after") for answers in got if answers[0].status == 503)
    assert taken <= most
    assert held == 0


def watched(front, requests):
    """Send all at once; return the most memory taken meanwhile, and the answers."""
    with ThreadPoolExecutor(len(requests)) as pool:
        asked = [pool.submit(exchange, front.port, sent, 30, answers=1) for sent in requests]
        peak = 0
        while not all(one.done() for one in asked):
            peak = max(peak, front.program.ask()["peak_bytes"])
            time.sleep(0.02)
        return peak, [one.result().answers for one in asked]


def metric(port, name):
    """Return the value of a metric without labels."""
    page = exchange(port, head(method="GET", path="/metrics"), 3, answers=1).answers[0].body
    return float(next(line for line in page.split(b"\n") if line.startswith(name + b" ")).split()[1])
