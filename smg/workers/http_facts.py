"""What an HTTP engine tells of itself: its runtime, its models, its load."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from smg.core.errors import Retry, UpstreamError
from smg.core.generation import EngineFacts, RankLoad
from smg.core.words import Runtime
from smg.wire.engines.telling import positive
from smg.workers.spec import ModelCard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smg.core.words import WorkerId

MAX_MODELS = 1024
OWNERS = {"sglang": Runtime.SGLANG, "nvidia": Runtime.SGLANG, "vllm": Runtime.VLLM, "trtllm": Runtime.TRTLLM}
VLLM_GAUGES = {
    "vllm:num_requests_running": "num_running_reqs",
    "vllm:num_requests_waiting": "num_waiting_reqs",
    "vllm:kv_cache_usage_perc": "token_usage",
    "vllm:gpu_cache_usage_perc": "token_usage",
}
_SAMPLE = re.compile(r"([a-z:_]+)(?:\{.*\})? ([0-9]{1,18}(?:\.[0-9]*)?(?:e[+-]?[0-9]{1,2})?)")


def read_object(worker_id: WorkerId, body: bytes) -> dict[str, Any]:
    """Return one JSON object; raises UpstreamError."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError(worker_id, "the worker did not answer in JSON", retry=Retry.NEVER) from error


class Asked(Protocol):
    """An engine that answers GETs."""

    id: WorkerId

    async def ask(self, path: str) -> bytes | None:
        """Return a body, None where there is no such path; raises UpstreamError."""
        ...

    async def ask_object(self, path: str) -> dict[str, Any] | None:
        """Return one JSON object, None where there is no such path; raises UpstreamError."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What discovery brought."""

    runtime: Runtime
    models: tuple[ModelCard, ...]
    facts: EngineFacts


class _Entry(msgspec.Struct):
    id: str
    owned_by: str = ""
    root: str | None = None
    max_model_len: int | None = None


class _Listing(msgspec.Struct):
    data: list[_Entry]


async def discover_facts(engine: Asked) -> Found:
    """Ask for models, version and server info; only the first of them must be there.

    Raises:
        UpstreamError: The engine cannot be asked, or lists no models in the usual form.
    """
    listing = _listing(engine.id, await engine.ask("/v1/models"))
    runtime = next((OWNERS[entry.owned_by] for entry in listing if entry.owned_by in OWNERS), Runtime.UNSPECIFIED)
    version = await _told(engine, "/version")
    server = {} if runtime is Runtime.VLLM else await _told(engine, "/server_info", "/get_server_info")
    model = {} if runtime is Runtime.VLLM else await _told(engine, "/model_info", "/get_model_info")
    if runtime is Runtime.UNSPECIFIED:
        runtime = Runtime.SGLANG if "model_path" in server or "model_path" in model else runtime
    return Found(runtime, tuple(_card(entry) for entry in listing), _facts(listing, server, model, version))


def server_words(facts: EngineFacts) -> dict[str, Any]:
    """Return what is known of an engine that has no words of its own for its server, in SGLang's."""
    return {
        "model_path": facts.model_path,
        "served_model_name": next(iter(facts.served_names), ""),
        "context_length": facts.context_length,
        "dp_size": facts.rank_count,
        "version": facts.version,
    }


def model_words(facts: EngineFacts) -> dict[str, Any]:
    """Return the same for its model."""
    return {
        "model_path": facts.model_path,
        "tokenizer_path": facts.tokenizer_path or facts.model_path,
        "is_generation": facts.is_generation,
    }


def _listing(worker_id: WorkerId, body: bytes | None) -> list[_Entry]:
    try:
        return msgspec.json.decode(body or b'{"data":[]}', type=_Listing).data[:MAX_MODELS]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError(worker_id, "the worker's list of models cannot be read", retry=Retry.NEVER) from error


async def _told(engine: Asked, *paths: str) -> dict[str, Any]:
    """Return the first object there is; a path that fails tells nothing, which is no reason to do without the rest."""
    for path in paths:
        try:
            if (found := await engine.ask_object(path)) is not None:
                return found
        except UpstreamError:
            continue
    return {}


def _card(entry: _Entry) -> ModelCard:
    return ModelCard(id=entry.id, context_length=positive(entry.max_model_len))


def _facts(
    listing: list[_Entry], server: dict[str, Any], model: dict[str, Any], version: dict[str, Any]
) -> EngineFacts:
    lengths = (entry.max_model_len for entry in listing)
    path = _text(model, "model_path") or _text(server, "model_path")
    return EngineFacts(
        served_names=tuple(entry.id for entry in listing),
        model_path=path or next((entry.root for entry in listing if entry.root), ""),
        tokenizer_path=_text(model, "tokenizer_path") or _text(server, "tokenizer_path"),
        context_length=positive(*lengths, server.get("context_length")),
        is_generation=model.get("is_generation", True) is not False,
        rank_count=positive(server.get("dp_size")) or 1,
        version=_text(version, "version") or _text(server, "version"),
        labels=dict(_labels(server)),
    )


def _labels(server: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the small facts worth showing."""
    for name in ("tp_size", "pp_size", "disaggregation_mode", "max_running_requests", "weight_version"):
        value = server.get(name)
        if isinstance(value, (str, int)) and len(str(value)) <= 256:  # noqa: PLR2004
            yield name, str(value)


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


async def read_loads(engine: Asked) -> list[RankLoad]:
    """Return the load of each rank, from ``/v1/loads`` or else from the Prometheus gauges.

    Raises:
        UpstreamError: The engine tells neither.
    """
    told = await engine.ask_object("/v1/loads?include=core")
    if told is not None and isinstance(told.get("loads"), list):
        return [_load(engine.id, entry) for entry in told["loads"]]
    metrics = await engine.ask("/metrics")
    if metrics is None or b"vllm:" not in metrics:
        raise UpstreamError(engine.id, "the worker tells no load", retry=Retry.NEVER)
    return [_gauges(metrics.decode(errors="replace"))]


def _load(worker_id: WorkerId, entry: object) -> RankLoad:
    try:
        return msgspec.convert(entry, RankLoad, strict=False)
    except msgspec.ValidationError as error:
        raise UpstreamError(worker_id, "the worker's load cannot be read", retry=Retry.NEVER) from error


def _gauges(text: str) -> RankLoad:
    numbers: dict[str, float] = {}
    for line in text.splitlines():
        sample = _SAMPLE.fullmatch(line)
        if sample is not None and (field := VLLM_GAUGES.get(sample[1])) is not None:
            numbers[field] = numbers.get(field, 0.0) + float(sample[2])
    return RankLoad(
        num_running_reqs=int(numbers.get("num_running_reqs", 0)),
        num_waiting_reqs=int(numbers.get("num_waiting_reqs", 0)),
        token_usage=numbers.get("token_usage", 0.0),
    )
