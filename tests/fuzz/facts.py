"""What engines tell of themselves, in protobuf or in JSON: facts that can be told on, or an error of ours."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from smg.core.errors import GatewayError, UpstreamError
from smg.core.generation import RankLoad
from smg.core.words import Runtime, WorkerId
from smg.wire.engines.table import by_service_order
from smg.wire.engines.telling import as_dict
from smg.wire.event_relay import EventRelay
from smg.wire.secrets import shows
from smg.wire.sse import data_event
from smg.wire.told import BrokenJsonError, told_error
from smg.workers.grpc_calls import decode
from smg.workers.http_facts import discover_facts, model_words, read_loads, read_object, server_words
from tests.fuzz.frames import PARTING, finished, framed, unframed
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.generation import EngineFacts
    from smg.wire.engines.dialect import Dialect
    from smg.wire.told import ToldError

WORKER = WorkerId("w")
DIALECTS = by_service_order()
HTTP = len(DIALECTS)
KEY = "sk-fuzz-0123456789"


class Engine:
    """Stands in for an HTTP engine that answers each GET with the next of these bodies."""

    id = WORKER

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self._bodies = iter(bodies)

    async def ask(self, path: str) -> bytes | None:
        """Return a body."""
        del path
        return next(self._bodies, None)

    async def ask_object(self, path: str) -> dict[str, Any] | None:
        """Return an object, read as the worker does."""
        body = await self.ask(path)
        return None if body is None else read_object(self.id, body)


def run(data: bytes) -> None:
    """Read what one engine tells."""
    kind, messages = sum(data[:1]) % (HTTP + 1), unframed(data[1:])
    if kind == HTTP:
        told_by_http(messages)
    else:
        told_by_grpc(DIALECTS[kind], [*messages, b"", b"", b"", b""])


def told_by_http(bodies: list[bytes]) -> None:
    """Discover, then ask for loads."""
    engine = Engine(bodies)
    try:
        facts = finished(discover_facts(engine)).facts
        check_facts(facts)
        check_json(server_words(facts), model_words(facts))
    except UpstreamError:
        pass
    for told in (told_of_load, told_on, told_as_an_error):
        with suppress(UpstreamError):
            told(bodies)


def told_of_load(bodies: list[bytes]) -> None:
    """Ask for loads."""
    check_loads(finished(read_loads(Engine(bodies))))


def told_on(bodies: list[bytes]) -> None:
    """Tell an engine's own words on."""
    check_json(finished(Engine(bodies).ask_object("/server_info")))


def told_as_an_error(bodies: list[bytes]) -> None:
    """Read an error that a stream began with, or that came in an answer's place, and look for a key in it."""
    document = b"".join(bodies)
    relay = EventRelay(1 << 20)
    relay.feed(data_event(document))
    for error in (relay.failure, _told(document)):
        assert error is None or error.status is None or 400 <= error.status <= 499, "a status that blames nobody"
    assert shows(KEY, document + KEY.encode()), "a key is not seen"


def _told(document: bytes) -> ToldError | None:
    with suppress(BrokenJsonError):
        return told_error(document, or_list=True)
    return None


def told_by_grpc(dialect: Dialect, messages: list[bytes]) -> None:
    """Read model and server info, loads, a vector and an error."""
    try:
        model, server = (
            decode(WORKER, dialect.model_info, messages[0]),
            decode(WORKER, dialect.server_info, messages[1]),
        )
        check_facts(dialect.facts(model, server))
        check_json(as_dict(model), as_dict(server))
        dialect.healthy(decode(WORKER, dialect.health, messages[2]))
        if dialect.loads is not None:
            check_loads(dialect.ranks(decode(WORKER, dialect.loads, messages[2])))
        if dialect.embed is not None:
            check_json(asdict(dialect.embedding(decode(WORKER, dialect.embed, messages[3]))))
    except UpstreamError:
        pass
    blame = dialect.error("INTERNAL", messages[-1].decode("utf-8", "replace"))
    assert blame is None or issubclass(blame, GatewayError)


def check_facts(facts: EngineFacts) -> None:
    """Each fact is of its type and in its range, and the whole can be told on."""
    assert msgspec.convert(asdict(facts), type(facts)) == facts, "a fact is not of its type"
    assert facts.rank_count >= 1, "an engine without ranks"
    assert facts.context_length is None or facts.context_length >= 1, "a context of nothing"
    assert all(token_id >= 0 for token_id in facts.eos_token_ids), "an id that no text has"
    check_json(asdict(facts))


