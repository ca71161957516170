"""TensorRT-LLM's protocol, field for field."""

from __future__ import annotations

from typing import Any

import pytest

from smg.core.errors import UnsupportedFieldError
from smg.core.generation import Constraint, ConstraintKind
from smg.stubs import trtllm_service_pb2 as pb
from smg.wire.engines.trtllm import TrtllmDialect
from tests.wire.engines.building import generation
from tests.wire.engines.fields import plain, written

DIALECT = TrtllmDialect()
S = "sampling_config."


@pytest.mark.parametrize(
    ("asked", "path", "value"),
    [
        ({}, "request_id", "r1"),
        ({}, "tokenized.input_token_ids", [5, 6, 7]),
        ({}, "tokenized.original_text", "abc"),
        ({}, "streaming", True),
        ({}, "max_tokens", 2**31 - 1),
        ({"max_tokens": 9}, "max_tokens", 9),
        ({"max_tokens": 0}, "max_tokens", 1),
        ({"stop": ("a",)}, "stop", ["a"]),
        ({"stop_token_ids": (2, 3)}, "stop_token_ids", [2, 3]),
        ({"ignore_eos": True}, "ignore_eos", True),
        ({"no_stop_trim": True}, "include_stop_token_in_output", True),
        ({}, S + "beam_width", 1),
        ({"n": 3}, S + "num_return_sequences", 3),
        ({"temperature": 0.0}, S + "temperature", 0.0),
        ({"top_p": 0.5}, S + "top_p", 0.5),
        ({"top_k": -1}, S + "top_k", 0),
        ({"top_k": 4}, S + "top_k", 4),
        ({"min_p": 0.1}, S + "min_p", 0.1),
        ({"frequency_penalty": -0.5}, S + "frequency_penalty", -0.5),
        ({"presence_penalty": 0.5}, S + "presence_penalty", 0.5),
        ({"repetition_penalty": 1.2}, S + "repetition_penalty", 1.2),
        ({"min_tokens": 2}, S + "min_tokens", 2),
        ({"seed": -1}, S + "seed", 2**64 - 1),
        ({"logprobs": 0}, "output_config.logprobs", 0),
        ({"prompt_logprobs": 2}, "output_config.prompt_logprobs", 2),
        ({}, "output_config.exclude_input_from_output", True),
    ],
)
def test_field_is_written(asked: dict[str, Any], path: str, value: object) -> None:
    """What is asked stands where the servicer reads it; without a limit the largest one is sent."""
    assert plain(written(DIALECT, generation(**asked), path)) == value


@pytest.mark.parametrize("field", ["temperature", "top_p", "top_k", "min_p", "seed", "repetition_penalty"])
def test_silence_is_told_apart_from_zero(field: str) -> None:
    """Optional fields nobody gave are not set."""
    assert not written(DIALECT, generation(), "sampling_config").HasField(field)
    assert not DIALECT.generate_request(generation()).HasField("guided_decoding")


@pytest.mark.parametrize(
    ("kind", "text", "name", "guide"),
    [
        (ConstraintKind.JSON_OBJECT, "", "GUIDE_TYPE_JSON", '{"type":"object"}'),
        (ConstraintKind.JSON_SCHEMA, "x", "GUIDE_TYPE_JSON_SCHEMA", "x"),
        (ConstraintKind.REGEX, "x", "GUIDE_TYPE_REGEX", "x"),
        (ConstraintKind.EBNF, "x", "GUIDE_TYPE_EBNF_GRAMMAR", "x"),
        (ConstraintKind.STRUCTURAL_TAG, "x", "GUIDE_TYPE_STRUCTURAL_TAG", "x"),
    ],
)
def test_constraint_is_written(kind: ConstraintKind, text: str, name: str, guide: str) -> None:
    """Each kind has its number; the text is never empty, since the servicer would pass over the guide."""
    guided = written(DIALECT, generation(constraint=Constraint(kind, text, "guided")), "guided_decoding")
    assert pb.GuidedDecodingParams.GuideType.Name(guided.guide_type) == name
    assert guided.guide == guide


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"logit_bias": {1: 1.0}}, "logit_bias"),
        ({"rank": 1}, "data_parallel_rank"),
        ({"constraint": Constraint(ConstraintKind.CHOICE, "[]", "guided_choice")}, "guided_choice"),
    ],
)
def test_missing_field_is_refused(asked: dict[str, Any], field: str) -> None:
    """What the protocol has no room for is refused by name."""
    with pytest.raises(UnsupportedFieldError, match=f"^{field} is not supported by the trtllm engine$"):
        DIALECT.refuse(generation(**asked))


def test_facts() -> None:
    """The model's id is its only name; the whole sequence's limit goes before the prompt's."""
    model = pb.GetModelInfoResponse(model_id="tiny", max_input_len=1024, max_seq_len=2048, vocab_size=300)
    server = pb.GetServerInfoResponse(version="1.2", tensor_parallel_size=2, pipeline_parallel_size=1, world_size=2)
    facts = DIALECT.facts(model, server)
    assert (facts.served_names, facts.context_length, facts.version) == (("tiny",), 2048, "1.2")
    assert facts.labels == {"tp_size": "2", "pp_size": "1", "world_size": "2"}
    model.max_seq_len = 0
    assert DIALECT.facts(model, server).context_length == 1024


@pytest.mark.parametrize(("status", "healthy"), [("OK", True), ("Executor is unhealthy", False), ("", False)])
def test_health_is_a_text(*, status: str, healthy: bool) -> None:
    """There is no flag: the text is OK or says what is wrong."""
    assert DIALECT.healthy(pb.HealthCheckResponse(status=status)) is healthy
