"""Servers that others wrote, in the worker's place: what they find in bytes that the gateway has sent.

Each is a real program with its usual settings, but for sizes, which are not what is asked here. It inherits a socket
that listens already: no port can be taken meanwhile, and who connects early waits in its queue. uvicorn answers with
its own reading of each request; nginx and HAProxy pass what they read on to it, and its reading comes back.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.front.caller import Caller
from tests.faults.front.readings import Reading, ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.faults.front.caller import Answer

END = b"POST /end HTTP/1.1\r\nhost: end\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
"""Follows on the same connection: a body read too long swallows it, one read too short leaves bytes before it."""

BATCH = 50
ANSWERS_SECS = 5.0

NGINX = """\
daemon off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 64; }}
http {{
  access_log off; large_client_header_buffers 8 64k; client_max_body_size 64m; client_body_buffer_size 64m;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{echo}; proxy_set_header Host $http_host; }}
  }}
}}
"""
HAPROXY = """\
global
  tune.bufsize 131072
defaults
  mode http
  timeout connect 10s
  timeout client 10s
  timeout server 10s
listen front
  bind fd@{descriptor}
  server echo 127.0.0.1:{echo}
"""


def found(program: str) -> str | None:
    """Return where a program is; servers are often outside a user's path."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def missing(name: str) -> str:
    """Return why a program cannot be asked here; empty if it can."""
    if find_spec("uvicorn") is None:
        return "uvicorn is not installed"
    return "" if name == "uvicorn" or found(name) else f"{name} is not on this machine"


def uvicorn(listening: socket.socket) -> list[str]:
    """Return the command that reads, and answers with what it read."""
    return [
        *(sys.executable, "-m", "uvicorn", "tests.faults.front.echo:app", "--fd", str(listening.fileno())),
        *("--lifespan", "off", "--log-level", "critical"),
    ]


def nginx(folder: Path, echo: int, listening: socket.socket) -> list[str]:
    """Return the command for nginx before the echo."""
    file = folder / "nginx.conf"
    port = listening.getsockname()[1]
    file.write_text(NGINX.format(folder=folder, port=port, echo=echo), encoding="utf-8")
    return [found("nginx") or "nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)]


def haproxy(folder: Path, echo: int, listening: socket.socket) -> list[str]:
    """Return the command for HAProxy before the echo."""
    file = folder / "haproxy.cfg"
    file.write_text(HAPROXY.format(descriptor=listening.fileno(), echo=echo), encoding="utf-8")
    return [found("haproxy") or "haproxy", "-db", "-f", str(file)]


PROXIES = {"nginx": nginx, "haproxy": haproxy}
PROGRAMS = ("uvicorn", *PROXIES)


@contextmanager
def reader(name: str) -> Iterator[int]:
    """Run one of the programs until the block ends; yield the port that tells readings."""
    with tempfile.TemporaryDirectory() as folder, serving(uvicorn) as echo:
        if name == "uvicorn":
            yield echo
            return
        with serving(partial(PROXIES[name], Path(folder), echo)) as port:
            yield port


@contextmanager
def serving(command: Callable[[socket.socket], list[str]]) -> Iterator[int]:
    """Run a program on a socket that it inherits, until the block ends; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        told = {"NGINX": f"{listening.fileno()};"}  # nginx knows a socket that it inherits by this
        process = subprocess.Popen(
            command(listening), pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL, env={**os.environ, **told}
        )
        port: int = listening.getsockname()[1]
    with process:
        try:
            yield port
        finally:
            process.terminate()


def differing(port: int, requests: Sequence[bytes]) -> list[tuple[bytes, list[Reading | str]]]:
    """Return the requests that the program at ``port`` refuses or reads otherwise, and what it makes of each."""
    differ = []
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        if read_by(port, batch) != expected(batch):
            alone = [(each, read_by(port, [each])) for each in batch]
            found = [(each, read) for each, read in alone if read != expected([each])]
            differ += found or [(b"".join(batch), read_by(port, batch))]
    return differ


def expected(requests: Sequence[bytes]) -> list[Reading]:
    """Return what there is to be read on a connection that carries these and the end."""
    return [reading for each in (*requests, END) for reading in ours(each)]


def read_by(port: int, requests: Sequence[bytes]) -> list[Reading | str]:
    """Return what the program at ``port`` reads on one connection that carries these and the end."""
    with Caller(port) as caller:
        caller.send(b"".join([*requests, END]))
        got = caller.read(ANSWERS_SECS)
    return [told(answer) for answer in got.answers] + ["no end"] * (not got.closed or bool(got.rest))


def told(answer: Answer) -> Reading | str:
    """Return the reading that an answer tells; a refusal as it is."""
    if answer.status != 200 or not answer.body.startswith(b"{"):
        return answer.raw.decode("latin-1")
    read = answer.json()
    return Reading(**{**read, "hosts": tuple(read["hosts"])})
