"""Several processes as one gateway: real ones, before simulated engines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from smg.core.words import ConnectionMode, Runtime
from smg.sim.settings import EngineSettings
from tests.cli.running import lines_until, smg
from tests.e2e.gateways import INSTANT, engines
from tests.e2e.raw import exchange, get
from tests.e2e.several import FREE, PATIENCE_SECS, chat, several, streamed, whole
from tests.e2e.test_mtls import MODES, Identities, strict_engine

HTTP = (ConnectionMode.HTTP, Runtime.VLLM)
SLOW = EngineSettings(model="sim", speed=0.5, context_length=4096)
OTHER = EngineSettings(model="other", speed=0, context_length=4096)
GRACE = ("--shutdown-grace-period-secs", "15")


@pytest.fixture(scope="module")
def identities(tmp_path_factory):
    """Certificates for the engine and for the gateway."""
    return Identities(tmp_path_factory.mktemp("tls"))


async def test_the_fleet_is_one_in_all_processes():
    """What is registered, changed and removed over one connection holds on every other within a second."""
    async with engines(HTTP) as [engine], engines(HTTP, engine=OTHER) as [other], several(engine.url) as gateway:
        await gateway.until(chat("other"), 404)
        status, told = await gateway.ask("POST", "/workers", {"url": other.url})
        assert status == 202
        await gateway.until(chat("other"), 200)
        shown = await gateway.everywhere(get("/workers"))
        assert {tuple(worker["id"] for worker in json.loads(answer.body)["workers"]) for answer in shown} == {
            tuple(worker["id"] for worker in json.loads(shown[0].body)["workers"])
        }
        place = f"/workers/{told['worker_id']}"
        assert (await gateway.ask("PATCH", place, {"priority": 7}))[0] == 202
        assert {json.loads(answer.body)["priority"] for answer in await gateway.everywhere(get(place))} == {7}
        whole_spec = {"url": other.url, "labels": {"a": "b"}}
        assert (await gateway.ask("PUT", place, whole_spec))[0] == 202
        assert all(json.loads(answer.body)["labels"]["a"] == "b" for answer in await gateway.everywhere(get(place)))
        await gateway.until(chat("other"), 200)
        assert (await gateway.ask("POST", "/workers", {"url": other.url}))[0] == 409
        assert (await gateway.ask("DELETE", place))[0] == 202
        await gateway.until(chat("other"), 404)
        await gateway.until(get(place), 404)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
async def test_a_worker_with_an_authority_of_its_own_is_reached_from_all(mode, identities):
    """Registered at run time with its CA and the gateway's certificate, every process speaks mTLS with it."""
    async with strict_engine(mode, identities) as engine, several() as gateway:
        assert (await gateway.ask("POST", "/workers", {"url": engine.url, "tls": identities.tls}))[0] == 202
        await gateway.until(chat(), 200)
        answers = await gateway.everywhere(chat())
        assert [answer.status for answer in answers] == [200] * len(answers)


async def test_metrics_add_up_and_connections_are_split():
    """The one page counts each request once; of 300 connections neither process has more than 60 in 100."""
    async with engines(HTTP) as [engine], several(engine.url) as gateway:
        before = await gateway.counted("smg_router_requests_total")
        answers = await gateway.everywhere(chat(), 300)
        assert {answer.status for answer in answers} == {200}
        async with asyncio.timeout(PATIENCE_SECS):  # a request is counted when its last byte is out
            while await gateway.counted("smg_router_requests_total") - before < 300 or (
                await gateway.counted("smg_worker_requests_active")
            ):
                pass
        assert await gateway.counted("smg_router_requests_total") - before == 300
        assert (await gateway.series("smg_worker_selection_total"))["http", engine.url] == 300
        assert (await gateway.series("smg_worker_health"))[engine.url,] == 1
        served = [line["process"] for line in gateway.logged("request.finished") if line["model"] == "sim"]
        assert len(served) == 300
        assert 120 <= served.count(1) <= 180


async def test_a_killed_process_takes_only_its_own_requests_with_it():
    """The others' streams end whole, another takes its place, callers are served on, and no count falls."""
    async with engines(HTTP, engine=SLOW) as [engine], several(engine.url) as gateway, asyncio.TaskGroup() as callers:
        await gateway.everywhere(chat(), 20)
        streams = [callers.create_task(whole(gateway.port, streamed(400))) for _ in range(24)]
        await engine.ledger.until(lambda ledger: ledger.totals.open == 24)
        counted, before = await gateway.counted("smg_router_requests_total"), gateway.pids()
        shares = await gateway.sockets(psutil.CONN_ESTABLISHED)
        victim = min(before)
        await gateway.killed(victim)
        async with asyncio.timeout(PATIENCE_SECS):
            while len(gateway.pids() - {victim}) < 2:
                assert await gateway.counted("smg_router_requests_total") >= counted
                assert (await exchange(gateway.port, chat())).status == 200
        survived = [await stream for stream in streams]
        assert survived.count(False) == shares[victim]
        assert 0 < survived.count(True) == shares[max(before)]
        await gateway.until_ready(1)
        assert {answer.status for answer in await gateway.everywhere(chat())} == {200}
        assert await gateway.counted("smg_router_requests_total") >= counted
        assert [line["code"] for line in gateway.logged("process.ended")] == [-signal.SIGKILL]


