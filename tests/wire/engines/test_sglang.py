"""SGLang's protocol, field for field."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from smg.core.errors import InvalidRequestError, UnsupportedFieldError
from smg.core.generation import Constraint, ConstraintKind
from smg.stubs import sglang_scheduler_pb2 as pb
from smg.wire.engines.sglang import SglangDialect
from tests.wire.engines.building import generation
from tests.wire.engines.fields import plain, written

DIALECT = SglangDialect()
S = "sampling_params."


@pytest.mark.parametrize(
    ("asked", "path", "value"),
    [
        ({}, "request_id", "r1"),
        ({}, "tokenized.input_ids", [5, 6, 7]),
        ({}, "tokenized.original_text", "abc"),
        ({}, "stream", True),
        ({"rank": 0}, "data_parallel_rank", 0),
        ({}, S + "temperature", 1.0),
        ({"temperature": 0.0}, S + "temperature", 0.0),
        ({}, S + "top_p", 1.0),
        ({"top_p": 0.5}, S + "top_p", 0.5),
        ({}, S + "top_k", -1),
        ({"top_k": 0}, S + "top_k", -1),
        ({"top_k": 4}, S + "top_k", 4),
        ({"min_p": 0.1}, S + "min_p", 0.1),
        ({"frequency_penalty": -0.5}, S + "frequency_penalty", -0.5),
        ({"presence_penalty": 0.5}, S + "presence_penalty", 0.5),
        ({}, S + "repetition_penalty", 1.0),
        ({"repetition_penalty": 1.2}, S + "repetition_penalty", 1.2),
        ({"max_tokens": 9}, S + "max_new_tokens", 9),
        ({"min_tokens": 2}, S + "min_new_tokens", 2),
        ({"stop": ("a",)}, S + "stop", []),
        ({"stop_token_ids": (2, 3)}, S + "stop_token_ids", [2, 3]),
        ({"ignore_eos": True}, S + "ignore_eos", True),
        ({"no_stop_trim": True}, S + "no_stop_trim", True),
        ({"n": 3}, S + "n", 3),
        ({"skip_special_tokens": False}, S + "skip_special_tokens", True),
        ({}, S + "spaces_between_special_tokens", True),
        ({"logit_bias": {7: -100.0}}, S + "logit_bias", {"7": -100.0}),
        ({}, "return_logprob", False),
        ({}, "logprob_start_len", -1),
        ({"logprobs": 0}, "return_logprob", True),
        ({"logprobs": 0}, "logprob_start_len", -1),
        ({"logprobs": 5}, "top_logprobs_num", 5),
        ({"prompt_logprobs": 0}, "return_logprob", True),
        ({"prompt_logprobs": 2}, "logprob_start_len", 0),
        ({"prompt_logprobs": 2, "logprobs": 1}, "top_logprobs_num", 2),
        ({"extra": {"custom_logit_processor": "p"}}, "custom_logit_processor", "p"),
        ({"extra": {"custom_params": {"a": 1}}}, S + "custom_params", {"a": 1.0}),
        ({"extra": {"lora_id": "l"}}, "lora_id", "l"),
        ({"extra": {"require_reasoning": True}}, "require_reasoning", True),
        ({"extra": {"stream_interval": 4}}, S + "stream_interval", 4),
    ],
)
def test_field_is_written(asked: dict[str, Any], path: str, value: object) -> None:
    """What is asked stands where SGLang's servicer reads it; silence is the neutral value."""
    assert plain(written(DIALECT, generation(**asked), path)) == value


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
    """Each kind of grammar has its field; "some object" is said by a schema."""
    text = "" if kind is ConstraintKind.JSON_OBJECT else "x"
    assert written(DIALECT, generation(constraint=Constraint(kind, text, "guided")), S + path) == value


@pytest.mark.parametrize("asked", [{"seed": 0}, {"constraint": Constraint(ConstraintKind.CHOICE, "[]", "seed")}])
def test_missing_field_is_refused(asked: dict[str, Any]) -> None:
    """The protocol has neither a seed, 0 included, nor choices."""
    with pytest.raises(UnsupportedFieldError, match="seed is not supported by the sglang engine") as caught:
        DIALECT.refuse(generation(**asked))
    assert caught.value.param == "seed"


@pytest.mark.parametrize("extra", [{"lora_id": 1}, {"stream_interval": True}, {"custom_params": "x"}])
def test_extra_of_another_type_is_invalid(extra: dict[str, object]) -> None:
    """An engine-specific field of the wrong type is the caller's fault and is named."""
    with pytest.raises(InvalidRequestError) as caught:
        DIALECT.generate_request(generation(extra=extra))
    assert caught.value.param in extra


def test_embed_rank() -> None:
    """The embed message has a rank; without one it says 0."""
    assert DIALECT.embed_request("e", [1], "a", 3).data_parallel_rank == 3
    assert DIALECT.embed_request("e", [1], "a", None).data_parallel_rank == 0


def answers(**args: Any) -> tuple[pb.GetModelInfoResponse, pb.GetServerInfoResponse]:
    """Return answers of an engine that was started with ``args``."""
    model = pb.GetModelInfoResponse(
        model_path="/m", served_model_name="tiny", tokenizer_path="/t", max_context_length=9000, vocab_size=128256,
        weight_version="w2", is_generation=True, preferred_sampling_params='{"top_p":0.9}',
        default_sampling_params_json='{"top_p":0.8,"min_p":0.1}',
    )  # fmt: skip
    server = pb.GetServerInfoResponse(
        sglang_version="0.5", max_total_num_tokens=9000, start_time=Timestamp(seconds=1_700_000_000), uptime_seconds=3
    )
    server.server_args.update(args)
    return model, server


def test_facts() -> None:
    """Ranks and sizes come from the server's arguments, the start time tells one run from the next."""
    facts = DIALECT.facts(*answers(dp_size=4, tp_size=2, context_length=None, api_key="k"))
    assert (facts.rank_count, facts.version, facts.instance) == (4, "0.5", "2023-11-14T22:13:20Z")
    assert facts.sampling_defaults == {"top_p": 0.9, "min_p": 0.1}
    assert facts.labels == {"dp_size": "4", "tp_size": "2", "weight_version": "w2"}


def test_invented_facts_are_not_believed() -> None:
    """A vocabulary the scheduler did not tell and a context as large as the cache are made up."""
    model, server = answers()
    assert DIALECT.facts(model, server).context_length is None
    assert DIALECT.facts(model, server).vocab_size is None
    server.scheduler_info["vocab_size"] = 300
    server.max_total_num_tokens = 1
    assert DIALECT.facts(model, server).vocab_size == 128256
    assert DIALECT.facts(model, server).context_length == 9000
    assert DIALECT.facts(*answers(context_length=2048)).context_length == 2048


def test_health() -> None:
    """The answer's flag decides."""
    assert DIALECT.healthy(pb.HealthCheckResponse(healthy=True))
    assert not DIALECT.healthy(pb.HealthCheckResponse())
