"""J02, J12: hostile bodies do not stall the loop for others."""

from __future__ import annotations

import json
import threading
import time

import pytest

from smg.sim.words import WHOLE
from tests.faults.control import CONTROL
from tests.faults.front.caller import Got, exchange
from tests.faults.front.crowd import Healthy, baseline
from tests.faults.front.requests import GOOD_BODY, head, request
from tests.faults.front.test_slow import HEALTHY_RATIO
from tests.faults.processes import gateway_program, program
from tests.faults.profile import ALONE, MIB, SIZE, at_most
from tests.faults.report import figure

PROMPT_BYTES = {"short": 2 * MIB, "scaled": 27 * MIB, "full": 27 * MIB}[SIZE]
PROMPTS = 5
LIVENESS_SECS = 0.1
WORDS = " ".join(WHOLE[:60]) + " "
BEFORE = GOOD_BODY[:-1] + b', "x": '
MOST_LAG_SECS = 0.05
"""The short form shares its two cores with other tests, and only shows that no stall is gross."""


def keys(size: int) -> bytes:
    """Return an object of many keys."""
    return b"{" + b",".join(b'"k%d":1' % number for number in range(size // 12)) + b"}"


BODIES = {
    "empty-objects": b"[" + b",".join([b"{}"] * 1_500_000) + b"]",
    "integers": b"[" + b",".join([b"1"] * 2_500_000) + b"]",
    "one-string": b'"' + b"x" * (8 * MIB - 200) + b'"',
    "keys": keys(7 * MIB),
    "escapes": b'"' + b"\\u0041" * 1_200_000 + b'"',
    "nested": b"[" * 60 + b",".join([b"[[]]"] * 900_000) + b"]" * 60,
}


def at_once(port: int, requests: list[bytes], within_secs: float) -> list[Got]:
    """Send each request on a connection of its own, all at the same time; return what came."""
    answers: list[Got] = []
    threads = [
        threading.Thread(target=lambda sent=sent: answers.append(exchange(port, sent, within_secs, answers=1)))
        for sent in requests
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(within_secs + 10)
    return answers


@pytest.mark.parametrize("name", [pytest.param(name, id=f"J12-{name}") for name in BODIES])
def test_hostile_bodies_do_not_stall_others(front, name, record_property):
    """Four at once: 400 or 200, the loop goes on, and so does everybody else."""
    sent = request(BEFORE + BODIES[name] + b"}")
    usual = baseline(front.port, 0.5)
    front.program.ask()
    with Healthy(front.port) as healthy:
        answers = at_once(front.port, [sent] * 4, 10)
        time.sleep(0.2)
    lag = front.program.ask()["lag"]

    figure(record_property, "F18", "longest stall of the loop in secs", lag["max"], MOST_LAG_SECS, over=lag["ticks"])
    if ALONE:
        figure(record_property, "F18", "stalls of the loop, p99.9 in secs", lag["p999"], 0.02, over=lag["ticks"])
    assert [got.answers[0].status in {200, 400} for got in answers] == [True] * 4
    assert not ALONE or lag["max"] <= MOST_LAG_SECS
    assert healthy.failed == 0
    assert not ALONE or healthy.p99 <= HEALTHY_RATIO * max(usual, 0.02)


@pytest.mark.skipif(CONTROL, reason="the control has no tokenizer")
@pytest.mark.timeout(120)
def test_j13_long_prompts_do_not_stall_liveness(record_property):
    """While five prompts of 27 MiB are put into tokens for a gRPC worker, the liveness probe answers within 100 ms."""
    text = WORDS * (PROMPT_BYTES // len(WORDS))
    bodies = [json.dumps({"model": "m", "prompt": f"{turn} {text}"}).encode() for turn in range(PROMPTS)]
    sent = [request(body, path="/v1/completions") for body in bodies]
    with program("tests.faults.proof.backend_process", "grpc") as backends:
        worker = {"url": backends.ask()["urls"][0], "runtime_type": "sglang"}
        with gateway_program(worker, server={"max_payload_size": 2 * PROMPT_BYTES}) as gateway:
            port = gateway.ask()["port"]
            with Healthy(port, sent=(head(method="GET", path="/liveness"),)) as probe:
                answers = at_once(port, sent, 60)

    slowest = max(probe.took)
    what = f"liveness beside five prompts of {PROMPT_BYTES // MIB} MiB, slowest in secs"
    figure(record_property, "F18", what, slowest, LIVENESS_SECS, over=len(probe.took))
    statuses = [answer.status for got in answers for answer in got.answers]
    assert len(statuses) == PROMPTS
    assert set(statuses) <= {400, 503}, "beyond the context, or not come to in time"
    assert probe.failed == 0
    assert not ALONE or slowest <= LIVENESS_SECS


def test_j02_depth_is_judged_within_100_ms(front):
    """100,000 levels are refused at once."""
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        body = BEFORE + opened * 100_000 + b"1" + closed * 100_000 + b"}"
        got = exchange(front.port, request(body), 5, answers=1)

        assert [answer.status for answer in got.answers] == [400]
        assert got.secs <= at_most(0.1)