async def test_a_replacement_has_the_fleet_of_the_others():
    """It serves workers that were registered long after the start, and no caller finds it without them."""
    async with engines(HTTP, engine=INSTANT) as [engine], several() as gateway:
        assert (await gateway.ask("POST", "/workers", {"url": engine.url}))[0] == 202
        await gateway.until(chat(), 200)
        for _ in range(2):
            before = gateway.pids()
            await asyncio.sleep(1.1)  # a report, by which the supervisor knows who is healthy
            await gateway.killed(min(before))
            async with asyncio.timeout(PATIENCE_SECS):
                while sum((await gateway.sockets(psutil.CONN_LISTEN)).values()) < 2:
                    assert (await exchange(gateway.port, chat())).status == 200
            assert {answer.status for answer in await gateway.everywhere(chat())} == {200}


async def test_sigterm_drains_all():
    """Readiness is refused everywhere at once, streams end whole in all, the code is 0, and nothing is left."""
    async with engines(HTTP, engine=SLOW) as [engine], several(engine.url, arguments=GRACE) as gateway:
        async with asyncio.TaskGroup() as callers:
            streams = [callers.create_task(whole(gateway.port, streamed(150))) for _ in range(16)]
            await engine.ledger.until(lambda ledger: ledger.totals.open == 16)
            pids = gateway.pids()
            gateway.process.send_signal(signal.SIGTERM)
            await gateway.until(get("/readiness"), 503, 6)
        assert [stream.result() for stream in streams] == [True] * 16
        assert await gateway.ended() == 0
        assert [pid for pid in pids if psutil.pid_exists(pid)] == []


async def test_a_second_sigterm_ends_all_at_once():
    """Nobody waits for the grace, and the engine is freed."""
    async with engines(HTTP, engine=SLOW) as [engine], several(engine.url) as gateway:
        async with asyncio.TaskGroup() as callers:
            streams = [callers.create_task(whole(gateway.port, streamed(3000))) for _ in range(8)]
            await engine.ledger.until(lambda ledger: ledger.totals.open == 8)
            gateway.process.send_signal(signal.SIGTERM)
            await gateway.until(get("/readiness"), 503, 6)
            gateway.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(6):
                assert await gateway.ended() == 0
        assert [stream.result() for stream in streams] == [False] * 8
        await engine.ledger.until(lambda ledger: ledger.totals.open == 0, 5)


async def test_processes_do_not_outlive_their_supervisor():
    """When it is killed, they let streams finish and end; nobody keeps the port."""
    async with engines(HTTP, engine=SLOW) as [engine], several(engine.url, arguments=GRACE) as gateway:
        async with asyncio.TaskGroup() as callers:
            streams = [callers.create_task(whole(gateway.port, streamed(100))) for _ in range(8)]
            await engine.ledger.until(lambda ledger: ledger.totals.open == 8)
            pids = gateway.pids()
            gateway.process.kill()
        assert [stream.result() for stream in streams] == [True] * 8
        async with asyncio.timeout(PATIENCE_SECS):
            while any(psutil.pid_exists(pid) for pid in pids):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_process_told_to_end_drains_and_is_replaced():
    """SIGTERM to one of them is a gentle restart: its streams end whole."""
    async with engines(HTTP, engine=SLOW) as [engine], several(engine.url, arguments=GRACE) as gateway:
        async with asyncio.TaskGroup() as callers:
            streams = [callers.create_task(whole(gateway.port, streamed(100))) for _ in range(16)]
            await engine.ledger.until(lambda ledger: ledger.totals.open == 16)
            gentle = min(gateway.pids())
            os.kill(gentle, signal.SIGTERM)
        assert [stream.result() for stream in streams] == [True] * 16
        async with asyncio.timeout(PATIENCE_SECS):
            while len(gateway.pids() - {gentle}) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert [line["code"] for line in gateway.logged("process.ended")] == [0]


def test_a_taken_port_is_one_line():
    """A port somebody else has is refused, though several processes could share it."""
    command = ("launch", "--host", "127.0.0.1", "--prometheus-host", "127.0.0.1", "--prometheus-port", "0")
    with smg(*command, "--port", "0", "--processes", "2") as first:
        port = lines_until(first, "to start with")[0].rpartition(":")[2]
        with smg(*command, "--port", port, "--processes", "2") as second:
            _, error = second.communicate(timeout=20)
            assert second.returncode == 2
            assert error.startswith(f"smg: cannot listen on 127.0.0.1:{port}: ")
            assert error.count("\n") == 1
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=20)


def test_settings_no_process_can_use_are_one_line(tmp_path):
    """What only the processes find out ends the command as it does where there is one."""
    (tmp_path / "bad.pem").write_text("nothing", encoding="utf-8")
    files = ("--tls-cert-path", str(tmp_path / "bad.pem"), "--tls-key-path", str(tmp_path / "bad.pem"))
    done = subprocess.run(
        [sys.executable, "-m", "smg", "launch", *FREE, "--processes", "2", "--log-level", "error", *files],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 2
    assert "tls_cert_path" in done.stderr.splitlines()[-1]
