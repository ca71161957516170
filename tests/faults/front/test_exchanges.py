"""P11, P15, P16, P19, P21: exchanges that need more than one send."""

from __future__ import annotations

import threading
import time

from tests.faults.front.caller import Caller, exchange
from tests.faults.front.refusals import Refusal, check_error, check_shape, named
from tests.faults.front.requests import CHAT, GOOD_BODY, GOOD_REQUEST, KEY, chunk, chunked, head, request
from tests.faults.profile import COUNT_FACTOR, KIB, MIB, SLACK_SECS

JSON = b"Content-Type: application/json"
INNER = request(GOOD_BODY, b"X-Request-Id: inner")
CLOSE_SECS = 1 + SLACK_SECS
ASKED = (JSON, b"Content-Length: %d" % len(GOOD_BODY), b"Expect: 100-continue")
SWITCH = (b"Connection: Upgrade",)
SOCKET = (*SWITCH, b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
LENGTH = b"Content-Length: %d" % len(INNER)
BODIES_OUT_OF_PLACE = {
    "get": head(LENGTH, method="GET", path="/v1/models"),
    "delete": head(LENGTH, method="DELETE", path="/workers/none"),
    "head": head(LENGTH, method="HEAD", path="/nothing"),
    "upgrade": head(*SWITCH, b"Upgrade: foo", JSON, LENGTH),
    "upgrade-get": head(*SWITCH, b"Upgrade: foo", LENGTH, method="GET", path="/v1/models"),
    "websocket": head(*SOCKET, LENGTH, method="GET", path="/v1/models"),
    "websocket-unknown-path": head(*SOCKET, LENGTH, method="GET", path="/ws"),
    "websocket-without-key": head(*SOCKET[:2], LENGTH, method="GET", path="/v1/models"),
    "h2c": head(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk", JSON, LENGTH),
}
TRAILERS = {
    "content-length": b"Content-Length: 3\r\n",
    "transfer-encoding": b"Transfer-Encoding: chunked\r\n",
    "host": b"Host: other\r\n",
    "authorization": b"Authorization: Bearer trailed\r\n",
    "internal": b"X-Smg-Worker-Id: trailed\r\n",
    "200-fields": b"".join(b"X-T%d: trailed\r\n" % number for number in range(200)),
}


@named("name", "P11", TRAILERS)
def test_trailers_reach_nobody(front, name):
    """Fields behind the body are refused or dropped; neither routing nor the worker sees them."""
    mark = len(front.worker.ledger.entries)
    got = exchange(front.port, chunked(chunk(GOOD_BODY), b"0\r\n", TRAILERS[name], b"\r\n"), 3, answers=1)

    assert [answer.status in {200, 400, 431} for answer in got.answers] == [True]
    heads = b"".join(entry.received.partition(b"\r\n\r\n")[0] for entry in front.worker.ledger.since(mark)).lower()
    assert b"trailed" not in heads
    assert heads.count(b"content-length:") == len(front.worker.ledger.since(mark))


@named("name", "P15", BODIES_OUT_OF_PLACE)
def test_body_out_of_place_is_no_request(front, name):
    """One answer, the end, and what stood in the body is asked of nobody."""
    method = BODIES_OUT_OF_PLACE[name].split(b" ")[0]
    got = exchange(front.port, BODIES_OUT_OF_PLACE[name] + INNER, CLOSE_SECS)

    heads = (got.rest if method == b"HEAD" else b"".join(answer.raw for answer in got.answers)).count(b"HTTP/1.1 ")
    assert heads == 1, (got.answers, got.rest)
    assert got.closed
    assert b"101" not in (got.rest + b"".join(answer.raw for answer in got.answers))[:20]
    assert b"\r\nserver:" not in got.rest.lower()
    assert front.worker.ledger.of("inner") == []


def test_p16_body_is_asked_for_once_all_else_is_right(front):
    """100 comes after the key and the size passed; then the answer."""
    with Caller(front.port) as caller:
        caller.send(head(*ASKED))
        first = caller.read(3, answers=1)
        caller.send(GOOD_BODY)
        got = caller.read(3, answers=2)

    assert [answer.status for answer in first.answers] == [100]
    assert [answer.status for answer in got.answers] == [100, 200]


EXPECTED_WRONGLY = {
    "oversize": (head(JSON, b"Content-Length: %d" % (8 * MIB + 1), ASKED[2]), 413),
    "unauthorised": (head(*ASKED).replace(KEY.encode(), b"wrong"), 401),
    "media-type": (head(b"Content-Type: text/plain", *ASKED[1:]), 415),
    "unknown-path": (head(*ASKED, path="/v1/nothing"), 404),
    "method": (head(*ASKED, path="/v1/models"), 405),
}


@named("name", "P16", EXPECTED_WRONGLY)
def test_body_is_not_asked_for(front, name):
    """A request that fails before its body gets the final answer, no 100, and the end."""
    sent, status = EXPECTED_WRONGLY[name]
    got = exchange(front.port, sent, CLOSE_SECS)

    assert [answer.status for answer in got.answers] == [status]
    assert got.closed
    check_shape(got.answers[0])


LARGE = {
    "101-fields": (request(GOOD_BODY, *[b"X-F%d: 1" % number for number in range(97)]), (431,)),
    "line-of-8-kib-and-1": (request(GOOD_BODY, b"X-Long: " + b"x" * (8 * KIB + 1)), (431,)),
    "name-of-8-kib-and-1": (request(GOOD_BODY, b"X" * (8 * KIB + 1) + b": 1"), (431,)),
    "32-kib-in-all": (request(GOOD_BODY, *[b"X-F%d: " % number + b"x" * 1000 for number in range(33)]), (431,)),
    "target-of-8-kib-and-1": (request(path=CHAT + "?" + "x" * 8 * KIB), (414, 431)),
    "960-kb": (request(GOOD_BODY, *[b"X-F%d: " % number + b"x" * 8000 for number in range(120)]), (431,)),
    "no-end": (GOOD_REQUEST.partition(b"\r\n\r\n")[0] + b"\r\nX-Long: " + b"x" * 100_000, (431,)),
    "10000-empty-fields": (request(GOOD_BODY, *[b"X:"] * 10_000), (431,)),
}


@named("name", "P19", LARGE)
def test_large_head_is_refused(front, name):
    """Too many fields, too long a line, too much in all: 431 (414 for the target) and the end."""
    sent, statuses = LARGE[name]
    received = front.worker.ledger.received_bytes
    got = exchange(front.port, sent, CLOSE_SECS)

    assert len(got.answers) == 1
    check_error(got.answers[0], Refusal(name, sent, statuses=statuses))
    assert got.closed
    assert front.worker.ledger.received_bytes == received


def test_p19_head_in_single_bytes_is_refused_and_costs_nothing(front):
    """32 KiB and 1 in 2,000 writes: 431, the end, and no more memory than the head itself."""
    sent = request(GOOD_BODY, *[b"X-F%d: " % number + b"x" * 1000 for number in range(33)])
    before = front.program.ask()["rss_bytes"]
    with Caller(front.port) as caller:
        for spot in range(2_000):
            caller.send(sent[spot : spot + 1])
        caller.send(sent[2_000:])
        got = caller.read(CLOSE_SECS)

    assert [answer.status for answer in got.answers] == [431]
    assert got.closed
    assert front.program.ask()["peak_bytes"] - before <= MIB


def test_p19_what_is_just_within_passes(front):
    """100 fields, and a line of nearly 8 KiB, are not too much."""
    for sent in (
        request(GOOD_BODY, *[b"X-F%d: 1" % number for number in range(96)]),
        request(GOOD_BODY, b"X-Long: " + b"x" * (8 * KIB - 20)),
    ):
        got = exchange(front.port, sent, 3, answers=1)

        assert [answer.status for answer in got.answers] == [200]


def test_p21_pipelined_requests_are_answered_in_order(front):
    """10,000 GETs in one write, unread for a while: memory stays, and each is answered in its turn."""
    number = max(500, int(10_000 * COUNT_FACTOR))
    line = b"GET /liveness HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: r%d\r\n%b\r\n"
    sent = b"".join(line % (turn, b"Connection: close\r\n" * (turn == number - 1)) for turn in range(number))
    before = front.program.ask()["rss_bytes"]
    with Caller(front.port) as caller:
        sender = threading.Thread(target=caller.send, args=(sent,))
        sender.start()
        time.sleep(0.5)
        peak = front.program.ask()["peak_bytes"]
        got = caller.read(30)
        sender.join(10)

    assert [answer.values("x-request-id") for answer in got.answers] == [[f"r{turn}"] for turn in range(number)]
    assert peak - before <= 2 * MIB


def test_p21_few_pipelined_requests_run_ahead(front):
    """Behind a request that waits, at most 16 more reach workers."""
    mark = len(front.worker.ledger.entries)
    with Caller(front.port) as caller:
        caller.send(request(GOOD_BODY, b"X-Script: wait 0.4") + GOOD_REQUEST * 100)
        time.sleep(0.2)
        ahead = len(front.worker.ledger.since(mark))
        got = caller.read(10, answers=101)

    assert 1 <= ahead <= 17
    assert [answer.status for answer in got.answers] == [200] * 101
