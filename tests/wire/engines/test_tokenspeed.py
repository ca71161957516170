"""TokenSpeed's protocol, field for field."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from smg.core.errors import UnsupportedFieldError
from smg.core.generation import Constraint, ConstraintKind
from smg.stubs import tokenspeed_scheduler_pb2 as pb
from smg.wire.engines.tokenspeed import TokenspeedDialect
from tests.wire.engines.building import generation
from tests.wire.engines.fields import plain, written

DIALECT = TokenspeedDialect()
S = "sampling_params."


@pytest.mark.parametrize(
    ("asked", "path", "value"),
    [
        ({}, "request_id", "r1"),
        ({}, "tokenized.input_ids", [5, 6, 7]),
        ({}, "tokenized.original_text", "abc"),
        ({}, "stream", True),
        ({"rank": 0}, "data_parallel_rank", 0),
        ({"temperature": 0.0}, S + "temperature", 0.0),
        ({"top_p": 0.5}, S + "top_p", 0.5),
        ({"top_k": 0}, S + "top_k", -1),
        ({"top_k": 4}, S + "top_k", 4),
        ({"min_p": 0.1}, S + "min_p", 0.1),
        ({"frequency_penalty": -0.5}, S + "frequency_penalty", -0.5),
        ({"presence_penalty": 0.5}, S + "presence_penalty", 0.5),
        ({"repetition_penalty": 1.2}, S + "repetition_penalty", 1.2),
        ({"max_tokens": 9}, S + "max_new_tokens", 9),
        ({"min_tokens": 2}, S + "min_new_tokens", 2),
        ({"stop": ("a",)}, S + "stop", ["a"]),
        ({"stop_token_ids": (2, 3)}, S + "stop_token_ids", [2, 3]),
        ({"ignore_eos": True}, S + "ignore_eos", True),
        ({"no_stop_trim": True}, S + "no_stop_trim", True),
        ({"n": 3}, S + "n", 3),
        ({"skip_special_tokens": False}, S + "skip_special_tokens", True),
        ({"seed": 2**40}, S + "sampling_seed", 2**40),
        ({"logit_bias": {7: -100.0}}, S + "logit_bias", {"7": -100.0}),
        ({}, "return_logprob", False),
        ({"logprobs": 0}, "return_logprob", True),
        ({"logprobs": 5}, "top_logprobs_num", 5),
    ],
)
def test_field_is_written(asked: dict[str, Any], path: str, value: object) -> None:
    """What is asked stands where the servicer reads it."""
    assert plain(written(DIALECT, generation(**asked), path)) == value


@pytest.mark.parametrize(
    "field",
    ["temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens", "sampling_seed"],
)
def test_silence_is_left_to_the_engine(field: str) -> None:
    """Optional fields nobody gave are not set: the servicer forwards only what is."""
    assert not written(DIALECT, generation(), "sampling_params").HasField(field)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        (ConstraintKind.JSON_OBJECT, "json_schema", '{"type":"object"}'),
        (ConstraintKind.JSON_SCHEMA, "json_schema", "x"),
        (ConstraintKind.REGEX, "regex", "x"),
        (ConstraintKind.EBNF, "ebnf_grammar", "x"),
        (ConstraintKind.STRUCTURAL_TAG, "structural_tag", "x"),
    ],
)
def test_constraint_is_written(kind: ConstraintKind, path: str, value: object) -> None:
    """Each kind of grammar has its field."""
    text = "" if kind is ConstraintKind.JSON_OBJECT else "x"
    assert written(DIALECT, generation(constraint=Constraint(kind, text, "guided")), S + path) == value


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"prompt_logprobs": 0}, "logprobs"),
        ({"extra": {"custom_params": {}}}, "custom_params"),
        ({"constraint": Constraint(ConstraintKind.CHOICE, "[]", "guided_choice")}, "guided_choice"),
    ],
)
def test_missing_field_is_refused(asked: dict[str, Any], field: str) -> None:
    """What the protocol cannot report, or the servicer does not read, is refused by name."""
    with pytest.raises(UnsupportedFieldError, match=f"^{field} is not supported by the tokenspeed engine$"):
        DIALECT.refuse(generation(**asked))


def test_facts() -> None:
    """Model, ranks and start are read; what the arguments hide stays hidden."""
    model = pb.GetModelInfoResponse(
        model_path="/m", served_model_name="tiny", tokenizer_path="/t", max_context_length=2048, vocab_size=300,
        eos_token_ids=[2], weight_version="w1", default_sampling_params_json='{"temperature":0.7}',
    )  # fmt: skip
    server = pb.GetServerInfoResponse(tokenspeed_version="0.3", start_time=Timestamp(seconds=1_700_000_000))
    server.server_args.update({"dp_size": 2, "secret": "k"})
    facts = DIALECT.facts(model, server)
    assert (facts.served_names, facts.context_length, facts.eos_token_ids) == (("tiny",), 2048, (2,))
    assert (facts.rank_count, facts.version, facts.instance) == (2, "0.3", "2023-11-14T22:13:20Z")
    assert facts.sampling_defaults == {"temperature": 0.7}
    assert facts.labels == {"dp_size": "2", "weight_version": "w1"}


def test_health() -> None:
    """The answer's flag decides."""
    assert DIALECT.healthy(pb.HealthCheckResponse(healthy=True))
    assert not DIALECT.healthy(pb.HealthCheckResponse())
