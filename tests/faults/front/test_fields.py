"""P22-P25: which fields pass, and that none carries anything it should not."""

from __future__ import annotations

import json

import pytest

from tests.faults.front.caller import exchange
from tests.faults.front.refusals import named
from tests.faults.front.requests import GOOD_BODY, KEY, chat, head, request

INTERNAL = (
    b"X-SMG-Tenant",
    b"x-smg-tenant",
    b"X_SMG_Tenant",
    b"X-Smg_Tenant",
    b"x_smg-worker-id",
    b"X-SMG-Worker-Id",
    b"X-SMG-Target-Worker",
    b"X-SMG-Routed-Worker-Id",
    b"x-smg-bootstrap-room",
    b"X-SMG-Bootstrap-Host",
    b"X-SMG-Prefill-Host",
    b"X-Smg-Routing",
)
FORWARDED = (
    b"X-Forwarded-For",
    b"x-forwarded-for",
    b"X_Forwarded_For",
    b"X-Forwarded-Host",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Port",
    b"X-Forwarded-Prefix",
    b"X-FORWARDED-PROTO",
    b"X-Data-Parallel-Rank",
    b"x_data_parallel_rank",
    b"X-DATA-PARALLEL-RANK",
)
HOP_BY_HOP = {
    "keep-alive": (b"Keep-Alive: timeout=5",),
    "te": (b"TE: trailers",),
    "trailer": (b"Trailer: X-Later",),
    "proxy-authorization": (b"Proxy-Authorization: Basic marked",),
    "proxy-authenticate": (b"Proxy-Authenticate: Basic marked",),
    "proxy-connection": (b"Proxy-Connection: keep-alive",),
    "named": (b"Connection: X-Named", b"X-Named: marked"),
    "named-in-a-list": (b"Connection: keep-alive , x-named,", b"X-Named: marked"),
    "named-twice": (b"Connection: keep-alive", b"Connection: X-Named", b"X-Named: marked"),
    "named-case": (b"Connection: X-NAMED", b"x-named: marked"),
    "named-tenant": (b"Connection: X-Tenant", b"X-Tenant: marked"),
    "named-authorization": (b"Connection: Authorization",),
    "named-request-id": (b"Connection: X-Request-Id", b"X-Request-Id: kept-id"),
    "named-host": (b"Connection: Host",),
    "named-content-length": (b"Connection: Content-Length",),
}
SINGLE = {"connection", "keep-alive", "te", "trailer", "proxy-authorization", "proxy-authenticate", "proxy-connection"}


def forwarded(front, sent):
    """Send a good request; return its answer and the fields that the worker got."""
    mark = len(front.worker.ledger.entries)
    got = exchange(front.port, sent, 3, answers=1)
    entries = front.worker.ledger.since(mark)
    assert len(got.answers) == len(entries) == 1, got
    lines = entries[0].received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return got.answers[0], [tuple(line.split(": ", 1)) for line in lines]


@named("name", "P22", HOP_BY_HOP)
def test_fields_of_one_hop_end_here(front, name):
    """What belongs to the caller's connection does not reach the worker; what the gateway needs stays in force."""
    answer, fields = forwarded(front, request(GOOD_BODY, b"X-Passes: yes", *HOP_BY_HOP[name]))

    names = [key.lower() for key, _ in fields]
    assert answer.status == 200
    assert not SINGLE & set(names) - {"connection"}
    assert "marked" not in str(fields)
    assert ("X-Passes", "yes") in fields
    assert names.count("content-length") + names.count("transfer-encoding") == 1
    assert names.count("host") == 1
    assert [value for key, value in fields if key.lower() == "connection"] in ([], ["keep-alive"])
    assert KEY not in str(fields)


def raw_answer(*lines: bytes, body: bytes = b"{}") -> bytes:
    """Return an answer of a worker with these lines."""
    fields = b"".join(line + b"\r\n" for line in lines)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + fields + b"\r\n" + body


