"""What every dialect promises, whatever its engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smg.core.errors import (
    ContextLengthError,
    InvalidRequestError,
    UnsupportedEndpointError,
    UnsupportedFieldError,
)
from smg.core.generation import Constraint, ConstraintKind, Generation, Sampling
from smg.stubs import (
    mlx_engine_pb2,
    sglang_scheduler_pb2,
    tokenspeed_scheduler_pb2,
    trtllm_service_pb2,
    vllm_engine_pb2,
)
from smg.wire.engines.table import DIALECTS, by_service_order
from tests.wire.engines.building import generation

if TYPE_CHECKING:
    from smg.wire.engines.dialect import Dialect

FILES = [mlx_engine_pb2, sglang_scheduler_pb2, tokenspeed_scheduler_pb2, trtllm_service_pb2, vllm_engine_pb2]
SERVICES = {s.full_name: s for file in FILES for s in file.DESCRIPTOR.services_by_name.values()}
METHODS = {
    "generate": "Generate", "abort": "Abort", "health": "HealthCheck", "model_info": "GetModelInfo",
    "server_info": "GetServerInfo", "tokenizer": "GetTokenizer", "embed": "Embed", "loads": "GetLoads",
    "flush_cache": "FlushCache",
}  # fmt: skip
STREAMS = {"generate", "tokenizer"}

every_dialect = pytest.mark.parametrize("dialect", by_service_order(), ids=lambda dialect: dialect.runtime.value)

numbers = st.none() | st.floats(0.01, 1.0)
constraints = st.none() | st.sampled_from(ConstraintKind).map(
    lambda kind: Constraint(kind, '["a","b"]', "response_format")
)
samplings = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    top_p=numbers,
    top_k=st.none() | st.integers(-1, 100),
    min_p=st.none() | st.floats(0, 1),
    frequency_penalty=st.none() | st.floats(-2, 2),
    presence_penalty=st.none() | st.floats(-2, 2),
    repetition_penalty=numbers,
    max_tokens=st.none() | st.integers(0, 2**31),
    min_tokens=st.none() | st.integers(0, 100),
    stop=st.lists(st.text(st.characters(codec="utf-8")), max_size=3).map(tuple),
    stop_token_ids=st.lists(st.integers(0, 2**31), max_size=3).map(tuple),
    ignore_eos=st.booleans(),
    no_stop_trim=st.booleans(),
    n=st.integers(1, 4),
    seed=st.none() | st.integers(),
    logit_bias=st.dictionaries(st.integers(0, 2**31 - 1), st.floats(-100, 100), max_size=3),
    constraint=constraints,
    extra=st.dictionaries(st.sampled_from(["priority", "lora_path", "lora_id"]), st.just("x")),
)
generations = st.builds(
    Generation,
    request_id=st.just("r1"),
    prompt_ids=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5),
    prompt_text=st.text(st.characters(codec="utf-8")),
    sampling=samplings,
    stream=st.booleans(),
    logprobs=st.none() | st.integers(0, 20),
    prompt_logprobs=st.none() | st.integers(0, 20),
    rank=st.none() | st.integers(0, 7),
)


def refusal(dialect: Dialect, asked: Generation) -> UnsupportedFieldError | None:
    """Return how ``asked`` is refused."""
    try:
        dialect.refuse(asked)
    except UnsupportedFieldError as error:
        return error
    return None


def test_table_holds_every_dialect_under_its_runtime() -> None:
    """A dialect is found by the runtime it says it speaks, in the order in which engines are tried."""
    assert all(dialect.runtime is runtime for runtime, dialect in DIALECTS.items())
    assert [d.runtime.value for d in by_service_order()] == ["sglang", "vllm", "trtllm", "tokenspeed", "mlx"]


@every_dialect
def test_methods_are_those_of_the_service(dialect: Dialect) -> None:
    """Path, request, response and kind of each method equal the service's descriptor."""
    service = SERVICES[dialect.service]
    for attribute, name in METHODS.items():
        method = getattr(dialect, attribute)
        if method is not None:
            described = service.methods_by_name[name]
            assert method.path == f"/{service.full_name}/{name}"
            assert method.request.DESCRIPTOR is described.input_type
            assert method.response.DESCRIPTOR is described.output_type
            assert described.server_streaming == (attribute in STREAMS)


@every_dialect
def test_defaults_are_accepted(dialect: Dialect) -> None:
    """A generation that asks for nothing special is served by every engine, and told no stop string."""
    asked = generation()
    dialect.refuse(asked)
    request = dialect.generate_request(asked)
    assert isinstance(request, dialect.generate.request)
    assert b"r1" in request.SerializeToString()


@every_dialect
def test_aborts_name_each_generation(dialect: Dialect) -> None:
    """Each id is in one message of the method's request type; all in one where the field holds several."""
    messages = dialect.abort_requests(["chat-17", "chat-18"])
    text = "".join(map(str, messages))
    assert all(isinstance(message, dialect.abort.request) for message in messages)
    assert [text.count("chat-17"), text.count("chat-18")] == [1, 1]
    assert len(messages) == (1 if "request_ids" in dialect.abort.request.DESCRIPTOR.fields_by_name else 2)


