"""vLLM's protocol, field for field."""

from __future__ import annotations

from typing import Any

import pytest

from smg.core.errors import InvalidRequestError
from smg.core.generation import Constraint, ConstraintKind
from smg.stubs import vllm_engine_pb2 as pb
from smg.wire.engines.vllm import VllmDialect
from tests.wire.engines.building import generation
from tests.wire.engines.fields import plain, written

DIALECT = VllmDialect()
S = "sampling_params."


@pytest.mark.parametrize(
    ("asked", "path", "value"),
    [
        ({}, "request_id", "r1"),
        ({}, "tokenized.input_ids", [5, 6, 7]),
        ({}, "tokenized.original_text", "abc"),
        ({}, "stream", True),
        ({"stream": False}, "stream", False),
        ({"rank": 0}, "data_parallel_rank", 0),
        ({"temperature": 0.0}, S + "temperature", 0.0),
        ({}, S + "top_p", 1.0),
        ({"top_p": 0.5}, S + "top_p", 0.5),
        ({}, S + "top_k", 0),
        ({"top_k": -1}, S + "top_k", 0),
        ({"top_k": 4}, S + "top_k", 4),
        ({"min_p": 0.1}, S + "min_p", 0.1),
        ({"frequency_penalty": -0.5}, S + "frequency_penalty", -0.5),
        ({"presence_penalty": 0.5}, S + "presence_penalty", 0.5),
        ({}, S + "repetition_penalty", 1.0),
        ({"repetition_penalty": 1.2}, S + "repetition_penalty", 1.2),
        ({"max_tokens": 9}, S + "max_tokens", 9),
        ({"max_tokens": 0}, S + "max_tokens", 1),
        ({"min_tokens": 2}, S + "min_tokens", 2),
        ({"stop": ("a", "b")}, S + "stop", ["a", "b"]),
        ({"stop_token_ids": (2, 3)}, S + "stop_token_ids", [2, 3]),
        ({"ignore_eos": True}, S + "ignore_eos", True),
        ({"n": 3}, S + "n", 3),
        ({}, S + "n", 1),
        ({}, S + "skip_special_tokens", True),
        ({"skip_special_tokens": False}, S + "skip_special_tokens", True),
        ({}, S + "spaces_between_special_tokens", True),
        ({"no_stop_trim": True}, S + "include_stop_str_in_output", True),
        ({"seed": 0}, S + "seed", 0),
        ({"seed": 2**31}, S + "seed", -(2**31)),
        ({"logit_bias": {7: -100.0}}, S + "logit_bias", {7: -100.0}),
        ({"logprobs": 0}, S + "logprobs", 0),
        ({"logprobs": 5}, S + "logprobs", 5),
        ({"prompt_logprobs": 0}, S + "prompt_logprobs", 0),
    ],
)
def test_field_is_written(asked: dict[str, Any], path: str, value: object) -> None:
    """What is asked stands where vLLM's servicer reads it; silence is the neutral value."""
    assert plain(written(DIALECT, generation(**asked), path)) == value


@pytest.mark.parametrize("field", ["temperature", "max_tokens", "seed", "logprobs", "prompt_logprobs"])
def test_silence_is_told_apart_from_zero(field: str) -> None:
    """Optional fields nobody gave are not set."""
    assert not written(DIALECT, generation(), "sampling_params").HasField(field)
    assert not written(DIALECT, generation(), "sampling_params").WhichOneof("constraint")


@pytest.mark.parametrize(
    ("kind", "text", "path", "value"),
    [
        (ConstraintKind.JSON_OBJECT, "", "json_object", True),
        (ConstraintKind.JSON_SCHEMA, "{}", "json_schema", "{}"),
        (ConstraintKind.REGEX, "a+", "regex", "a+"),
        (ConstraintKind.EBNF, "root ::= x", "grammar", "root ::= x"),
        (ConstraintKind.STRUCTURAL_TAG, "{}", "structural_tag", "{}"),
        (ConstraintKind.CHOICE, '["a","b"]', "choice.choices", ["a", "b"]),
    ],
)
def test_constraint_is_written(kind: ConstraintKind, text: str, path: str, value: object) -> None:
    """VLLM takes every kind of grammar."""
    asked = generation(constraint=Constraint(kind, text, "guided"))
    assert plain(written(DIALECT, asked, S + path)) == value


def test_choices_that_are_no_list_are_invalid() -> None:
    """A list of choices that is not one is the caller's fault."""
    with pytest.raises(InvalidRequestError):
        DIALECT.generate_request(generation(constraint=Constraint(ConstraintKind.CHOICE, "{}", "guided_choice")))


def test_embedding_leaves_the_rank_to_the_engine() -> None:
    """The embed message has no room for a rank, which is the picked worker's and no wish of the caller's."""
    assert DIALECT.embed_request("e", [1], "a", 3) == DIALECT.embed_request("e", [1], "a", None)


def test_facts() -> None:
    """Model, limits, defaults, ranks and the connector's identity are read."""
    model = pb.GetModelInfoResponse(
        model_path="/m", served_model_name="tiny", tokenizer_path="/t", max_context_length=4096, vocab_size=300,
        eos_token_ids=[2, 3], is_generation=True, model_type="llama",
        default_sampling_params_json='{"temperature":0.6,"top_k":20,"other":1,"top_p":null}',
    )  # fmt: skip
    server = pb.GetServerInfoResponse(
        data_parallel_size=2, kv_connector="NixlConnector", kv_role="kv_both", kv_engine_id="e-1", uptime_seconds=5
    )
    facts = DIALECT.facts(model, server)
    assert (facts.served_names, facts.model_path, facts.tokenizer_path) == (("tiny",), "/m", "/t")
    assert (facts.context_length, facts.vocab_size, facts.eos_token_ids) == (4096, 300, (2, 3))
    assert facts.sampling_defaults == {"temperature": 0.6, "top_k": 20.0}
    assert (facts.rank_count, facts.instance) == (2, "e-1")
    assert facts.labels == {
        "kv_connector": "NixlConnector", "kv_role": "kv_both", "kv_engine_id": "e-1", "dp_size": "2",
        "model_type": "llama",
    }  # fmt: skip


def test_health() -> None:
    """The answer's flag decides, not that there is an answer."""
    assert DIALECT.healthy(pb.HealthCheckResponse(healthy=True))
    assert not DIALECT.healthy(pb.HealthCheckResponse(message="Engine is not alive"))
