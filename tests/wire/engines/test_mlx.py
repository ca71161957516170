"""MLX's protocol, field for field."""

from __future__ import annotations

from typing import Any

import pytest

from smg.core.errors import UnsupportedFieldError
from smg.core.generation import Constraint, ConstraintKind
from smg.stubs import mlx_engine_pb2 as pb
from smg.wire.engines.mlx import MlxDialect
from tests.wire.engines.building import generation
from tests.wire.engines.fields import plain, written

DIALECT = MlxDialect()
S = "sampling_params."


@pytest.mark.parametrize(
    ("asked", "path", "value"),
    [
        ({}, "request_id", "r1"),
        ({}, "tokenized.input_ids", [5, 6, 7]),
        ({}, "tokenized.original_text", "abc"),
        ({}, "stream", True),
        ({"temperature": 0.0}, S + "temperature", 0.0),
        ({}, S + "top_p", 1.0),
        ({"top_p": 0.5}, S + "top_p", 0.5),
        ({}, S + "top_k", 0),
        ({"top_k": -1}, S + "top_k", 0),
        ({"top_k": 4}, S + "top_k", 4),
        ({"min_p": 0.1}, S + "min_p", 0.1),
        ({"frequency_penalty": -0.5}, S + "frequency_penalty", -0.5),
        ({"presence_penalty": 0.5}, S + "presence_penalty", 0.5),
        ({}, S + "repetition_penalty", 0.0),
        ({"repetition_penalty": 1.2}, S + "repetition_penalty", 1.2),
        ({"max_tokens": 9}, S + "max_tokens", 9),
        ({"stop_token_ids": (2, 3)}, S + "stop_token_ids", [2, 3]),
        ({"ignore_eos": True}, S + "ignore_eos", True),
        ({"seed": 5}, S + "seed", 5),
        ({"seed": -1}, S + "seed", 2**31 - 1),
        ({"logit_bias": {7: -100.0}}, S + "logit_bias", {7: -100.0}),
        ({"logprobs": 0}, S + "logprobs", 1),
        ({"logprobs": 5}, S + "logprobs", 5),
    ],
)
def test_field_is_written(asked: dict[str, Any], path: str, value: object) -> None:
    """What is asked stands where the servicer reads it; silence is the neutral value."""
    assert plain(written(DIALECT, generation(**asked), path)) == value


@pytest.mark.parametrize("field", ["temperature", "max_tokens", "seed", "logprobs"])
def test_silence_is_told_apart_from_zero(field: str) -> None:
    """Optional fields nobody gave are not set."""
    assert not written(DIALECT, generation(), "sampling_params").HasField(field)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"min_tokens": 1}, "min_tokens"),
        ({"constraint": Constraint(ConstraintKind.REGEX, "a", "regex")}, "regex"),
        ({"constraint": Constraint(ConstraintKind.JSON_OBJECT, "", "response_format")}, "response_format"),
        ({"prompt_logprobs": 0}, "logprobs"),
        ({"rank": 0}, "data_parallel_rank"),
        ({"extra": {"priority": 1}}, "priority"),
    ],
)
def test_missing_field_is_refused(asked: dict[str, Any], field: str) -> None:
    """What MLX cannot do is refused by the caller's name for it."""
    with pytest.raises(UnsupportedFieldError, match=f"^{field} is not supported by the mlx engine$") as caught:
        DIALECT.refuse(generation(**asked))
    assert caught.value.param == field


def test_no_minimum_is_no_demand() -> None:
    """A minimum of 0 asks for nothing, and string stops are matched by the gateway."""
    DIALECT.refuse(generation(min_tokens=0, stop=("x",)))
    assert not DIALECT.engine_stops


def test_several_answers_take_several_generations() -> None:
    """``refuse`` lets n pass, since the gateway can ask n times; one request cannot carry it."""
    DIALECT.refuse(generation(n=2))
    assert DIALECT.max_n == 1
    with pytest.raises(UnsupportedFieldError, match="n is not supported"):
        DIALECT.generate_request(generation(n=2))


def test_facts() -> None:
    """The model's facts are read; an uptime that grows with each poll is no sign of a restart."""
    model = pb.GetModelInfoResponse(
        model_path="/m", served_model_name="/m", max_context_length=512, vocab_size=300, eos_token_ids=[2],
        is_generation=True, model_type="llama",
    )  # fmt: skip
    facts = DIALECT.facts(model, pb.GetServerInfoResponse(server_type="mlx-grpc", uptime_seconds=5.5))
    assert (facts.served_names, facts.context_length, facts.vocab_size) == (("/m",), 512, 300)
    assert (facts.eos_token_ids, facts.instance) == ((2,), "")
    assert facts.labels == {"model_type": "llama", "server_type": "mlx-grpc"}


def test_health() -> None:
    """The answer's flag decides."""
    assert DIALECT.healthy(pb.HealthCheckResponse(healthy=True))
    assert not DIALECT.healthy(pb.HealthCheckResponse())
