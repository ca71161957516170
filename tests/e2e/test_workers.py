"""The workers API of a running gateway: what is said, what is done, and what becomes of requests under way."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest

from smg.core.words import ConnectionMode, LifeState, Runtime
from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings
from tests.e2e.gateways import INSTANT, engines, gateway, until_ready
from tests.e2e.raw import JSON, exchange, get, post

HTTP = (ConnectionMode.HTTP, Runtime.SGLANG)
GRPC = (ConnectionMode.GRPC, Runtime.SGLANG)
MODES = pytest.mark.parametrize("kind", [HTTP, GRPC], ids=["http", "grpc"])
CHAT = "/v1/chat/completions"
SLOW = EngineSettings(model="sim", speed=1, context_length=4096)
SECRET = "sk-canary-of-a-worker"


class Api:
    """Asks a gateway's workers API."""

    def __init__(self, front):
        self.front = front

    async def call(self, method, path, document=None):
        """Return the answer's message and its decoded body."""
        if document is None:
            sent = get(path).replace(b"GET", method.encode(), 1)
        else:
            sent = post(path, json.dumps(document).encode(), JSON).replace(b"POST", method.encode(), 1)
        told = await exchange(self.front.port, sent)
        assert SECRET.encode() not in told.body
        return told, json.loads(told.body)

    async def add(self, **spec):
        """Register a worker and return its id."""
        told, document = await self.call("POST", "/workers", spec)
        assert told.status == 202, document
        assert told.values(b"location") == [document["location"].encode()]
        assert document["location"] == f"/workers/{document['worker_id']}"
        assert document["status"] == "accepted"
        return document["worker_id"]

    async def show(self, worker_id):
        """Return what is told of a worker."""
        told, document = await self.call("GET", f"/workers/{worker_id}")
        return document if told.status == 200 else None

    async def until(self, worker_id, holds):
        """Wait until what is told of a worker fits."""
        async with asyncio.timeout(20):
            while not holds(found := await self.show(worker_id)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def served(*workers, **changes):
    """Run a gateway and yield its API."""
    async with gateway(workers, **changes) as front:
        yield Api(front)


def chat(**fields):
    """Return a chat request."""
    body = {"model": "sim", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, **fields}
    return post(CHAT, json.dumps(body).encode(), JSON)


OVERRIDES: dict[str, dict[str, Any]] = {
    "http_pool": {"max_connections": 7, "idle_timeout_secs": 2.0},
    "timeouts": {"connect_secs": 3.0, "total_secs": 77.0},
    "tls": {"server_name": "engine.test"},
    "proxy": {"trust_env": False},
    "health": {"check_interval_secs": 2.0, "failure_threshold": 5},
    "resilience": {"max_retries": 2, "max_backoff_ms": 9},
}
PREFILL: dict[str, Any] = {
    "worker_type": "prefill",
    "bootstrap_port": 8998,
    "bootstrap_host": "10.0.0.9",
    "provider": "custom",
    "kv_connector": "NixlConnector",
    "kv_role": "kv_producer",
    "kv_engine_id": "e1",
    "kv_block_size": 16,
    "priority": 60,
    "cost": 2.5,
    "labels": {"zone": "a"},
    "runtime": "sglang",
    "models": [{"id": "sim", "aliases": ["s"], "context_length": 100}],
}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "grpc://127.0.0.1:1", "https://127.0.0.1:1@2"])
async def test_everything_said_of_a_worker_is_told_back(url):
    """A spec comes back with its overrides in effect, but for the key."""
    async with served() as api:
        found = await api.show(await api.add(url=url, api_key=SECRET, **OVERRIDES, **PREFILL))

    for block, values in OVERRIDES.items():
        assert values.items() <= found[block].items()
    said = {name: value for name, value in PREFILL.items() if name not in {"runtime", "models", "labels"}}
    assert said.items() <= found.items()
    assert (found["runtime_type"], found["labels"]["zone"]) == ("sglang", "a")
    assert found["models"][0]["aliases"] == ["s"]
    assert "api_key" not in found
    assert found["url"] == url
    assert "@" not in found["base_url"]


@MODES
async def test_patch_changes_what_is_named_and_keeps_the_rest(kind):
    """Bootstrap port, provider, overrides and key stay; the worker keeps its id and serves on."""
    async with engines(kind) as [engine], served() as api:
        said = {**PREFILL, "worker_type": "regular"}
        worker = await api.add(url=engine.url, api_key=SECRET, **{**OVERRIDES, "tls": {}}, **said)
        before = await api.until(worker, lambda found: found["status"] == "ready")
        told, _ = await api.call("PATCH", f"/workers/{worker}", {"priority": 5, "labels": {"zone": None, "rack": "7"}})
        await api.call("PATCH", f"/workers/{worker}", {"http_pool": {"max_connections": 9}})
        after = await api.until(worker, lambda found: found["status"] == "ready")
        assert (await exchange(api.front.port, chat())).status == 200

        changing = {"priority", "labels", "http_pool", "since_secs", "job_status"}
        assert told.status == 202
        assert {key: before[key] for key in before.keys() - changing} == {
            key: after[key] for key in after.keys() - changing
        }
        assert (after["priority"], after["http_pool"]["max_connections"]) == (5, 9)
        assert after["http_pool"]["idle_timeout_secs"] == 2.0
        assert (after["labels"].get("zone"), after["labels"]["rack"]) == (None, "7")
        assert any(SECRET.encode() in value for _, value in engine.ledger.last.headers)


