"""A worker as the API shows it."""

from __future__ import annotations

import msgspec

from smg.workers.info import listing, worker_info
from tests.workers.support import build


def test_the_overrides_in_effect_are_shown_and_keys_never() -> None:
    """Each block is whole, the default beside the override; secrets are nowhere in the text."""
    worker = build(
        "http://host:1@2",
        api_key="s3cret",
        models=[{"id": "m", "aliases": ["n"]}],
        http_pool={"max_connections": 5},
        proxy={"url": "http://user:pa55@proxy:1"},
        labels={"zone": "a"},
    )
    info = worker_info(worker, now=worker.life.since + 2.0)
    text = msgspec.json.encode(info)

    assert b"s3cret" not in text
    assert b"pa55" not in text
    assert info["http_pool"] == {
        "max_connections": 5,
        "max_in_flight": 100_000,
        "idle_timeout_secs": 3.0,
        "dns_ttl_secs": 10.0,
        "no_fast_lane": False,
        "keepalive_secs": 5,
        "max_message_bytes": 67_108_864,
    }
    assert (info["url"], info["base_url"], info["dp_rank"]) == ("http://host:1@2", "http://host:1", 2)
    assert (info["model_id"], info["connection_mode"], info["worker_type"]) == ("m", "http", "regular")
    assert (info["status"], info["is_healthy"], info["reason"], info["since_secs"]) == (
        "pending",
        False,
        "not yet probed",
        2.0,
    )
    assert (info["load"], info["priority"], info["labels"]) == (0, 50, {"zone": "a"})


def test_the_listing_counts_by_type() -> None:
    """As users of this field know it."""
    workers = [build("http://h:1"), build("http://h:2", worker_type="prefill"), build("h:3")]
    shown = listing(workers, now=workers[0].life.since)

    assert shown["total"] == 3
    assert shown["stats"] == {"prefill_count": 1, "decode_count": 0, "regular_count": 2, "encode_count": 0}
    assert shown["workers"][2]["connection_mode"] is None
