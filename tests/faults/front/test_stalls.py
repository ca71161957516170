"""J02, J12: hostile bodies do not stall the loop for others."""

from __future__ import annotations

import json
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from statistics import median

import pytest

from smg.sim.words import WHOLE
from tests.faults.control import CONTROL
from tests.faults.front.caller import Got, at_once, exchange
from tests.faults.front.conftest import fronted
from tests.faults.front.crowd import PER_SEC, Healthy, baseline
from tests.faults.front.load import Load, load
from tests.faults.front.requests import GOOD_BODY, head, request
from tests.faults.front.test_slow import HEALTHY_RATIO
from tests.faults.processes import gateway_program, program
from tests.faults.profile import ALONE, MIB, SIZE, at_most
from tests.faults.report import figure
from tests.faults.vitals import p999

CONTEXT = 1 << 20
FITTING_MIB = 1
"""About a quarter of a million tokens: as much as the contexts of most models hold."""
NOT_KEPT = pytest.mark.xfail(strict=True, reason="some steps with millions of tokens hold the interpreter for longer")
PROMPTS = 5
VOLLEYS = 7 if ALONE else 1
PROBED_SECS = 15.0 if ALONE else 5.0
PROBES_PER_SEC = 50
PROBES_BEGIN_SECS = 1.0
"""By then the process that probes has begun, and goes on for long enough after."""
LIVENESS_SECS = 0.1
AT_LEISURE = {"timeouts": {"first_byte_secs": 60.0, "first_token_secs": 60.0, "total_secs": 100.0}}
WORDS = " ".join(WHOLE[:60]) + " "
HOSTILE_MODEL = "hostile"
BEFORE = GOOD_BODY.replace(b'"m"', b'"%b"' % HOSTILE_MODEL.encode())[:-1] + b', "x": '
ROUNDS = 8 if ALONE else 1
BESIDE_SECS = 3.0 if ALONE else 0.5
MOST_P999_SECS = 0.02
LEAST_BASE_SECS = 0.02
"""The catalogue wants others' p99 at twice what it is alone, a few milliseconds; while four such bodies are read, which
takes turns of milliseconds with everything else, they are judged by 40 ms, and how many times it is is told."""
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


@pytest.fixture(scope="module")
def lags():
    """How late the loop was in each case of hostile bodies, so that their percentile is one of many samples."""
    return []


@pytest.fixture(scope="module")
def besieged():
    """A gateway with a worker for hostile bodies in a process of its own: whoever serves the others reads none."""
    with program("tests.faults.proof.backend_process", "http") as backends:
        spec = {
            "url": backends.ask()["urls"][0],
            "models": [{"id": HOSTILE_MODEL}],
            "health": {"disable_health_check": True},
        }
        with fronted(spec) as front:
            yield front


