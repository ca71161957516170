"""An engine's facts and loads, as both of its servers tell them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from smg.core.words import Runtime

if TYPE_CHECKING:
    from smg.sim.machine import Machine
    from smg.sim.scheduler import Scheduler


def timestamp() -> str:
    """Return the time as engines write it."""
    return datetime.now(UTC).isoformat()


def server_args(machine: Machine) -> dict[str, Any]:
    """Return SGLang's server arguments, as far as others read them."""
    settings = machine.settings
    return {
        "model_path": settings.model,
        "tokenizer_path": settings.model,
        "served_model_name": settings.model,
        "tp_size": 1,
        "dp_size": settings.ranks,
        "pp_size": 1,
        "context_length": settings.context_length,
        "max_total_tokens": settings.kv_tokens,
        "max_running_requests": settings.max_running,
        "load_balance_method": "round_robin",
        "disaggregation_mode": "null",
        "is_embedding": False,
        "weight_version": "default",
        "page_size": settings.block_tokens,
    }


def loads(machine: Machine) -> list[dict[str, Any]]:
    """Return the load of each rank."""
    return [_load(machine, rank, one) for rank, one in enumerate(machine.schedulers)]


def _load(machine: Machine, rank: int, scheduler: Scheduler) -> dict[str, Any]:
    settings, cache = machine.settings, scheduler.cache
    return {
        "dp_rank": rank,
        "num_running_reqs": scheduler.running,
        "num_waiting_reqs": scheduler.waiting,
        "num_total_reqs": scheduler.running + scheduler.waiting,
        "num_used_tokens": cache.used_tokens,
        "max_total_num_tokens": settings.kv_tokens,
        "token_usage": cache.used_tokens / settings.kv_tokens,
        "gen_throughput": scheduler.throughput,
        "cache_hit_rate": cache.hit_tokens / cache.asked_tokens if cache.asked_tokens else 0.0,
        "utilization": scheduler.running / settings.max_running,
        "max_running_requests": settings.max_running,
        "num_waiting_uncached_tokens": scheduler.waiting_tokens,
    }


def metrics(machine: Machine) -> str:
    """Return the gauges in Prometheus' text form, under the runtime's names."""
    found = loads(machine)
    running, waiting = (sum(one[name] for one in found) for name in ("num_running_reqs", "num_waiting_reqs"))
    usage = sum(one["token_usage"] for one in found) / len(found)
    hits = sum(one["cache_hit_rate"] for one in found) / len(found)
    if machine.runtime is Runtime.VLLM:
        names = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "gpu_prefix_cache_hit_rate")
    else:
        names = ("num_running_reqs", "num_queue_reqs", "token_usage", "cache_hit_rate")
    gauges = zip(names, (running, waiting, usage, hits), strict=True)
    return "".join(_gauge(machine, name, value) for name, value in gauges)


def _gauge(machine: Machine, name: str, value: float) -> str:
    full = f"{machine.runtime.value}:{name}"
    return f'# TYPE {full} gauge\n{full}{{model_name="{machine.settings.model}"}} {value}\n'
