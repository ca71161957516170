"""What no slice sees alone."""

from __future__ import annotations

import msgspec

from smg.config.checks import check
from smg.middleware.settings import CallerSettings, LimitSettings
from smg.server.schema import Settings
from smg.server.settings import MetricsSettings, ModelSettings, ServerSettings
from smg.workers.settings import HealthSettings, WorkerDefaults
from smg.workers.spec import WorkerSpec


def test_defaults_contradict_nothing():
    """What nobody set is right."""
    assert list(check(Settings())) == []


def test_two_free_ports_do_not_clash():
    """Port 0 on both listeners means two ports."""
    settings = Settings(server=ServerSettings(port=0), metrics=MetricsSettings(port=0))

    assert list(check(settings)) == []


def test_everything_wrong_is_yielded():
    """The first is told; all are there."""
    twice = (WorkerSpec(url="http://a:1"), WorkerSpec(url="http://a:1"))
    settings = Settings(metrics=MetricsSettings(port=30000), workers=twice, model=ModelSettings(model_path="/nowhere"))

    assert [path for path, _ in check(settings)] == [
        ("metrics", "port"),
        ("workers", 1, "url"),
        ("model", "model_path"),
    ]


def test_callers_have_names_and_keys_of_their_own():
    """Two of one name, of one key, or with the gateway's own key are refused; the key is not shown."""
    pairs = (("a", "sk-1"), ("b", "sk-2"), ("a", "sk-3"), ("c", "sk-1"), ("d", "sk-own"))
    callers = tuple(CallerSettings(name=name, api_key=key) for name, key in pairs)

    assert list(check(Settings(server=ServerSettings(api_key="sk-own"), callers=callers))) == [
        (("callers", 2, "name"), "is the name of callers[0], too"),
        (("callers", 3, "api_key"), "is the same as callers[0].api_key"),
        (("callers", 4, "api_key"), "is the same as server.api_key"),
    ]


def test_largest_body_fits_in_the_memory_of_all():
    """A body that its size allows is not refused for ever."""
    just, over = (
        Settings(server=ServerSettings(max_payload_size=size), limits=LimitSettings(body_memory_bytes=100))
        for size in (100, 101)
    )

    assert list(check(just)) == []
    assert list(check(over)) == [(("limits", "body_memory_bytes"), "must be at least server.max_payload_size (101)")]


def test_ranks_of_one_address_are_different_workers():
    """The rank is part of who a worker is."""
    ranks = tuple(WorkerSpec(url=f"http://a:1@{rank}") for rank in range(3))

    assert list(check(msgspec.structs.replace(Settings(), workers=ranks))) == []


def test_drain_that_was_asked_for_fits_in_the_grace():
    """What would be cut short is refused, at a worker, too; the default asks for nothing, and may be."""
    brief = ServerSettings(shutdown_grace_period_secs=5)
    workers = tuple(WorkerSpec(url=f"http://a:{secs}", health={"drain_secs": secs}) for secs in (5, 6))
    defaults = WorkerDefaults(health=HealthSettings(drain_secs=5.5))

    assert list(check(Settings(server=brief))) == []
    assert list(check(Settings(server=brief, workers=workers, worker_defaults=defaults))) == [
        (
            ("workers", 1, "health", "drain_secs"),
            "must not exceed server.shutdown_grace_period_secs (5); lower this or raise that",
        ),
        (
            ("worker_defaults", "health", "drain_secs"),
            "must not exceed server.shutdown_grace_period_secs (5); lower this or raise that",
        ),
    ]