def check_loads(loads: list[RankLoad]) -> None:
    """Loads can be told on."""
    for load in loads:
        assert msgspec.convert(asdict(load), RankLoad) == load or load != load, "a load is not of its type"  # noqa: PLR0124
    check_json([asdict(load) for load in loads])


def check_json(*values: object) -> None:
    """It can be told to whoever asks for it."""
    for value in values:
        msgspec.json.decode(msgspec.json.encode(value))


def odd(dialect: Dialect) -> list[list[bytes]]:
    """Return answers that can be read, of values that mean nothing."""
    numbers = (math.inf, -math.inf, math.nan, 1e300)
    texts = ("[" * 2_000, '{"temperature":' + "9" * 400 + "}", '{"top_k":NaN}', "1")
    found = [told(dialect, {"dp_size": n, "context_length": n, "tp_size": n}, seconds=0, eos=-1) for n in numbers]
    found += [told(dialect, {}, seconds=1 << 60, eos=1, default_sampling_params_json=text) for text in texts]
    return found


def told(dialect: Dialect, args: dict[str, float], *, seconds: int, eos: int, **fields: str | int) -> list[bytes]:
    """Return what an engine of this protocol says of its model and its server, as far as the protocol can."""
    model: Any = dialect.model_info.response()
    server: Any = dialect.server_info.response()
    for message in (model, server):
        known = {field.name for field in message.DESCRIPTOR.fields}
        for name in known & fields.keys():
            setattr(message, name, fields[name])
    if hasattr(server, "server_args"):
        server.server_args.update(args)
        server.start_time.seconds = seconds
    if hasattr(model, "eos_token_ids") and (eos > 0 or dialect.runtime is not Runtime.MLX):  # MLX has no sign for them
        model.eos_token_ids.append(eos)
    return [message.SerializeToString() for message in (model, server)]


USUAL: dict[str, str | int] = {
    "model_path": "m",
    "model_id": "m",
    "served_model_name": "m",
    "tokenizer_path": "t",
    "max_context_length": 64,
    "max_seq_len": 64,
    "vocab_size": 512,
    "default_sampling_params_json": '{"temperature": 0.5, "top_k": 20}',
    "version": "1",
    "data_parallel_size": 2,
    "kv_engine_id": "k",
}
LISTING = b'{"object":"list","data":[{"id":"m","owned_by":"sglang","root":"m","max_model_len":4096}]}'
SERVER = b'{"model_path":"m","dp_size":2,"tp_size":1,"context_length":64,"weight_version":"1"}'
LOADS = b'{"loads":[{"dp_rank":0,"num_running_reqs":1,"token_usage":0.5}]}'
GAUGES = b'# HELP x\nvllm:num_requests_running{model_name="m"} 1.0\nvllm:kv_cache_usage_perc 2.5e-1\n'
ERROR = b'{"error":{"message":"no","code":429}}'
ODD_JSON = (
    b'{"data":' + b"[" * 1_200,
    b'{"data":[{"id":"m","max_model_len":true}]}',
    b'{"error":{"code":' + b"9" * 30 + b"}}",
    b'{"loads":[{"token_usage":1e999}]}',
)

FACTS = Target(
    name="facts",
    seeds=(
        *(
            bytes([number]) + framed(messages)
            for number, dialect in enumerate(DIALECTS)
            for messages in (told(dialect, {"dp_size": 2, "tp_size": 1.5}, seconds=1, eos=3, **USUAL), *odd(dialect))
        ),
        *(bytes([HTTP]) + framed([body]) for body in ODD_JSON),
        bytes([HTTP]) + framed([LISTING, b"{}", b'{"model_path":"m","dp_size":-1,"context_length":true}']),
        bytes([HTTP]) + framed([LISTING, b'{"version":"1"}', SERVER, SERVER]),
        bytes([HTTP]) + framed([LOADS]),
        bytes([HTTP]) + framed([b"{}", GAUGES]),
        bytes([HTTP]) + framed([ERROR]),
    ),
    words=(
        *(b"null", b"true", b"-1", b"1e999", b"9" * 400, b"[" * 100, b"{}", b"1.5.5", b"\\ud800", b"NaN", b'"x"'),
        *(b"\x00\x00\x00\x00\x00\x00\xf0\x7f", b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\xff\xff\xff\xff\x0f"),
        *(PARTING, b'"dp_size":', b'"loads":', b'"max_model_len":', b'"error":', b'"code":'),
        *(LISTING, SERVER, LOADS, GAUGES),
    ),
    run=run,
    runs=60_000,
)
