"""Bodies of callers: what is let through is one JSON object to everyone, within its limits."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smg.core.clock import MonotonicClock
from smg.core.errors import DownstreamError, InvalidJsonError, UnsupportedEndpointError
from smg.core.request import InferenceRequest, Trail
from smg.core.words import Endpoint
from smg.routers.grpc.generation_job import GenerationJob
from smg.routers.grpc.job import Kit
from smg.routers.grpc.prompts import Prompt
from smg.routers.grpc.router import JOBS
from smg.wire.engines.table import by_service_order
from smg.wire.fields import locate, read_fields
from smg.wire.guard import check_json
from smg.wire.openai.bodies import Body, ClassifyBody, RerankBody, ScoreBody, decode_body
from smg.wire.routing import READ, read_routing
from smg.wire.shapes import JsonLimits
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from smg.wire.engines.dialect import Dialect
    from smg.wire.shapes import RoutingFields

ENDPOINTS = tuple(Endpoint)
LIMITS = (JsonLimits(), JsonLimits(max_depth=3, max_nodes=12))
DIALECTS = by_service_order()
KINDS: dict[Endpoint, type[Body]] = {
    Endpoint.CLASSIFY: ClassifyBody,
    Endpoint.RERANK: RerankBody,
    Endpoint.SCORE: ScoreBody,
}
NO_KIT: Any = Kit(encoder=None, clock=MonotonicClock(), wall=float)  # type: ignore[arg-type]
"""Nothing is encoded here."""


@dataclass
class Counted:
    """A body as the standard library reads it.

    Attributes:
        names: Of the top level, repeats included.
        nodes: Values and keys.
    """

    value: Any = None
    names: list[str] = field(default_factory=list)
    nodes: int = 0
    depth: int = 0


def run(data: bytes) -> None:
    """Guard, read and decode one body."""
    endpoint, flags, body = ENDPOINTS[sum(data[:1]) % len(ENDPOINTS)], sum(data[1:2]), data[2:]
    limits, dialect = LIMITS[flags & 1], DIALECTS[(flags >> 1) % len(DIALECTS)]
    counted = by_the_library(body)
    check_guard(body, limits, counted)
    try:
        routing = read_routing(endpoint, body, limits)
    except DownstreamError:
        return
    assert counted is not None, "json cannot read what was let through"
    check_routing(endpoint, body, routing, counted)
    with suppress(DownstreamError, UnsupportedEndpointError):
        decode(endpoint, body, routing, dialect)


def by_the_library(body: bytes) -> Counted | None:
    """Read with the standard library, numbers unread; None where it cannot."""
    counted = Counted()

    try:
        counted.value = json.loads(body.decode(), object_pairs_hook=Pairs, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    counted.nodes, counted.depth = measured(counted.value)
    if isinstance(counted.value, Pairs):
        counted.names = [name for name, _ in counted.value.found]
    return counted


class Pairs:
    """An object with its repeats."""

    def __init__(self, found: list[tuple[str, Any]]) -> None:
        self.found = found


def measured(value: object) -> tuple[int, int]:
    """Count values and keys, and how deep they go."""
    if not isinstance(value, Pairs | list):
        return 1, 0
    inside = [each for _, each in value.found] if isinstance(value, Pairs) else value
    keys = len(inside) if isinstance(value, Pairs) else 0
    sizes = [measured(each) for each in inside]
    return 1 + keys + sum(nodes for nodes, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)


def check_guard(body: bytes, limits: JsonLimits, counted: Counted | None) -> None:
    """The guard lets JSON through if, and only if, it is within the limits."""
    try:
        check_json(body, limits)
    except InvalidJsonError:
        passed = False
    else:
        passed = True
    if counted is not None:
        within = counted.nodes <= limits.max_nodes and counted.depth <= limits.max_depth
        assert passed == within, "the guard counts otherwise"


def check_routing(endpoint: Endpoint, body: bytes, routing: RoutingFields, counted: Counted) -> None:
    """Names, places and what is read are what the library reads."""
    assert len(set(counted.names)) == len(counted.names), "a name is repeated"
    fields = read_fields(body)
    assert list(fields) == counted.names, "the names are others"
    value = json.loads(body, parse_int=int_of)
    for name, place in locate(body, fields, ()).items():
        assert same(json.loads(body[place], parse_int=int_of), value[name]), "a value stands elsewhere"
    assert routing.model == value.get("model"), "the model is another"
    if endpoint in READ:
        assert routing.stream == bool(value.get("stream")), "a stream is taken for none"


def int_of(text: str) -> object:
    """Read a whole number; the library refuses one of more than 4,300 digits."""
    return int(text) if len(text) < 4_000 else text


def same(one: object, other: object) -> bool:
    """Tell whether two values are the same; NaN is."""
    return repr(one) == repr(other)


def decode(endpoint: Endpoint, body: bytes, routing: RoutingFields, dialect: Dialect) -> None:
    """Make the endpoint's job, and for generations the message to an engine."""
    if (make := JOBS.get(endpoint)) is None:
        decode_body(KINDS[endpoint], body)
        return
    request = InferenceRequest(
        id="r",
        endpoint=endpoint,
        path="/",
        headers=(),
        body=body,
        model=routing.model or "m",
        stream=routing.stream,
        tokens=1,
        began_at=0.0,
        trail=Trail(),
    )
    job = make(request, NO_KIT)
    job.refuse(dialect)
    if isinstance(job, GenerationJob):
        for ask in job._asks[:4]:
            asked = ask.generation("r", Prompt([1], "a"), ask.sampling, stream=routing.stream)
            dialect.generate_request(asked).SerializeToString()


