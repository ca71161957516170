"""Programs of a benchmark run: each in its own session, its whole process tree measured, ended as a group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

START_SECS = 60.0
END_SECS = 5.0
LOG_CHARS = 2000
ASKED = b'{"model":"tiny","messages":[{"role":"user","content":"hello"}]}'
SET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "True"}
"""For a peer that would else ask the network for prices as it starts, or refuse to start without a key of its own."""


class Program:
    """One running program.

    Attributes:
        port: Where it listens on 127.0.0.1.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._log = log
        self.port = port

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def cpu_secs(self) -> float:
        """Return the user and system seconds of the tree so far, those of its ended children included."""
        total = 0.0
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])
        return total

    def resident_bytes(self) -> int:
        """Return the tree's resident memory; pages shared by its processes count in each."""
        total = 0
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def connections(self) -> list[int]:
        """Return how many callers' connections each process of the tree has that listens."""
        counts = []
        for process in self._tree():
            own = [one.status for one in process.net_connections("tcp") if one.laddr.port == self.port]
            if psutil.CONN_LISTEN in own:
                counts.append(own.count(psutil.CONN_ESTABLISHED))
        return counts

    def wait_listening(self) -> None:
        """Return once it takes connections; raise RuntimeError if it ends or takes too long."""
        deadline = time.monotonic() + START_SECS
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise self._failure("does not listen")

    def wait_serving(self) -> None:
        """Return once it answers a chat request: it has found its workers; raise RuntimeError if it takes too long."""
        self.wait_listening()
        deadline = time.monotonic() + START_SECS
        while time.monotonic() < deadline:
            with suppress(OSError, HTTPException):
                connection = HTTPConnection("127.0.0.1", self.port, timeout=START_SECS)
                connection.request("POST", "/v1/chat/completions", ASKED, {"content-type": "application/json"})
                if connection.getresponse().status == HTTPStatus.OK:
                    return
            time.sleep(0.1)
        raise self._failure("does not serve")

    def _failure(self, what: str) -> RuntimeError:
        said = self._log.read_text(encoding="utf-8", errors="replace")[-LOG_CHARS:]
        return RuntimeError(f"a program {what}; the end of what it said:\n{said}")

    def end(self) -> None:
        """End its process group, by force if it will not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self._process.pid, number)
                self._process.wait(END_SECS)
                return


@contextmanager
def running(
    command: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run ``command`` until the block ends; its output goes to ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **SET, **(environment or {})},
        )
        program = Program(process, port, log)
        try:
            yield program
        finally:
            program.end()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