@every_dialect
@given(asked=generations)
@settings(max_examples=60, deadline=None)
def test_any_generation_is_carried_or_refused_by_name(dialect: Dialect, asked: Generation) -> None:
    """``refuse`` raises nothing but UnsupportedFieldError with a field; what it lets pass survives the wire."""
    if (error := refusal(dialect, asked)) is not None:
        assert error.param is not None
        assert error.message == f"{error.param} is not supported by the {dialect.runtime.value} engine"
        return
    if dialect.max_n is not None and asked.sampling.n > dialect.max_n:
        with pytest.raises(UnsupportedFieldError, match="n is not"):
            dialect.generate_request(asked)
        return
    request = dialect.generate_request(asked)
    assert dialect.generate.request.FromString(request.SerializeToString()) == request


@every_dialect
@pytest.mark.parametrize("field", ["top_p", "repetition_penalty"])
def test_zero_that_would_read_as_silence_is_invalid(dialect: Dialect, field: str) -> None:
    """A 0 that the protocol would take for "not given" is the caller's fault, not silently the default."""
    with pytest.raises(InvalidRequestError) as caught:
        dialect.generate_request(generation(**cast("dict[str, Any]", {field: 0.0})))
    assert caught.value.param == field


@every_dialect
def test_ids_out_of_range_are_invalid(dialect: Dialect) -> None:
    """A stop token id that no id can have is the caller's fault, not ours."""
    with pytest.raises(InvalidRequestError):
        dialect.generate_request(generation(stop_token_ids=(-1,)))


@every_dialect
def test_unknown_extra_is_refused(dialect: Dialect) -> None:
    """An engine-specific field of another engine is refused by its name; one that is null is not there."""
    dialect.refuse(generation(extra={"lora_path": None}))
    with pytest.raises(UnsupportedFieldError, match="lora_path is not supported by the") as caught:
        dialect.refuse(generation(extra={"lora_path": "x"}))
    assert caught.value.param == "lora_path"


@every_dialect
@pytest.mark.parametrize(
    "details",
    [
        "The decoder prompt (length 40) is longer than the maximum model length of 32. Make sure",
        "This model's maximum context length is 32 tokens. However, your prompt contains 40",
        "The input (40 tokens) is longer than the model's context length (32 tokens).",
        "Requested token count exceeds the model's maximum context length of 32 tokens.",
        "Input length (40 tokens) exceeds the maximum allowed length (32 tokens).",
        "The sum of prompt length (40), query length (0) should not exceed max_num_tokens (32)",
        "`default_max_tokens` (-8) must be greater than 0, `default_max_tokens` (-8) = max_seq_len",
    ],
)
def test_too_long_prompt_is_known_by_its_text(dialect: Dialect, details: str) -> None:
    """Every engine's words for an exceeded context are understood, whatever status they come under."""
    assert dialect.error("INVALID_ARGUMENT", details) is ContextLengthError
    assert dialect.error("INTERNAL", details) is ContextLengthError


@every_dialect
def test_blame_goes_by_the_status(dialect: Dialect) -> None:
    """An invalid argument is the caller's fault; a failure is the engine's."""
    assert dialect.error("INVALID_ARGUMENT", "temperature must be non-negative") is InvalidRequestError
    assert dialect.error("INTERNAL", "out of memory") is None
    assert dialect.error("UNAVAILABLE", "") is None


@every_dialect
def test_embeddings_are_asked_for_or_refused(dialect: Dialect) -> None:
    """Where there is an embed method its request holds the ids; elsewhere asking raises."""
    if dialect.embed is None:
        with pytest.raises(UnsupportedEndpointError):
            dialect.embed_request("e1", [1, 2], "ab", None)
        return
    request = dialect.embed_request("e1", [1, 2], "ab", None)
    assert isinstance(request, dialect.embed.request)
    answer: Any = dialect.embed.response(embedding=[0.5, -1.0], prompt_tokens=2)
    vector = dialect.embedding(answer)
    assert (vector.values, vector.prompt_tokens) == ([0.5, -1.0], 2)


@every_dialect
def test_loads_are_read_per_rank(dialect: Dialect) -> None:
    """Each rank's figures arrive under the wire's names."""
    if dialect.loads is None:
        return
    assert isinstance(dialect.loads_request(), dialect.loads.request)
    answer: Any = dialect.loads.response()
    answer.loads.add(dp_rank=1, num_running_reqs=3, num_waiting_uncached_tokens=9, token_usage=0.25)
    (load,) = dialect.ranks(answer)
    assert (load.dp_rank, load.num_running_reqs, load.num_waiting_uncached_tokens) == (1, 3, 9)
    assert math.isclose(load.token_usage, 0.25)


@every_dialect
def test_silent_engine_has_no_facts(dialect: Dialect) -> None:
    """From empty answers nothing is made up: unknown sizes are None, one rank, no labels."""
    facts = dialect.facts(dialect.model_info.response(), dialect.server_info.response())
    assert facts.context_length is None
    assert facts.vocab_size is None
    assert facts.served_names == ()
    assert facts.rank_count == 1
    assert facts.instance == ""
    assert facts.labels == {}


@every_dialect
def test_empty_message_says_nothing(dialect: Dialect) -> None:
    """A response with neither chunk nor complete yields no delta."""
    assert dialect.reader(generation()).read(dialect.generate.response()) is None