MESSAGES = b'"messages":[{"role":"user","content":"a"}]'
CHAT = (
    b'{"model":"m",'
    + MESSAGES
    + b',"max_tokens":5,"temperature":0.5,"stop":["x"],"n":2,"seed":1,"logit_bias":{"5":-1.5}}'
)
TOOLS = (
    b'{"model":"m",' + MESSAGES + b',"stream":true,"stream_options":{"include_usage":true},"tools":[{"type":"function",'
    b'"function":{"name":"f","parameters":{}}}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}}}'
)
COMPLETION = b'{"model":"m","prompt":["a","b"],"max_tokens":0,"echo":true,"logprobs":1,"top_k":5,"min_p":0.1}'
GENERATE = (
    b'{"text":"a","sampling_params":{"max_new_tokens":5,"regex":"a+","stop_token_ids":[1]},"return_logprob":true}'
)
SEEDS = {
    Endpoint.CHAT: (CHAT, TOOLS, b'{"n":1e0}', b'{"a\\u0062":[[],{}],"b":"\\\\\\""}'),
    Endpoint.COMPLETIONS: (COMPLETION,),
    Endpoint.GENERATE: (GENERATE, b'{"input_ids":[[1,2],[3]],"sampling_params":[{},{"n":1}]}'),
    Endpoint.EMBEDDINGS: (b'{"model":"m","input":["a"],"dimensions":3}',),
    Endpoint.RERANK: (b'{"query":"a","documents":["b"],"top_n":1}',),
    Endpoint.SCORE: (b'{"text_1":"a","text_2":["b"]}',),
    Endpoint.CLASSIFY: (b'{"input":"a"}',),
    Endpoint.TOKENIZE: (b'{"prompt":"a","add_special_tokens":false}', b"{" + MESSAGES + b"}"),
    Endpoint.DETOKENIZE: (b'{"tokens":[1,2]}',),
}

BODIES = Target(
    name="bodies",
    seeds=tuple(
        bytes([ENDPOINTS.index(endpoint), flags]) + body
        for endpoint, bodies in SEEDS.items()
        for body in bodies
        for flags in (2, 5)
    ),
    words=(
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b'"',
            b"\\",
            b"\\u0000",
            b"\\ud800",
            b'\\"',
            b" ",
            b"\n",
            b"null",
            b"true",
        ),
        *(
            b"-1",
            b"1e999",
            b"NaN",
            b"9" * 30,
            b"9" * 5000,
            b"0.5",
            b'"a"',
            b"[[[[",
            b"[" * 70,
            b"{}",
            b"\xef\xbb\xbf",
            b"\xc3\xa9",
        ),
        *(
            b'"model":',
            b'"stream":true',
            b'"n":',
            b'"stop":',
            b'"seed":',
            b'"min_tokens":',
            b'"top_k":',
            b'"regex":"("',
        ),
        *(
            b'"priority":1',
            b'"custom_params":{"a":1e400}',
            b'"lora_path":"x"',
            b'"stream_interval":',
            b'"logprobs":true',
        ),
        *(b'"response_format":{"type":"json_object"}', b'"response_format":{"type":"text"}', b'"logit_bias":{"5":1}'),
    ),
    run=run,
    runs=60_000,
)