@pytest.fixture(scope="module")
def strangers():
    """A process of its own, warm, for those who send hostile bodies: what they send holds up nobody here."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(at_once, 0, [], 0).result()
        yield pool


@pytest.mark.parametrize("name", [pytest.param(name, id=f"J12-{name}") for name in BODIES])
def test_hostile_bodies_do_not_stall_others(besieged, strangers, name, lags, record_property):
    """Four at once: 400 or 200, the loop goes on, and so does everybody else."""
    sent = request(BEFORE + BODIES[name] + b"}", b"X-Request-Id: plain")
    usual = baseline(besieged.port, BESIDE_SECS)
    besieged.program.ask()
    answers: list[Got] = []
    with Healthy(besieged.port, PER_SEC) as healthy:
        for _ in range(ROUNDS):
            answers += strangers.submit(at_once, besieged.port, [sent] * 4, 10).result()
            time.sleep(0.2)
    lag = besieged.program.ask()["lag"]
    lags.append(lag)

    most_secs = HEALTHY_RATIO * max(usual.p99, LEAST_BASE_SECS)
    figure(record_property, "F18", "longest stall of the loop in secs", lag["max"], MOST_LAG_SECS, over=lag["ticks"])
    what = "others' p99 in secs beside hostile bodies"
    figure(record_property, "J12", what, healthy.p99, most_secs, over=len(healthy.took))
    assert {tuple(answer.status for answer in got.answers) for got in answers} <= {(200,), (400,)}
    assert not ALONE or lag["max"] <= MOST_LAG_SECS
    assert healthy.failed == 0
    assert not ALONE or healthy.p99 <= most_secs


def test_j12_stalls_of_all_hostile_bodies(lags, record_property):
    """One instant in a thousand beside hostile bodies finds the loop busy for longer than 20 ms."""
    ticks = sum(lag["ticks"] for lag in lags)
    if not (ticks and ALONE):
        pytest.skip("judged where the machine is the faults' own and all of them ran")
    figure(record_property, "F18", "stalls of the loop, p99.9 in secs", p999(lags), MOST_P999_SECS, over=ticks)
    assert p999(lags) <= MOST_P999_SECS


@pytest.mark.skipif(CONTROL, reason="the control has no tokenizer")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("mib", "context", "volleys", "probed_secs", "statuses"),
    [
        pytest.param(27, CONTEXT, VOLLEYS, PROBED_SECS, {400}, id="J13-27-mib"),
        pytest.param(FITTING_MIB, FITTING_MIB * MIB, VOLLEYS, PROBED_SECS, {200}, id="J13-fitting"),
        *(
            [pytest.param(27, 27 * MIB, 1, 25.0, {200, 503}, id="J13-27-mib-fitting", marks=NOT_KEPT)]
            if SIZE == "full"
            else []
        ),
    ],
)
def test_long_prompts_do_not_stall_liveness(strangers, mib, context, volleys, probed_secs, statuses, record_property):
    """While five prompts of megabytes are put into tokens for a gRPC worker, the liveness probe answers in 100 ms.

    Those that cannot fit in the model's context are refused; of those that take the encoder too long it is told. Who
    probes and who sends are processes of their own. Of volleys that follow at once the middle one counts: a shared
    machine may pause for longer, and for the first ones a virtual machine may have to ask its host for the memory, at
    up to 5 ms for each MiB.
    """
    with program("tests.faults.proof.backend_process", "grpc") as backends:
        card = {"id": "m", "context_length": context}
        worker = {"url": backends.ask()["urls"][0], "runtime_type": "sglang", "models": [card]}
        with gateway_program(worker, server={"max_payload_size": 2 * mib * MIB}, worker_defaults=AT_LEISURE) as gateway:
            prompts = [
                [long_prompt(volley * PROMPTS + one, mib) for one in range(PROMPTS)] for volley in range(volleys)
            ]
            probe, slowest, answers = probed(gateway.ask()["port"], strangers, prompts, probed_secs)
        sums = backends.ask()

    what = f"liveness beside five prompts of {mib} MiB, slowest in secs"
    figure(record_property, "F18", what, median(slowest), LIVENESS_SECS, over=len(probe.served))
    told = [answer.status for got in answers for answer in got.answers]
    assert sums["attempts"] == told.count(200)
    assert set(told) <= statuses
    assert len(told) == PROMPTS * volleys
    assert (probe.lost, probe.refused) == (0, [])
    assert not ALONE or median(slowest) <= LIVENESS_SECS


def probed(
    port: int, strangers: ProcessPoolExecutor, volleys: list[list[bytes]], secs: float
) -> tuple[Load, list[float], list[Got]]:
    """Send volley after volley while liveness is probed; return the probes, the slowest beside each, and what came."""
    answers: list[Got] = []
    spans = []
    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(load, port, PROBES_PER_SEC, secs, [head(method="GET", path="/liveness")])
        time.sleep(PROBES_BEGIN_SECS)
        for volley in volleys:
            sent_at = time.monotonic()
            answers += strangers.submit(at_once, port, volley, 100).result()
            spans.append((sent_at, time.monotonic()))
        probe = probing.result()
    assert not ALONE or probe.begun_at <= spans[0][0]
    return probe, [probe.slowest(*span) for span in spans], answers


def long_prompt(turn: int, mib: int) -> bytes:
    """Return a request with a prompt of so many MiB that is nobody else's."""
    text = f"{turn} {WORDS * (mib * MIB // len(WORDS))}"
    body = json.dumps({"model": "m", "prompt": text, "max_tokens": 8}).encode()
    return request(body, b"X-Request-Id: plain%d" % turn, path="/v1/completions")


def test_j02_depth_is_judged_within_100_ms(front):
    """100,000 levels are refused at once."""
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        body = BEFORE + opened * 100_000 + b"1" + closed * 100_000 + b"}"
        got = exchange(front.port, request(body), 5, answers=1)

        assert [answer.status for answer in got.answers] == [400]
        assert got.secs <= at_most(0.1)