LENGTH = b"Content-Length: 2"
ANSWERS = {
    "connection-named": raw_answer(LENGTH, b"Connection: X-Secret, close", b"X-Secret: marked"),
    "own-request-id": raw_answer(LENGTH, b"X-Request-Id: marked"),
    "named-request-id": raw_answer(LENGTH, b"Connection: X-Request-Id", b"X-Request-Id: marked"),
    "server": raw_answer(LENGTH, b"Server: marked/1"),
    "hop-by-hop": raw_answer(LENGTH, b"Keep-Alive: marked", b"Proxy-Authenticate: marked", b"Trailer: marked"),
    "upgrade": raw_answer(LENGTH, b"Upgrade: marked"),
    "two-lengths": raw_answer(LENGTH, LENGTH, b"X-Two: marked-not"),
    "different-lengths": raw_answer(LENGTH, b"Content-Length: 20"),
    "length-and-chunks": raw_answer(b"Content-Length: 20", b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "chunks": raw_answer(b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "until-the-end": raw_answer(),
}


@named("name", "P23", ANSWERS)
def test_fields_of_the_workers_hop_end_here(front, name):
    """An answer has exactly one framing and nothing of the worker's own connection."""
    front.worker.raw[name] = ANSWERS[name]
    got = exchange(front.port, request(GOOD_BODY, b"X-Script: raw " + name.encode()), 3, answers=1)

    (answer,) = got.answers
    framings = answer.values("content-length") + answer.values("transfer-encoding")
    assert answer.status in {200, 502}
    assert len(framings) == 1
    assert len(answer.values("x-request-id")) == 1
    assert b"marked" not in answer.raw.replace(b"marked-not", b"")
    assert got.rest == b""


def test_p23_all_other_fields_come_back(front):
    """Every value of every other field, in order."""
    lines = [b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"X-Other: 1", b"x-other: 2", b"X-Engine: e"]
    front.worker.raw["kept"] = raw_answer(LENGTH, *lines)
    got = exchange(front.port, request(GOOD_BODY, b"X-Script: raw kept"), 3, answers=1)

    (answer,) = got.answers
    assert answer.values("set-cookie") == ["a=1", "b=2"]
    assert answer.values("x-other") == ["1", "2"]
    assert answer.values("x-engine") == ["e"]


@pytest.mark.parametrize("key", [KEY, "wrong"], ids=["P23-banner-served", "P23-banner-refused"])
def test_no_banner(front, key):
    """No answer tells what serves it."""
    got = exchange(front.port, request(GOOD_BODY, key=key), 3, answers=1)

    assert [answer.values("server") for answer in got.answers] == [[]]


@pytest.mark.parametrize("name", [*INTERNAL, *FORWARDED], ids=lambda name: f"P24-{name.decode()}")
def test_internal_fields_are_not_the_callers_to_send(front, name):
    """What only the gateway may say is dropped, in whatever spelling."""
    answer, fields = forwarded(front, request(GOOD_BODY, name + b": marked"))

    assert answer.status in {200, 400}
    assert "marked" not in str(fields)
    assert b"marked" not in answer.raw


INJECTED = ("\r\nX-Injected: 1", "\nX-Injected: 1", "\x00X-Injected", "\u2028X-Injected", "\x85X-Injected", "ë\udcff")
SPOTS = {
    "model": lambda text: chat(model="m" + text),
    "user": lambda text: chat(user=text),
    "metadata": lambda text: chat(metadata={text: text}),
    "tool-name": lambda text: chat(tools=[{"type": "function", "function": {"name": text}}]),
    "file-name": lambda text: chat(file={"filename": text}),
    "unknown-field": lambda text: chat(**{text: text}),
}


@named(
    "case",
    "P25",
    [f"{spot}-{number}" for spot in SPOTS for number in range(len(INJECTED))],
)
def test_text_of_callers_stays_text(front, case):
    """Line breaks and control characters of a body never become part of a head or of a line of the log."""
    spot, _, number = case.rpartition("-")
    body = SPOTS[spot](INJECTED[int(number)])
    mark = len(front.worker.ledger.entries)
    got = exchange(front.port, request(body), 3, answers=1)

    assert len(got.answers) == 1
    assert got.answers[0].status < 500
    assert got.answers[0].values("x-injected") == []
    for entry in front.worker.ledger.since(mark):
        assert b"injected" not in entry.received.partition(b"\r\n\r\n")[0].lower()
    lines = front.program.told_of(got.answers[0].values("x-request-id")[0])
    assert len(lines) == 1
    assert lines[0].isascii()
    assert json.loads(lines[0])


@pytest.mark.parametrize("value", [b"a b", b'a"b', b"\xff", b"a,b", b"x" * 129, b"<a>", "ë".encode(), b""])
def test_p25_odd_request_ids_are_not_taken_over(front, value):
    """An id with anything but letters, digits and a few marks is replaced."""
    sent = head(b"X-Request-Id: " + value, method="GET", path="/liveness")
    got = exchange(front.port, sent, 3, answers=1)

    (answer,) = got.answers
    assert answer.status in {200, 400}
    (given,) = answer.values("x-request-id")
    assert given.encode("latin-1") != value
    assert given.isascii()
    assert given.isalnum()
