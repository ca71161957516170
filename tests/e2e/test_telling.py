"""What a running gateway tells of its work: one JSON line per request, bounded metrics, and nobody's secrets."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from contextlib import contextmanager
from typing import Any

from smg.core.words import ConnectionMode, Runtime
from smg.sim.engine import SimEngine
from tests.cli.running import lines_until, smg
from tests.e2e.gateways import INSTANT, engines, gateway
from tests.e2e.raw import JSON, answer, exchange, get, post, raw_engine, talk
from tests.e2e.test_lifecycle import FREE, readiness

CHAT = "/v1/chat/completions"
PROMPT = "canary-prompt-4711"
GATEWAY_KEY = "canary-key-of-the-gateway"
WORKER_KEY = "canary-key-of-a-worker"
CALLER_KEY = "canary-key-of-a-caller"
ENGINE_TEXT = "canary-words-of-an-engine"
AUTH = f"authorization: Bearer {GATEWAY_KEY}".encode()


def chat(model="sim", **fields):
    """Return a chat request with the canary in its prompt."""
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 3, **fields}
    return post(CHAT, json.dumps(body).encode(), JSON, AUTH)


def session(urls):
    """Return requests that go well, go wrong, and cannot be read, each with something that must not be told."""
    worker = {"url": "http://127.0.0.1:1", "api_key": WORKER_KEY, "models": [{"id": "dead"}]}
    health = {"disable_health_check": True}
    return [
        *(chat(stream=stream) for stream in (False, True) for _ in urls),
        chat("nobody"),
        chat(temperature="hot"),
        chat(stream=True, n=2),
        post("/workers", json.dumps({**worker, "health": health}).encode(), JSON, AUTH),
        get("/workers", AUTH),
        post("/workers", json.dumps({**worker, "url": f"http://u:{WORKER_KEY}@a:1"}).encode(), JSON, AUTH),
        post(CHAT, f'{{"model":"sim","messages":"{PROMPT}'.encode(), JSON, AUTH),
        post(CHAT, b"{}", JSON, f"authorization: Bearer {CALLER_KEY}".encode()),
        post(CHAT, b"{}", JSON, f"x-api-key: {CALLER_KEY}".encode()),
        get(f"/v1/models?key={CALLER_KEY}", AUTH),
        get(f"/{CALLER_KEY}", AUTH),
        b"GET /%b HTTP/1.1\r\nbad header %b\r\n\r\n" % (CALLER_KEY.encode(), CALLER_KEY.encode()),
        b"POST %b HTTP/1.1\r\nhost: a\r\n%b\r\n%b\r\ncontent-length: 900\r\n\r\n%b" % (
            CHAT.encode(), JSON, AUTH, PROMPT.encode()
        ),
        get("/get_server_info", AUTH),
        post("/flush_cache", b"", AUTH),
    ]  # fmt: skip


@contextmanager
def launched(workers, folder, **variables):
    """Run the gateway at its most talkative; yield its process, its port and its metrics' port."""
    config = folder / "gateway.yaml"
    config.write_text(json.dumps({"workers": workers}))
    with smg("launch", *FREE, "--config", str(config), "--log-level", "debug", "--log-json", **variables) as process:
        told = lines_until(process, "to start with")
        port, page = (re.search(r":(\d+)(?:/metrics)?$", line) for line in told[:2])
        assert port is not None
        assert page is not None
        yield process, int(port[1]), int(page[1])


async def play(launching, workers, script):
    """Run ``script`` against a launched gateway whose workers are ready; return its result, the output and the log."""
    process, port, page = await asyncio.to_thread(launching.__enter__)
    try:
        async with asyncio.timeout(20):
            while (await readiness(port))[1].get("healthy_workers") != workers:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        result = await script(port, page)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        output, log = await asyncio.to_thread(process.communicate)
        assert not [line for line in log.splitlines() if not line.startswith("{")]
        return result, output, log
    finally:
        await asyncio.to_thread(launching.__exit__, None, None, None)


