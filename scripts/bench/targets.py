"""The gateways that are compared, and the floors, nginx and a bare relay: how each is started, and whether it is here.

Every gateway runs with its default features; only the address, the policy (round robin) and the log level are set.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.bench.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HOME = Path(os.environ.get("BENCH_HOME", ".bench")).resolve()
OURS = "ours"
HTTP, GRPC = frozenset({"http"}), frozenset({"grpc"})

NGINX = """\
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_buffer_size 16m; client_max_body_size 64m;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream engine {{ {servers} keepalive 512; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
LITELLM = """\
model_list:
{models}
litellm_settings: {{telemetry: false}}
"""
LITELLM_MODEL = """\
- model_name: tiny
  litellm_params: {{model: openai/tiny, api_base: "{url}/v1", api_key: none}}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """One gateway.

    Attributes:
        program: What must be there for it to run.
        command: Returns its command line, from worker URLs, port, a folder for its files, and extra arguments.
        workers: The schemes of the workers that it serves.
        usual: It is part of a run unless others are named.
    """

    name: str
    program: Path
    command: Callable[[Sequence[str], int, Path], list[str]]
    workers: frozenset[str] = HTTP
    usual: bool = True

    @property
    def installed(self) -> bool:
        """Whether it can be started here."""
        return self.program.exists()


def _ours(urls: Sequence[str], port: int, _folder: Path) -> list[str]:
    own = ["--prometheus-host", "127.0.0.1", "--prometheus-port", "0", "--log-level", "warning"]
    return [sys.executable, "-m", "smg", *_launch(urls, port), *own]


def _ours_twice(urls: Sequence[str], port: int, folder: Path) -> list[str]:
    return [*_ours(urls, port, folder), "--processes", "2"]


def _smg(urls: Sequence[str], port: int, _folder: Path) -> list[str]:
    own = ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port()), "--log-level", "warn"]
    return [str(HOME / "peers/bin/smg"), *_launch(urls, port), *own]


def _vllm_router(urls: Sequence[str], port: int, _folder: Path) -> list[str]:
    own = ["--prometheus-port", str(free_port()), "--log-level", "warning"]
    return [str(HOME / "peers/bin/vllm-router"), *_launch(urls, port)[1:], *own]


def _launch(urls: Sequence[str], port: int) -> list[str]:
    return ["launch", "--worker-urls", *urls, "--policy", "round_robin", "--host", "127.0.0.1", "--port", str(port)]


def _litellm(urls: Sequence[str], port: int, folder: Path) -> list[str]:
    file = folder / "litellm.yaml"
    models = "".join(LITELLM_MODEL.format(url=url) for url in urls)
    file.write_text(LITELLM.format(models=models), encoding="utf-8")
    return [str(HOME / "litellm/bin/litellm"), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]


def _nginx(urls: Sequence[str], port: int, folder: Path) -> list[str]:
    file = folder / "nginx.conf"
    servers = " ".join(f"server {url.removeprefix('http://')};" for url in urls)
    file.write_text(NGINX.format(folder=folder, port=port, servers=servers), encoding="utf-8")
    return ["nginx", "-c", str(file), "-p", str(folder)]


def _relay(urls: Sequence[str], port: int, _folder: Path) -> list[str]:
    return [sys.executable, "-m", "scripts.bench.grpc_relay", str(port), urls[0].rpartition(":")[2]]


TARGETS = (
    Target(OURS, Path(sys.executable), _ours, HTTP | GRPC),
    Target(f"{OURS} x2", Path(sys.executable), _ours_twice, HTTP | GRPC, usual=False),
    Target("smg", HOME / "peers/bin/smg", _smg, HTTP | GRPC),
    Target("vllm-router", HOME / "peers/bin/vllm-router", _vllm_router),
    Target("litellm", HOME / "litellm/bin/litellm", _litellm),
    Target("grpc.aio", Path(sys.executable), _relay, GRPC),
    Target("nginx", Path(shutil.which("nginx") or "/usr/sbin/nginx"), _nginx),
)
