"""The one tree of settings: file, environment, flags, help and documentation are all made from it."""

from __future__ import annotations

import msgspec

from smg.middleware.settings import CallerSettings, LimitSettings
from smg.policies.table import POLICY_NAMES
from smg.resilience.settings import BudgetSettings
from smg.routers.settings import StreamSettings
from smg.server.settings import LogSettings, MetricsSettings, ModelSettings, ServerSettings
from smg.wire.shapes import JsonLimits
from smg.workers.settings import WorkerDefaults
from smg.workers.spec import WorkerSpec  # noqa: TC001  (read when the schema is)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set.

    Attributes:
        server: The listener that callers reach.
        metrics: The listener that Prometheus scrapes.
        log: What is logged, and how.
        model: Tokenizer and template for gRPC workers that do not name their own.
        json: How deep and how many-valued a request body may be, and how much it may ask for.
        streams: What of a worker's streams is let through.
        retry_budget: How many retries the whole gateway may make.
        limits: How many inference requests are served at once, and how often.
        callers: Those who have keys of their own. Where there are any, administration needs ``server.api_key``.
        policy: How a worker is chosen where a worker's label ``policy`` does not say otherwise.
        worker_defaults: What holds for a worker where its own entry is silent.
        workers: The engines to start with; more can be registered while running.
    """

    server: ServerSettings = ServerSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    model: ModelSettings = ModelSettings()
    json: JsonLimits = JsonLimits()
    streams: StreamSettings = StreamSettings()
    retry_budget: BudgetSettings = BudgetSettings()
    limits: LimitSettings = LimitSettings()
    callers: tuple[CallerSettings, ...] = ()
    policy: str = "round_robin"
    worker_defaults: WorkerDefaults = WorkerDefaults()
    workers: tuple[WorkerSpec, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a policy that does not exist."""
        if self.policy not in POLICY_NAMES:
            raise ValueError(f"policy must be one of {', '.join(POLICY_NAMES)}")
