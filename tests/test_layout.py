"""The shape of the tree: what a reader may count on finding."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for path in (ROOT / "smg").rglob("*.py") if "stubs" not in path.parts)
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
WORDS = {
    "core/events.py",
    "core/generation.py",
    "core/words.py",
    "policies/policy.py",
    "routers/router.py",
    "sim/words.py",
    "text/errors.py",
    "wire/openai/answer_style.py",
}
"""Names and interfaces: nothing in them runs."""

TOGETHER = {
    "routers/grpc/spelling.py": "routers/grpc/test_choice.py",
    "routers/grpc/tally.py": "routers/grpc/test_outputs.py",
    "server/processes/messages.py": "server/processes/test_peer.py",
    "server/processes/process.py": "e2e/test_processes.py",
    "server/seat.py": "server/test_lifecycle.py",
    "sim/asks.py": "sim/test_answers.py",
    "sim/facts.py": "sim/test_http_info.py",
    "sim/generations.py": "sim/test_scheduler.py",
    "sim/grpc_calls.py": "sim/test_grpc_vllm.py",
    "sim/grpc_events.py": "sim/test_kv_events.py",
    "sim/grpc_logprobs.py": "sim/test_grpc_vllm.py",
    "sim/http_calls.py": "sim/test_http_engine.py",
    "sim/http_styles.py": "sim/test_http_text.py",
    "wire/engines/dialect.py": "wire/engines/test_contract.py",
    "wire/engines/reach.py": "wire/engines/test_contract.py",
    "wire/engines/table.py": "wire/engines/test_contract.py",
    "wire/openai/bodies.py": "wire/openai/test_decoding.py",
    "wire/openai/chunks.py": "wire/openai/test_chat_answers.py",
    "wire/openai/sampling_fields.py": "wire/openai/test_sampling.py",
    "wire/openai/stream_options.py": "wire/openai/test_chat_body.py",
    "wire/openai/tools.py": "wire/openai/test_chat_body.py",
    "server/observers/attempt_tallies.py": "server/observers/test_metrics.py",
    "server/observers/request_tallies.py": "server/observers/test_metrics.py",
    "server/observers/log_lines.py": "server/observers/test_logs.py",
    "wire/shapes.py": "wire/test_routing.py",
    "workers/birth.py": "workers/test_worker.py",
    "workers/detection.py": "workers/test_registry.py",
    "workers/grpc_calls.py": "workers/test_grpc_worker.py",
    "workers/grpc_generation.py": "workers/test_grpc_worker.py",
    "workers/grpc_stream.py": "workers/test_grpc_worker.py",
    "workers/http_exchange.py": "workers/test_http_worker.py",
    "workers/http_pool.py": "workers/test_transport.py",
    "workers/http_session.py": "workers/test_http_worker.py",
    "routers/settings.py": "routers/test_event_stream.py",
    "wire/engines/manner.py": "wire/engines/test_contract.py",
    "workers/settings.py": "workers/test_spec.py",
    "workers/ranks.py": "workers/test_registry.py",
    "workers/lean_exchange.py": "workers/test_lean_answer.py",
    "workers/tokenizers.py": "workers/test_registry.py",
}
"""Modules that show only through another, and the tests of that one."""

ONE_TABLE = {"smg/core/errors.py"}
"""Long because they are one table, of which every row is a few lines."""

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50


def relative(path):
    """Return a path as it is spoken of."""
    return path.relative_to(ROOT).as_posix()


def functions(path):
    """Yield every function of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_files_and_functions_are_small(path):
    """No file is longer than 300 lines, no function longer than 50."""
    long = [node.name for node in functions(path) if (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES]

    assert relative(path) in ONE_TABLE or len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    assert long == []


def test_tests_mirror_the_package():
    """Every module with logic has a test file at the same place in ``tests``, or is named with the one that has."""
    wanted = [path.relative_to(ROOT / "smg") for path in MODULES if path.name not in {"__init__.py", "__main__.py"}]
    files = {name.as_posix(): (name.parent / f"test_{name.name}").as_posix() for name in wanted}
    expected = {module: TOGETHER.get(module, test) for module, test in files.items() if module not in WORDS}

    assert [module for module, test in expected.items() if not (ROOT / "tests" / test).exists()] == []


@pytest.mark.parametrize("path", TESTS, ids=relative)
def test_every_test_states_its_fact(path):
    """Each test opens with a docstring."""
    silent = [node.name for node in functions(path) if node.name.startswith("test_") and not ast.get_docstring(node)]

    assert silent == []
