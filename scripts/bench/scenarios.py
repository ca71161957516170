"""What is measured: each scenario loads one gateway once and returns its figures."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from scripts.bench.programs import Program

    Figures: TypeAlias = dict[str, float]

CONNECTIONS = 32
MANY_CONNECTIONS = 300
RATE = 2000
STREAMS = 200
CHUNKS = 200
PAUSE_MS = 10.0
IDLE_STREAMS = 500
SETTLE_SECS = 1.0
POLL_SECS = 0.05
MIB = 1 << 20
US = 1e6
LOAD = (sys.executable, "-m", "scripts.bench.load")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to load a gateway.

    Attributes:
        what: For people.
        fleet: Which workers it has: ``http``, ``grpc``, or ``fresh`` for HTTP ones behind a newly started gateway.
        run: Loads it; told the gateway, the engine behind it, and for how many seconds.
    """

    what: str
    fleet: str
    run: Callable[[Program, Program, float], Figures]


def load(way: str, program: Program, *words: float) -> Figures:
    """Run callers to their end."""
    command = [*LOAD, way, str(program.port), *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=300)
    figures: Figures = json.loads(done.stdout)
    return figures


def plain(gateway: Program, _engine: Program, secs: float) -> Figures:
    """Plain answers over 32 connections."""
    before = gateway.cpu_secs()
    seen = load("requests", gateway, CONNECTIONS, secs)
    return {
        "cpu us/request": (gateway.cpu_secs() - before) / seen["requests"] * US,
        "requests/s": seen["requests"] / seen["secs"],
        "p50 ms, 32 conns": seen["p50_secs"] * 1e3,
        "p99 ms, 32 conns": seen["p99_secs"] * 1e3,
        "failed": seen["failed"],
    }


def paced(gateway: Program, _engine: Program, secs: float) -> Figures:
    """The same number of requests whoever is asked, over 300 connections: their cost, and who got the connections."""
    before = gateway.cpu_secs()
    command = [*LOAD, "paced", str(gateway.port), str(MANY_CONNECTIONS), str(secs), str(RATE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as callers:
        dealt = gateway.connections()
        while sum(dealt) < MANY_CONNECTIONS and callers.poll() is None:
            time.sleep(POLL_SECS)
            dealt = max(dealt, gateway.connections(), key=sum)
        assert callers.stdout is not None  # noqa: S101
        seen: Figures = json.loads(callers.stdout.read())
    return {
        "cpu us/request, paced": (gateway.cpu_secs() - before) / seen["requests"] * US,
        "p99 ms, paced": seen["p99_secs"] * 1e3,
        "most connections, %": max(dealt, default=0) / max(1, sum(dealt)) * 100,
        "failed": seen["failed"] + (seen["requests"] < RATE * secs),
    }


def alone(gateway: Program, engine: Program, secs: float) -> Figures:
    """One caller: what the way through the gateway adds to the engine's own time."""
    direct, seen = load("requests", engine, 1, secs / 2), load("requests", gateway, 1, secs / 2)
    added = {f"added {name} ms": (seen[f"{name}_secs"] - direct[f"{name}_secs"]) * 1e3 for name in ("p50", "p99")}
    return {**added, "failed": seen["failed"]}


def streams(gateway: Program, _engine: Program, _secs: float) -> Figures:
    """200 streams of 200 events, 10 ms apart."""
    before = gateway.cpu_secs()
    seen = load("streams", gateway, STREAMS, 1)
    return {
        "cpu us/chunk": (gateway.cpu_secs() - before) / max(1.0, seen["chunks"]) * US,
        "first byte p50 ms": seen["first_p50_secs"] * 1e3,
        "first byte p99 ms": seen["first_p99_secs"] * 1e3,
        "failed": seen["failed"] + (seen["chunks"] < STREAMS * CHUNKS),
    }


def tokens(gateway: Program, engine: Program, secs: float) -> Figures:
    """The same from a gRPC engine that streams token by token."""
    seen = streams(gateway, engine, secs)
    return {"cpu us/token": seen["cpu us/chunk"], "grpc first byte p50 ms": seen["first byte p50 ms"]}


def idle(gateway: Program, _engine: Program, _secs: float) -> Figures:
    """Memory of streams that are open and silent, sampled while they are held."""
    load("requests", gateway, CONNECTIONS, SETTLE_SECS)  # what is built with the first requests is not the streams'
    before = gateway.resident_bytes()
    command = [*LOAD, "hold", str(gateway.port), str(IDLE_STREAMS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as callers:
        assert callers.stdin is not None  # noqa: S101
        assert callers.stdout is not None  # noqa: S101
        callers.stdout.readline()
        time.sleep(SETTLE_SECS)
        held = gateway.resident_bytes()
        callers.stdin.close()
        failed = json.loads(callers.stdout.read())["failed"]
    return {"KiB/idle stream": (held - before) / 1024 / IDLE_STREAMS, "failed": failed}


def bodies(gateway: Program, _engine: Program, secs: float) -> Figures:
    """Prompts of 1 MiB and of 8 MiB (less the JSON around them), over 4 connections."""
    figures: Figures = {}
    for mib in (1, 8):
        before = gateway.cpu_secs()
        seen = load("requests", gateway, 4, secs / 2, mib * MIB - 1024)
        figures[f"cpu ms/MiB, {mib} MiB"] = (gateway.cpu_secs() - before) / (seen["requests"] * mib) * 1e3
        figures["failed"] = figures.get("failed", 0) + seen["failed"]
    return figures


SCENARIOS: Mapping[str, Scenario] = {
    "plain": Scenario("plain answers, 32 connections", "http", plain),
    "paced": Scenario(f"{RATE} plain answers a second, {MANY_CONNECTIONS} connections", "http", paced),
    "alone": Scenario("plain answers, one connection", "http", alone),
    "streams": Scenario("200 streams of 200 events", "http", streams),
    "idle": Scenario("500 silent streams", "fresh", idle),
    "tokens": Scenario("200 streams of 200 tokens from a gRPC engine", "grpc", tokens),
    "bodies": Scenario("large prompts", "http", bodies),
}