async def test_no_secret_is_told(tmp_path):
    """At the finest log level neither prompts nor keys nor an engine's words are in the log, and each line is JSON."""
    broken = answer(500, ENGINE_TEXT.encode(), b"content-type: text/plain")
    async with (
        engines((ConnectionMode.HTTP, Runtime.SGLANG), (ConnectionMode.GRPC, Runtime.SGLANG)) as running,
        raw_engine(broken) as sick,
    ):
        urls = [*(engine.url for engine in running), sick.url]
        sent = session(urls)

        async def script(port, page):
            for request in sent:
                await _cut(port, request)
            for engine in running:
                await engine.kill()
            await talk(port, chat())
            return (await exchange(page, get("/metrics"))).body.decode()

        workers = [{"url": url, "api_key": WORKER_KEY} for url in urls]
        launching = launched(workers, tmp_path, SMG_API_KEY=GATEWAY_KEY)
        metrics, output, log = await play(launching, len(urls), script)

    for canary in (PROMPT, GATEWAY_KEY, WORKER_KEY, CALLER_KEY, ENGINE_TEXT):
        assert canary not in log + output + metrics
    lines = [json.loads(line) for line in log.splitlines()]
    finished = [line for line in lines if line["event"] == "request.finished" and line["route"] != "/readiness"]
    assert len(finished) == len(sent) + 1
    assert all(re.fullmatch("[0-9a-f]{32}", line["request_id"]) for line in finished)
    added = {line["worker"] for line in lines if line["event"] == "worker.added"}
    assert {line["worker"] for line in finished if line["route"] == CHAT and line["status"] == 200} <= added
    assert any(line["event"] == "attempt.ended" for line in lines)


async def _cut(port: int, request: bytes) -> bytes | None:
    """Return what is answered; a body that does not come whole is left after a moment."""
    try:
        async with asyncio.timeout(1):
            return await talk(port, request)
    except TimeoutError:
        return b""


async def test_labels_are_bounded():
    """What callers make up is `other` or `unknown`; workers that left take their series with them."""
    provider = {"url": "http://127.0.0.1:1", "runtime_type": "external", "health": {"disable_health_check": True}}
    async with engines((ConnectionMode.HTTP, Runtime.VLLM)) as [engine], gateway([engine.url, provider]) as front:
        for number in range(20):
            await exchange(front.port, chat(f"made-up-{number}"))
            await exchange(front.port, get(f"/made/up/{number}"))
            await exchange(front.port, get(f"/workers/made-up-{number}"))
            await exchange(front.port, get("/health").replace(b"GET", b"MADEUP", 1))
        await exchange(front.port, chat())
        [first, *_] = front.registry.fleet.workers
        before = await scraped(front)
        await front.registry.remove(first)
        await front.registry.gone(first)
        after = await scraped(front)

    assert "made" not in json.dumps(before)
    assert {"sim", "other"} == {labels["model"] for labels in before["smg_router_requests_total"]}
    assert {labels["path"] for labels in before["smg_http_requests_total"]} <= {
        CHAT, "unknown", "/workers/{id}", "/health",
    }  # fmt: skip
    assert {"GET", "POST", "other"} >= {labels["method"] for labels in before["smg_http_requests_total"]}
    for name in ("smg_worker_selection_total", "smg_worker_health", "smg_worker_requests_active"):
        assert engine.url in {labels["worker"] for labels in before[name]}
        assert engine.url not in {labels["worker"] for labels in after.get(name, [])}


async def scraped(front) -> dict[str, list[dict[str, str]]]:
    """Return the labels of each series by its metric's name."""
    page = (await exchange(front.metrics_port, get("/metrics"))).body.decode()
    found: dict[str, list[dict[str, str]]] = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", page, re.MULTILINE):
        found.setdefault(name, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels)))
    return found


async def test_attempts_are_counted_by_mode():
    """How often each mode was tried, how it ended and how long it took."""
    kinds = ((ConnectionMode.HTTP, Runtime.VLLM), (ConnectionMode.GRPC, Runtime.VLLM))
    calm: Any = {"worker_defaults": {"health": {"check_interval_secs": 99}}}
    async with engines(*kinds) as running, gateway([engine.url for engine in running], **calm) as front:
        running[0].faults.arm("status:503")
        for _ in range(3):
            await exchange(front.port, chat())
        found = await scraped(front)

    assert {(one["connection_mode"], one["outcome"]) for one in found["smg_worker_attempt_duration_seconds_count"]} == {
        ("http", "failed"), ("http", "succeeded"), ("grpc", "succeeded"),
    }  # fmt: skip


async def test_an_engine_that_ends_leaves_the_log_readable(tmp_path):
    """What the gRPC library writes by itself when a connection goes does not get between the lines."""
    async with SimEngine(ConnectionMode.GRPC, Runtime.SGLANG, INSTANT) as engine:
        engine.faults.set("stall_after:1")

        async def script(port, _page):
            ask = post(CHAT, b'{"model":"sim","messages":[{"role":"user","content":"a"}],"stream":true}', JSON)
            async with asyncio.TaskGroup() as callers:
                stream = callers.create_task(talk(port, ask))
                await engine.ledger.until(lambda ledger: ledger.totals.open == 1)
                await engine.kill()
            return stream.result()

        told, _, log = await play(launched([{"url": engine.url}], tmp_path), 1, script)

    assert b"upstream" in told
    assert "request.finished" in {json.loads(line)["event"] for line in log.splitlines()}
