"""P29, J16: requests made at random."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from tests.faults.front.caller import Caller, parsed, sent
from tests.faults.front.mutants import FUZZ, SEED, mutant, split
from tests.faults.front.refusals import check_shape
from tests.faults.front.requests import request
from tests.faults.report import figure

pytestmark = pytest.mark.beside

SERVED = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


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
