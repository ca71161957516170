"""What no slice can see alone: settings that contradict one another, and files that are not there."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING

from smg.config.secrets import MASK
from smg.workers.address import parse_url
from smg.workers.settings import HealthSettings
from smg.workers.spec import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smg.config.shape import Path
    from smg.server.schema import Settings
    from smg.workers.settings import TlsSettings

LISTENER_FILES = ("tls_cert_path", "tls_key_path", "tls_client_ca_path", "tls_client_crl_path")


def check(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong, each as a path and a message."""
    return chain.from_iterable(
        rule(settings)
        for rule in (_same_port, _bodies, _backoff, _clocks, _drains, _same_caller, _same_worker, _missing)
    )


def _same_port(settings: Settings) -> Iterator[tuple[Path, str]]:
    if settings.metrics.port == settings.server.port != 0:
        yield ("metrics", "port"), "must differ from server.port"


def _bodies(settings: Settings) -> Iterator[tuple[Path, str]]:
    largest = settings.server.max_payload_size
    if settings.limits.body_memory_bytes < largest:
        yield ("limits", "body_memory_bytes"), f"must be at least server.max_payload_size ({largest})"


def _backoff(settings: Settings) -> Iterator[tuple[Path, str]]:
    retry = settings.worker_defaults.retry
    if retry.initial_backoff_ms > retry.max_backoff_ms:
        yield ("worker_defaults", "retry", "initial_backoff_ms"), "must not exceed max_backoff_ms"


def _clocks(settings: Settings) -> Iterator[tuple[Path, str]]:
    clocks = settings.worker_defaults.timeouts
    if clocks.connect_secs > clocks.total_secs:
        yield ("worker_defaults", "timeouts", "connect_secs"), "must not exceed total_secs"


def _drains(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Refuse a drain that the gateway's own end would cut short; one that nobody asked for may be."""
    grace = settings.server.shutdown_grace_period_secs
    asked: list[tuple[Path, float]] = [
        (("workers", index, "health", "drain_secs"), spec.health["drain_secs"])
        for index, spec in enumerate(settings.workers)
        if "drain_secs" in spec.health
    ]
    general = settings.worker_defaults.health.drain_secs
    if general != HealthSettings().drain_secs:
        asked.append((("worker_defaults", "health", "drain_secs"), general))
    for path, secs in asked:
        if secs > grace:
            yield path, f"must not exceed server.shutdown_grace_period_secs ({grace:g}); lower this or raise that"


def _same_caller(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Refuse two of one name or one key; what stands for a key that is not shown is none."""
    names: dict[str, str] = {}
    keys = {settings.server.api_key: "server.api_key", MASK: ""}
    for index, caller in enumerate(settings.callers):
        here = f"callers[{index}]"
        if (first := names.setdefault(caller.name, here)) != here:
            yield ("callers", index, "name"), f"is the name of {first}, too"
        if (first := keys.setdefault(caller.api_key, f"{here}.api_key")) not in {"", f"{here}.api_key"}:
            yield ("callers", index, "api_key"), f"is the same as {first}"


def _same_worker(settings: Settings) -> Iterator[tuple[Path, str]]:
    seen: dict[str, int] = {}
    for index, spec in enumerate(settings.workers):
        first = seen.setdefault(parse_url(spec.url).url, index)
        if first != index:
            yield ("workers", index, "url"), f"is the same worker as workers[{first}]"


def _missing(settings: Settings) -> Iterator[tuple[Path, str]]:
    for path, name in _named_files(settings):
        if not os.access(name, os.R_OK):
            yield path, "no such file, or it may not be read"


def _named_files(settings: Settings) -> Iterator[tuple[Path, str]]:
    named: list[tuple[Path, str | None]] = [
        *((("server", name), getattr(settings.server, name)) for name in LISTENER_FILES),
        (("model", "model_path"), settings.model.model_path),
        (("model", "tokenizer_path"), settings.model.tokenizer_path),
        (("model", "chat_template"), settings.model.chat_template),
        *_tls_files(("worker_defaults", "tls"), settings.worker_defaults.tls),
    ]
    for index, spec in enumerate(settings.workers):
        if spec.tls:
            named += _tls_files(("workers", index, "tls"), resolve(spec, settings.worker_defaults).tls)
    return ((path, name) for path, name in named if name is not None)


def _tls_files(path: Path, tls: TlsSettings) -> list[tuple[Path, str | None]]:
    return [((*path, name), getattr(tls, name)) for name in ("ca_path", "cert_path", "key_path")]
