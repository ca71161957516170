"""P28, P29, J16: requests made at random. ``SMG_FAULTS_FUZZ`` sets how many, ``SMG_FAULTS_SEED`` which."""

from __future__ import annotations

import json
import os
import random
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import h11
import pytest

from tests.faults.front.caller import Caller, parsed
from tests.faults.front.mutants import mutant, split
from tests.faults.front.refusals import check_shape
from tests.faults.front.requests import request
from tests.faults.profile import SIZE
from tests.faults.report import figure

SEED = int(os.environ.get("SMG_FAULTS_SEED", "20"))
FUZZ = int(os.environ.get("SMG_FAULTS_FUZZ", {"short": "600", "scaled": "30000", "full": "1000000"}[SIZE]))
SERVED = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


@dataclass
class Reading:
    """What one parser makes of some bytes."""

    methods: list[bytes] = field(default_factory=list)
    targets: list[bytes] = field(default_factory=list)
    hosts: list[list[bytes]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)


def sent(port, pieces):
    """Send the pieces, then end our side; return what came back."""
    with Caller(port) as caller:
        for piece in pieces:
            if piece and not caller.send(piece):
                break
        caller.read(0.03, answers=1)
        with suppress(OSError):
            caller.socket.shutdown(socket.SHUT_WR)  # no more comes: what is not whole will never be
        caller.read(3)
        return caller.data


def ours(data: bytes) -> Reading:
    """Read with the recording worker's own eyes."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *rest = head.split(b"\r\n")
    hosts = [value.strip() for name, _, value in (each.partition(b":") for each in rest) if name.lower() == b"host"]
    method, target, _ = line.split(b" ")
    return Reading([method], [target], [hosts], [len(body)])


def by_h11(data: bytes) -> Reading:
    """Read with h11."""
    reading = Reading()
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    while (event := connection.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
        if isinstance(event, h11.Request):
            reading.methods.append(event.method)
            reading.targets.append(event.target)
            reading.hosts.append([value for name, value in event.headers if name == b"host"])
            reading.lengths.append(0)
        elif isinstance(event, h11.Data):
            reading.lengths[-1] += len(event.data)
    return reading


class Llhttp:
    """Reads with httptools, and tells it to the reading."""

    def __init__(self) -> None:
        self.reading = Reading()

    def on_message_begin(self) -> None:
        """Begin one more."""
        self.reading.hosts.append([])
        self.reading.lengths.append(0)

    def on_url(self, url: bytes) -> None:
        """Note the target."""
        self.reading.targets.append(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a host."""
        if name.lower() == b"host":
            self.reading.hosts[-1].append(value)

    def on_body(self, body: bytes) -> None:
        """Count."""
        self.reading.lengths[-1] += len(body)


def by_httptools(data: bytes) -> Reading:
    """Read with httptools."""
    httptools = pytest.importorskip("httptools")
    told = Llhttp()
    parser = httptools.HttpRequestParser(told)
    parser.feed_data(data)
    told.reading.methods.append(parser.get_method())
    return told.reading


def test_p28_what_is_passed_on_reads_the_same_to_everyone(front, record_property):
    """Whatever is let through, other parsers find the one request in it that the worker found."""
    rng = random.Random(SEED)
    mark = len(front.worker.ledger.entries)
    for _ in range(max(min(300, FUZZ), FUZZ // 5)):
        sent(front.port, [mutant(rng)])

    passed_on = front.worker.ledger.since(mark)
    disagree = [
        entry.received
        for entry in passed_on
        if not (ours(entry.received) == by_h11(entry.received) == by_httptools(entry.received))
    ]
    figure(record_property, "F15", "requests passed on and read differently", len(disagree), 0, over=len(passed_on))
    assert len(passed_on) > 20
    assert disagree == []
    assert {ours(entry.received).hosts[0][0] for entry in passed_on} == {front.worker.url[7:].encode()}


def test_p29_no_bytes_break_the_front(front, record_property):
    """Mutants, half of them in pieces: no 5xx, nothing unhandled, nothing left over."""
    rng = random.Random(SEED + 1)
    before = front.program.ask("rest")
    wrong = []
    for _ in range(FUZZ):
        pieces = split(rng, mutant(rng))
        answers = sent(front.port, pieces)
        if any(status >= b"500" for status in SERVED.findall(answers)) or (answers and not SERVED.match(answers)):
            wrong.append((pieces, answers))

    figure(record_property, "F14", "inputs at the socket with a 5xx or no HTTP", len(wrong), 0, over=FUZZ)
    assert wrong == []
    assert front.program.logged("error", "critical") == []
    front.program.until(lambda told: told["in_flight"] == 0 and told["descriptors"] <= before["descriptors"] + 2, 10)


VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**20, "", "m", "é\u2028", [], {}, [None], {"a": None}, [[]], "x" * 300, [{}], {"b": [1]},
)  # fmt: skip
NAMES = (
    "model", "messages", "stream", "max_tokens", "n", "prompt", "input", "text", "tools", "stop", "seed", "logprobs",
    "temperature", "response_format", "sampling_params", "query", "documents", "stream_options", "unknown",
)  # fmt: skip
PLACES = (
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/generate", "/v1/rerank", "/v1/score",
    "/v1/classify", "/v1/tokenize", "/v1/detokenize", "/workers",
)  # fmt: skip


def test_j16_any_json_gets_an_answer_in_form(front):
    """Objects of any fields at every endpoint: no 5xx, and every refusal has the form of errors."""
    rng = random.Random(SEED + 2)
    for _ in range(max(min(200, FUZZ), FUZZ // 20)):
        fields = {name: rng.choice(VALUES) for name in rng.sample(NAMES, rng.randrange(6))}
        body = json.dumps({"model": "m", **fields}).encode()
        with Caller(front.port) as caller:
            caller.send(request(body, path=rng.choice(PLACES)))
            caller.read(3, answers=1)
        (answer,), _ = parsed(caller.data)
        assert answer.status < 500, (body, answer.raw)
        if answer.status >= 400:
            check_shape(answer)
        assert answer.values("server") == []
