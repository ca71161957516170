"""The judge knows each thing that must never be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.faults.back.asking import Answer
from tests.faults.back.http_words import error_body, event, plain_body
from tests.faults.soak.callers import Outcome
from tests.faults.soak.judge import Judge, verdict
from tests.faults.soak.ledger import Ledger
from tests.faults.soak.said import Said

STREAM = [("content-type", "text/event-stream")]
JSON = [("content-type", "application/json")]
DONE = b"data: [DONE]\n\n"
ERROR = b"data: " + error_body() + b"\n\n"


def attempts(request_id, *ends):
    """Return the ledger's attempts at one request: workers, and how each ended."""
    ledger = Ledger()
    for backend, end in ends:
        attempt = ledger.begin(request_id, backend, 1)
        if end is not None:
            attempt.end(end)
    return ledger.of(request_id)


def told(backend, pieces=99, end=DONE, request_id="stream.1"):
    """Return the events of a worker's answer."""
    return b"".join(map(event, Said(request_id, backend, stream=True).pieces[:pieces])) + end


@dataclass
class Health:
    """What befell the workers."""

    ill: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()

    def was_ill(self, backend, _since, _until):
        """Tell whether a worker was ill."""
        return backend in self.ill

    def unread(self, _at, backend=""):
        """Tell whether it was frozen."""
        return backend in self.frozen if backend else bool(self.frozen)


WELL_ALL = Health()


def judged(body, *ends, fields=STREAM, status=200, whole=True, health=WELL_ALL, request_id="stream.1", fault=""):
    """Return the verdict on one answer."""
    answer = None if fault else Answer(status, fields, body, whole=whole)
    outcome = Outcome(request_id, 0.0, 1.0, answer, fault)
    return verdict(outcome, attempts(request_id, *ends), health)


WELL = ("http0", "answered")
CUT = ("http1", "reset")


def test_whole_answers_are_whole():
    """A stream, a plain answer, and one that a second worker gave."""
    text = Said("plain.1", "http0", stream=False).text

    assert judged(told("http0"), WELL) == ("whole", [])
    assert judged(told("http0"), CUT, WELL) == ("whole", [])
    assert judged(plain_body(text), WELL, fields=JSON, request_id="plain.1") == ("whole", [])


def test_a_stream_that_an_ill_worker_broke_is_explained():
    """Once output was delivered nobody can make it good; by a worker that was well it is a failure."""
    assert judged(told("http1", 2, ERROR), CUT, health=Health(("http1",))) == ("broken", [])
    assert judged(told("http1", 2, ERROR), CUT)[0] == "failed"


@pytest.mark.parametrize(
    ("found", "body", "ends"),
    [
        ("had been heard", told("http1", 2, ERROR), (CUT, WELL)),
        ("had been heard", told("http0"), (WELL, CUT)),
        ("no worker's", told("http0", 3), (WELL,)),
        ("no worker's", told("http1"), (WELL,)),
        ("no worker's", told("http0", request_id="stream.2"), (WELL,)),
        ("no worker's", told("http1", 2, b"") + told("http0"), (CUT, WELL)),
        ("2 [DONE]", told("http0", end=DONE + DONE), (WELL,)),
        ("0 [DONE]", told("http0", end=b""), (WELL,)),
        ("2 errors", told("http1", 2, ERROR + ERROR), (CUT,)),
        ("1 [DONE] and 1 errors", told("http1", 2, ERROR + DONE), (CUT,)),
        ("still works", told("http0"), (("http1", None), WELL)),
    ],
)
def test_what_must_never_be_is_seen(found, body, ends):
    """Even of a worker that is ill."""
    end, faults = judged(body, *ends, health=Health(("http0", "http1")))

    assert end == "failed"
    assert any(found in fault for fault in faults)


def test_answers_that_are_none_are_failures():
    """A refusal, a body cut short, an answer of the other kind, and a caller left waiting."""
    assert judged(error_body(), CUT, status=502, fields=JSON)[0] == "failed"
    assert judged(told("http0"), WELL, whole=False)[1] == ["the body was cut short"]
    assert judged(told("http0"), WELL, request_id="plain.1")[0] == "failed"
    (hung,) = judged(b"", CUT, fault="hung for 30 s")[1]
    assert hung.startswith("failed: hung for 30 s (tried: http1 from ")


def test_an_attempt_read_late_was_made_first():
    """A worker that was frozen notes it when it reads again; until then nothing is judged."""
    noted_last = (WELL, ("grpc0", "cancelled"))

    assert judged(told("http0"), *noted_last, health=Health(frozen=("grpc0",))) == ("whole", [])
    assert judged(told("http0"), *noted_last)[0] == "failed"
    judge = Judge(Ledger(), Health(frozen=("grpc0",)))
    judge.take(Outcome("leaving.1", 0.0, 1.0))
    judge.judge(30.0)
    assert judge.judged == 0


def test_a_request_is_judged_when_its_attempts_have_ended():
    """Not before, and once; what begins after that is noted."""
    ledger = Ledger()
    judge = Judge(ledger, Health())
    attempt = ledger.begin("leaving.1", "http0", 1)
    judge.take(Outcome("leaving.1", 0.0, 1.0))
    judge.judge(5.0)
    assert judge.judged == 0
    attempt.end("left")
    judge.judge(6.0)
    judge.judge(7.0)

    assert (judge.ends, judge.wrong) == ({"left": 1}, [])
    ledger.begin("leaving.1", "http0", 1)
    assert ledger.late == ["leaving.1"]


def test_an_engine_that_never_learns_of_an_end_is_seen():
    """Twenty seconds after its caller left, it still works."""
    ledger = Ledger()
    judge = Judge(ledger, Health())
    ledger.begin("leaving.1", "http0", 1)
    judge.take(Outcome("leaving.1", 0.0, 1.0))
    judge.judge(30.0)

    assert judge.wrong == ["leaving.1: http0 still works for it"]