@MODES
async def test_put_makes_the_worker_anew(kind):
    """What the new spec does not say is the default again; the id stays."""
    async with engines(kind) as [engine], served() as api:
        worker = await api.add(url=engine.url, priority=9, labels={"a": "b"})
        told, _ = await api.call("PUT", f"/workers/{worker}", {"url": engine.url, "cost": 3.0})
        found = await api.until(worker, lambda found: found["status"] == "ready")

        assert told.status == 202
        assert (found["priority"], found["cost"], found["labels"].get("a")) == (50, 3.0, None)
        other, _ = await api.call("PUT", f"/workers/{worker}", {"url": "http://127.0.0.1:2"})
        assert other.status == 400


BAD_URLS = [
    "", "ftp://a:1", "http://", "http://a:0", "http://a:99999", "http://a:1/path", "http://a:1?x", "http://u:p@a:1",
    "http://a b:1", "http://a:1@x", "http://a:1@-1", "127.0.0.1", "http://256.1.1.1:1", "http://[::zz]:1", "grpc://a",
    "http://a:1#f", "http://ä:1", "HTTP//a:1", "file:///etc/passwd", "http://a:1\r\nx: y",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
async def test_a_bad_url_is_refused_with_a_reason(url):
    """Nothing is registered, and the answer says what a URL should be like without repeating it."""
    async with served() as api:
        told, document = await api.call("POST", "/workers", {"url": url})
        _, listed = await api.call("GET", "/workers")

    assert (told.status, document["error"]["param"], listed["total"]) == (400, "url", 0)
    assert len(document["error"]["message"]) > len("worker url ")


async def test_what_is_wrong_with_a_spec_is_named():
    """An unknown field, a wrong type, half an identity and a repeated URL each say where."""
    url = "http://127.0.0.1:1"
    wrong: dict[str, dict[str, Any]] = {
        "no_such_field": {"no_such_field": 1},
        "http_pool.max": {"http_pool": {"max": 1}},
        "timeouts.connect_secs": {"timeouts": {"connect_secs": "soon"}},
        "tls": {"tls": {"cert_path": "a.pem"}},
        "worker_type": {"worker_type": "boss"},
        "connection_mode": {"connection_mode": "grpc"},
    }
    async with served() as api:
        await api.add(url="http://127.0.0.1:2")
        for param, fields in wrong.items():
            told, document = await api.call("POST", "/workers", {"url": url, **fields})
            assert (told.status, document["error"]["param"]) == (400, param)
        for same in ("http://127.0.0.1:2", "HTTP://127.0.0.1:2/"):
            told, document = await api.call("POST", "/workers", {"url": same})
            assert (told.status, document["error"]["code"]) == (409, "conflict")
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            body = {"url": url} if method in {"PATCH", "PUT"} else None
            told, document = await api.call(method, "/workers/none", body)
            assert (told.status, document["error"]["code"]) == (404, "not_found")


async def test_the_list_counts_and_filters():
    """Every worker with its state, counts by type, and by model only those that serve it."""
    async with engines(HTTP, GRPC) as running, served(*[engine.url for engine in running]) as api:
        await api.add(url="http://127.0.0.1:1", worker_type="prefill", models=[{"id": "other", "aliases": ["o"]}])
        _, listed = await api.call("GET", "/workers")
        _, by_model = await api.call("GET", "/workers?model=sim")
        _, by_alias = await api.call("GET", "/workers?model=o")

    assert listed["total"] == len(listed["workers"]) == 3
    assert listed["stats"] == {"prefill_count": 1, "decode_count": 0, "regular_count": 2, "encode_count": 0}
    assert [worker["status"] for worker in listed["workers"]] == ["ready", "ready", "pending"]
    assert [worker["connection_mode"] for worker in by_model["workers"]] == ["http", "grpc"]
    assert [worker["url"] for worker in by_alias["workers"]] == ["http://127.0.0.1:1"]


@pytest.mark.parametrize("kind", [HTTP, GRPC], ids=["http", "grpc"])
@pytest.mark.parametrize("bare", [False, True], ids=["scheme", "bare"])
async def test_a_worker_that_is_not_there_yet_is_shown_and_waited_for(kind, bare, unused_tcp_port):
    """It is pending with a reason; once the engine listens it becomes ready, with or without its scheme being known."""
    url = f"127.0.0.1:{unused_tcp_port}" if bare else f"{kind[0].value}://127.0.0.1:{unused_tcp_port}"
    async with served() as api:
        worker = await api.add(url=url)
        found = await api.until(worker, lambda found: found["reason"] != "not yet probed")
        assert (found["status"], found["is_healthy"], found["available"]) == ("pending", False, False)
        assert found["job_status"]["status"] == "pending"
        assert found["job_status"]["message"] == found["reason"]
        assert any(word in found["reason"] for word in ("connect", "reach", "neither"))
        async with SimEngine(kind[0], kind[1], INSTANT, port=unused_tcp_port):
            found = await api.until(worker, lambda found: found["status"] == "ready")
            assert (await exchange(api.front.port, chat())).status == 200

    assert (found["connection_mode"], found["job_status"]) == (kind[0].value, None)
    assert found["url"] == f"{kind[0].value}://127.0.0.1:{unused_tcp_port}"
    assert found["model_id"] == "sim"


@MODES
async def test_a_worker_that_dies_comes_back(kind):
    """It leaves the rotation with a reason, comes back by itself, and its restart is counted."""
    quick = {"worker_defaults": {"health": {"check_interval_secs": 0.05, "failure_threshold": 2}}}
    async with engines(kind) as [engine], served(engine.url, **quick) as api:
        [worker] = api.front.registry.fleet.workers
        await engine.kill()
        away = await api.until(worker, lambda found: found["status"] == "not_ready")
        down = await exchange(api.front.port, chat())
        async with SimEngine(kind[0], kind[1], INSTANT, port=engine.port):
            back = await api.until(worker, lambda found: found["status"] == "ready")
            again = await exchange(api.front.port, chat())

    assert away["reason"]
    assert (down.status, len(down.values(b"retry-after"))) == (503, 1)
    assert again.status == 200
    assert (away["epoch"], back["epoch"]) == (0, 1)


@MODES
async def test_a_removed_worker_finishes_what_it_began(kind):
    """DELETE answers at once; the stream goes on to its end, no new request goes there, then the worker is gone."""
    async with engines(kind, kind, engine=SLOW) as running, served(*[engine.url for engine in running]) as api:
        [leaving] = [w for w in api.front.registry.fleet.workers.values() if w.url == running[0].url]
        asked = chat(stream=True, max_tokens=60, ignore_eos=True)
        async with asyncio.TaskGroup() as callers:
            stream = callers.create_task(exchange(api.front.port, asked))
            await running[0].ledger.until(lambda ledger: ledger.totals.open == 1)
            told, _ = await api.call("DELETE", f"/workers/{leaving.id}")
            shown = await api.show(leaving.id)
            others = [await exchange(api.front.port, chat()) for _ in range(4)]
            again, _ = await api.call("DELETE", f"/workers/{leaving.id}")
            patched, _ = await api.call("PATCH", f"/workers/{leaving.id}", {"priority": 1})
        await api.until(leaving.id, lambda found: found is None)

    assert (told.status, again.status, patched.status) == (202, 202, 409)
    assert (shown["status"], shown["job_status"]["status"]) == ("draining", "processing")
    assert stream.result().body.endswith(b"data: [DONE]\n\n")
    assert {answer.status for answer in others} == {200}
    assert running[0].ledger.totals.started == 1
    assert running[0].ledger.totals.finished == 1


@MODES
async def test_a_worker_that_does_not_finish_is_closed_at_its_limit(kind):
    """After the drain limit the stream is ended by one error event and the engine is freed."""
    async with engines(kind) as [engine], served(engine.url) as api:
        [worker] = api.front.registry.fleet.workers
        await api.call("PATCH", f"/workers/{worker}", {"health": {"drain_secs": 0.2}})
        engine.faults.set("stall_after:2")
        async with asyncio.TaskGroup() as callers:
            stream = callers.create_task(exchange(api.front.port, chat(stream=True, max_tokens=9, ignore_eos=True)))
            await engine.ledger.until(lambda ledger: ledger.totals.open == 1)
            await api.call("DELETE", f"/workers/{worker}")
        await engine.ledger.until(lambda ledger: ledger.totals.open == 0)

    assert b"upstream_stream_broken" in stream.result().body.rpartition(b"data: ")[2]


@MODES
async def test_ranks_behind_one_address_are_workers_of_their_own(kind):
    """Each rank is told apart by name only: the address is dialled without it, the engine sees its number."""
    async with (
        engines(kind, engine=EngineSettings(model="sim", speed=0, ranks=2)) as [engine],
        served(f"{engine.url}@0", f"{engine.url}@1") as api,
    ):
        for _ in range(4):
            assert (await exchange(api.front.port, chat())).status == 200
        _, listed = await api.call("GET", "/workers")

    assert [record.rank for record in engine.ledger.records] == [0, 1, 0, 1]
    assert [(worker["dp_rank"], worker["base_url"]) for worker in listed["workers"]] == [
        (0, engine.url),
        (1, engine.url),
    ]
    assert all(
        b"@" not in value
        for record in engine.ledger.records
        for name, value in record.headers
        if name.lower() == b"host"
    )


async def test_a_stopped_watch_is_no_worker_lost():
    """A worker whose probes are off is believed, and named as ready."""
    async with engines(HTTP) as [engine], served() as api:
        worker = await api.add(url=engine.url, health={"disable_health_check": True})
        await until_ready(api.front, 1)

        assert api.front.registry.get(worker).life.state is LifeState.READY
