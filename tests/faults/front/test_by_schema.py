"""J16: requests made from the schema of each body, those that fit it and those that nearly do."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.cli.running import lines_until, smg
from tests.faults.front.caller import Answer
from tests.faults.front.conftest import fronted
from tests.faults.front.mutants import SEED
from tests.faults.front.openapi import MODELS, document
from tests.faults.front.refusals import check_shape
from tests.faults.front.requests import KEY
from tests.faults.profile import count
from tests.faults.report import figure

pytestmark = pytest.mark.beside

DOCUMENT = schemathesis.openapi.from_dict(document())
OPERATIONS = [DOCUMENT[path][method] for path, methods in document()["paths"].items() for method in methods]
CASES = [
    pytest.param(operation, mode, id=f"J16-{mode.value}-{operation.label}")
    for operation in OPERATIONS
    for mode in schemathesis.GenerationMode
    if operation.method == "post" or mode is schemathesis.GenerationMode.POSITIVE  # any text fits a path
]
EXAMPLES = count(50_000) // len(CASES)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def mixed_front():
    """A front before a recording worker, which refuses nothing, and a simulated engine behind gRPC."""
    with (
        smg("engine", "--mode", "grpc", "--model", MODELS[1], "--speed", "0") as engine,
        fronted({"url": lines_until(engine, "://")[-1]}) as front,
    ):
        yield front


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_whatever_a_schema_says_gets_an_answer_in_form(operation, mode, mixed_front, record_property):
    """No 5xx, every answer of a documented type, every refusal in the form of errors, nothing logged as an error."""
    wrong: list[tuple[Any, ...]] = []
    tried: list[int] = []
    there = {"base_url": f"http://127.0.0.1:{mixed_front.port}", "headers": {"Authorization": f"Bearer {KEY}"}}

    @seed(f"{SEED} {operation.label} {mode.value}")
    @settings(max_examples=EXAMPLES, derandomize=False, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(mode))
    def ask(case):
        answer = case.call(session=session, timeout=20, **there)
        tried.append(answer.status_code)
        wrong.extend(faults(case, answer))

    with requests.Session() as session:
        ask()
    figure(record_property, "F14", "requests by schema with a 5xx or out of form", len(wrong), 0, over=len(tried))
    assert wrong == []
    assert mixed_front.program.logged("error", "critical") == []
    assert mixed_front.program.process.poll() is None


def faults(case, answer):
    """Return what is wrong with an answer, beside what was asked; no JSON but an object is ever passed on."""
    try:
        case.validate_response(answer, checks=CHECKS)
        assert len(answer.headers["x-request-id"]) == 1
        assert "server" not in answer.headers
        assert answer.status_code == 400 or case.method != "POST" or isinstance(case.body, dict | bytes)
        if answer.status_code >= 400:
            check_shape(plain(answer))
    except (FailureGroup, AssertionError, KeyError) as exc:
        return [(case.as_curl_command(), answer.status_code, answer.content, exc)]
    return []


def plain(answer):
    """Return an answer as the catalogue's own caller has it."""
    fields = tuple((name, value) for name, values in answer.headers.items() for value in values)
    return Answer(answer.status_code, fields, answer.content, answer.content)
