"""What an operator says of a worker; every source of workers (flag, file, API) speaks in specs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from smg.core.errors import InvalidRequestError
from smg.core.words import ConnectionMode, Runtime, WorkerType
from smg.workers.address import parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smg.workers.settings import WorkerDefaults

S = TypeVar("S", bound=msgspec.Struct)
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Overrides = Annotated[dict[str, Any], msgspec.Meta(max_length=32)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]

ALIASES: Mapping[str, str] = {"runtime": "runtime_type"}
RUNTIME_ALIASES: Mapping[str, str] = {"tensorrt-llm": "trtllm"}
OVERRIDES: Mapping[str, str] = {  # a spec's block -> the setting it overrides
    "http_pool": "pool",
    "timeouts": "timeouts",
    "tls": "tls",
    "proxy": "proxy",
    "health": "health",
    "resilience": "retry",
    "breaker": "breaker",
}


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model a worker serves.

    Attributes:
        id: Name the engine knows it by.
        aliases: Other names callers may use.
        context_length: Tokens of prompt and answer together.
        tokenizer_path: Local folder of its tokenizer.
        chat_template: Local file of a template that replaces the model's own.
        model_type: Bits of what it can do (chat 1, completions 2, embeddings 8, rerank 16, generate 32 …).
        id2label: Names of a classifier's labels, by index.
    """

    id: Name
    display_name: str | None = None
    aliases: Annotated[tuple[Name, ...], msgspec.Meta(max_length=64)] = ()
    model_type: Annotated[int, msgspec.Meta(ge=0)] | None = None
    hf_model_type: str | None = None
    architectures: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] = ()
    provider: str | None = None
    context_length: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tokenizer_path: str | None = None
    chat_template: str | None = None
    reasoning_parser: str | None = None
    tool_parser: str | None = None
    metadata: dict[str, Any] = {}
    id2label: dict[str, str] = {}
    num_labels: Annotated[int, msgspec.Meta(ge=1)] | None = None


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One worker as it was asked for.

    Attributes:
        url: ``scheme://host:port[@rank]`` or a bare ``host:port``, whose mode is then probed.
        models: What it serves; empty: what it says it serves, and for an external one any model.
        connection_mode: Needed by nobody but a bare ``host:port`` that shall not be probed.
        runtime_type: The engine; unspecified: detected.
        labels: Free words of the operator; some are read (``tokenizer_path``, ``policy``).
        priority: Higher is preferred.
        cost: Relative price of a request.
        api_key: Sent to the worker in place of the caller's; never shown again.
        bootstrap_host: Where a prefill worker hands over, if not the URL's host.
        http_pool: Overrides of ``PoolSettings``; the six below likewise of their settings.
    """

    url: str
    models: Annotated[tuple[ModelCard, ...], msgspec.Meta(max_length=1024)] = ()
    worker_type: WorkerType = WorkerType.REGULAR
    connection_mode: ConnectionMode | None = None
    runtime_type: Runtime = Runtime.UNSPECIFIED
    provider: str | None = None
    labels: Annotated[dict[str, str], msgspec.Meta(max_length=128)] = {}
    priority: int = 50
    cost: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    api_key: str | None = None
    bootstrap_host: str | None = None
    bootstrap_port: Port | None = None
    kv_connector: str | None = None
    kv_role: str | None = None
    kv_engine_id: str | None = None
    kv_block_size: Annotated[int, msgspec.Meta(ge=1)] | None = None
    http_pool: Overrides = {}
    timeouts: Overrides = {}
    tls: Overrides = {}
    proxy: Overrides = {}
    health: Overrides = {}
    resilience: Overrides = {}
    breaker: Overrides = {}


def read_spec(data: Mapping[str, Any]) -> WorkerSpec:
    """Check and convert a spec that came as plain JSON or YAML.

    Raises:
        InvalidRequestError: Naming the field.
    """
    plain = {ALIASES.get(key, key): value for key, value in data.items()}
    runtime = plain.get("runtime_type")
    if isinstance(runtime, str):
        plain["runtime_type"] = RUNTIME_ALIASES.get(runtime, runtime)
    spec = _convert(plain, WorkerSpec, "")
    parse_url(spec.url)
    return spec


def patch_spec(spec: WorkerSpec, changes: Mapping[str, Any]) -> WorkerSpec:
    """Change the named fields and keep all others; objects merge, null takes a field back to its default.

    Raises:
        InvalidRequestError: Naming the field; ``url`` cannot change.
    """
    if changes.get("url", spec.url) != spec.url:
        raise InvalidRequestError("a worker's url cannot change; register a new worker", param="url")
    return read_spec(
        merged(msgspec.to_builtins(spec), {ALIASES.get(key, key): value for key, value in changes.items()})
    )


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay ``changes`` over ``base`` as RFC 7396 says: objects merge, null removes."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def resolve(spec: WorkerSpec, defaults: WorkerDefaults) -> WorkerDefaults:
    """Return the settings that hold for this worker.

    Raises:
        InvalidRequestError: An override is unknown or out of range; ``param`` names its block.
    """
    changes: dict[str, Any] = {
        setting: _overridden(getattr(defaults, setting), getattr(spec, block), block)
        for block, setting in OVERRIDES.items()
    }
    return msgspec.structs.replace(defaults, **changes, api_key=spec.api_key or defaults.api_key)


def _overridden(default: S, changes: Mapping[str, Any], block: str) -> S:
    if not changes:
        return default
    return _convert({**msgspec.to_builtins(default), **changes}, type(default), block)


def _convert(data: object, kind: type[S], block: str) -> S:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(_lowered(str(error)), param=_param(str(error), block)) from error


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _param(message: str, block: str) -> str | None:
    """Find the field a msgspec message is about: its path, or the unknown field it quotes."""
    path = message.partition(" - at `$")[2].rstrip("`").lstrip(".")
    if "unknown field `" in message or "required field `" in message:
        name = message.partition("field `")[2].partition("`")[0]
        path = f"{path}.{name}" if path else name
    return ".".join(part for part in (block, path) if part) or None
