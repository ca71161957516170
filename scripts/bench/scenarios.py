"""What is measured: each scenario loads one gateway once and returns its figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
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
MANY_STREAMS = 10_000
SETTLE_SECS = 1.0
POLL_SECS = 0.05
CORES = len(os.sched_getaffinity(0))
MIB = 1 << 20
US = 1e6
LOAD = (sys.executable, "-m", "scripts.bench.load")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to load a gateway.

    Attributes:
        what: For people.
        fleet: Which workers it has: ``http``, ``grpc``; ``fresh`` or ``wide`` for HTTP ones, two or six, behind a newly
            started gateway.
        usual: It is part of a run unless others are named.
        run: Loads it; told the gateway, the engines behind it, and for how many seconds.
    """

    what: str
    fleet: str
    run: Callable[[Program, Sequence[Program], float], Figures]
    usual: bool = True


def load(way: str, program: Program, *words: float) -> Figures:
    """Run callers to their end."""
    command = [*LOAD, way, str(program.port), *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=300)
    figures: Figures = json.loads(done.stdout)
    return figures


def plain(gateway: Program, engines: Sequence[Program], secs: float) -> Figures:
    """Plain answers over 32 connections."""
    direct = load("requests", engines[0], CONNECTIONS, secs / 2)
    before, others = gateway.cpu_secs(), cpu_secs(engines)
    seen = load("requests", gateway, CONNECTIONS, secs)
    own = gateway.cpu_secs() - before
    everybodys = own + cpu_secs(engines) - others + seen["cpu_secs"]
    return {
        "cpu us/request": own / seen["requests"] * US,
        "requests/s": seen["requests"] / seen["secs"],
        "cores used, %": everybodys / seen["secs"] / CORES * 100,
        **added(seen, direct, ", 32 conns"),
        "failed": seen["failed"],
    }


def cpu_secs(programs: Sequence[Program]) -> float:
    """Return the processor time that several programs took so far."""
    return sum(program.cpu_secs() for program in programs)


def added(seen: Figures, direct: Figures, where: str = "") -> Figures:
    """Return what the way through a gateway adds to an engine's own time."""
    return {f"added {name} ms{where}": (seen[f"{name}_secs"] - direct[f"{name}_secs"]) * 1e3 for name in ("p50", "p99")}


def paced(gateway: Program, _engines: Sequence[Program], secs: float) -> Figures:
    """So many requests a second, by all processes of a gateway and by each: their cost, and who got the connections."""
    together, dealt = at_pace(gateway, secs, RATE)
    each = together if len(dealt) == 1 else at_pace(gateway, secs, RATE * len(dealt))[0]
    return {
        "cpu us/request, paced": together["cost_us"],
        "cpu us/request, each so": each["cost_us"],
        "p99 ms, paced": together["p99_secs"] * 1e3,
        "most connections, %": max(dealt, default=0) / max(1, sum(dealt)) * 100,
        "failed": together["failed"] + each["failed"],
    }


def at_pace(gateway: Program, secs: float, rate: int) -> tuple[Figures, list[int]]:
    """Ask so many times a second over 300 connections; return also how many of them each process had."""
    before = gateway.cpu_secs()
    command = [*LOAD, "paced", str(gateway.port), str(MANY_CONNECTIONS), str(secs), str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as callers:
        dealt = gateway.connections()
        while sum(dealt) < MANY_CONNECTIONS and callers.poll() is None:
            time.sleep(POLL_SECS)
            dealt = max(dealt, gateway.connections(), key=sum)
        assert callers.stdout is not None  # noqa: S101
        seen: Figures = json.loads(callers.stdout.read())
    seen["cost_us"] = (gateway.cpu_secs() - before) / seen["requests"] * US
    seen["failed"] += seen["requests"] < rate * secs
    return seen, dealt


def alone(gateway: Program, engines: Sequence[Program], secs: float) -> Figures:
    """One caller: what the way through the gateway adds to the engine's own time."""
    direct, seen = load("requests", engines[0], 1, secs / 2), load("requests", gateway, 1, secs / 2)
    return {**added(seen, direct), "failed": seen["failed"]}


def streams(gateway: Program, _engines: Sequence[Program], _secs: float) -> Figures:
    """200 streams of 200 events, 10 ms apart."""
    before = gateway.cpu_secs()
    seen = load("streams", gateway, STREAMS, 1)
    return {
        "cpu us/chunk": (gateway.cpu_secs() - before) / max(1.0, seen["chunks"]) * US,
        "first byte p50 ms": seen["first_p50_secs"] * 1e3,
        "first byte p99 ms": seen["first_p99_secs"] * 1e3,
        "failed": seen["failed"] + (seen["chunks"] < STREAMS * CHUNKS),
    }


def tokens(gateway: Program, engines: Sequence[Program], secs: float) -> Figures:
    """The same from a gRPC engine that streams token by token."""
    seen = streams(gateway, engines, secs)
    return {"cpu us/token": seen["cpu us/chunk"], "grpc first byte p50 ms": seen["first byte p50 ms"]}


def idle(gateway: Program, _engines: Sequence[Program], _secs: float) -> Figures:
    """Memory of streams that are open and silent."""
    return held(gateway, IDLE_STREAMS, "KiB/idle stream")


def many(gateway: Program, _engines: Sequence[Program], _secs: float) -> Figures:
    """The same of very many, for two processes: the pools of one, 1,024 connections a worker, do not carry them."""
    return held(gateway, MANY_STREAMS, f"KiB/stream of {MANY_STREAMS}")


def held(gateway: Program, streams: int, name: str) -> Figures:
    """Return the memory per stream, sampled while so many are held."""
    load("requests", gateway, CONNECTIONS, SETTLE_SECS)  # what is built with the first requests is not the streams'
    before = gateway.resident_bytes()
    command = [*LOAD, "hold", str(gateway.port), str(streams)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as callers:
        assert callers.stdin is not None  # noqa: S101
        assert callers.stdout is not None  # noqa: S101
        callers.stdout.readline()
        time.sleep(SETTLE_SECS)
        now = gateway.resident_bytes()
        callers.stdin.close()
        failed = json.loads(callers.stdout.read())["failed"]
    return {name: (now - before) / 1024 / streams, "failed": failed}


def bodies(gateway: Program, _engines: Sequence[Program], secs: float) -> Figures:
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
    "many": Scenario("10,000 silent streams", "wide", many, usual=False),
    "tokens": Scenario("200 streams of 200 tokens from a gRPC engine", "grpc", tokens),
    "bodies": Scenario("large prompts", "http", bodies),
}
