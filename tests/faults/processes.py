"""Programs under test, each in a process of its own, asked and ended from plain (not async) tests."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.faults.profile import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PATIENCE_SECS = 30.0


class Program:
    """One process that answers lines with lines of JSON."""

    def __init__(self, process: subprocess.Popen[bytes], log: Any) -> None:
        self.process = process
        self._log = log

    def read(self, within_secs: float = PATIENCE_SECS) -> dict[str, Any]:
        """Return what it says next; an end or silence is an error that shows its log."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], within_secs)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            raise AssertionError(f"the program says nothing (exit code {self.process.poll()}): {self.errors()[-2000:]}")
        told: dict[str, Any] = json.loads(line)
        return told

    def ask(self, line: str = "tell") -> dict[str, Any]:
        """Send a line and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.read()

    def until(self, holds: Callable[[dict[str, Any]], bool], secs: float = PATIENCE_SECS) -> dict[str, Any]:
        """Ask until ``holds``; return the answer that held."""
        deadline = time.monotonic() + secs
        while not holds(told := self.ask("rest")):
            assert time.monotonic() < deadline, f"not in time: {told}"
            time.sleep(0.02)
        return told

    def errors(self) -> str:
        """Return its standard error so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def logged(self, *levels: str) -> list[dict[str, Any]]:
        """Return its log lines of these levels; a line that is not of the log counts as an error."""
        lines = [log_line(line) for line in self.errors().split("\n") if line]
        return [line for line in lines if line["level"] in levels]

    def told_of(self, request_id: str, within_secs: float = 2.0) -> list[str]:
        """Return the log lines that name a request, waiting for the first."""
        deadline = time.monotonic() + within_secs
        while not (lines := [line for line in self.errors().split("\n")[:-1] if request_id in line]):
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        return lines

    def end(self) -> int:
        """Let it end and return its exit code; it is killed if it does not."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def log_line(text: str) -> dict[str, Any]:
    """Read one line of standard error."""
    try:
        line: dict[str, Any] = json.loads(text)
    except ValueError:
        return {"level": "error", "event": text}
    return line


@contextmanager
def program(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Run a module until the block ends."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
        running = Program(process, log)
        with process:
            try:
                yield running
            finally:
                running.end()


@contextmanager
def gateway_program(*workers: dict[str, Any], **changes: Any) -> Iterator[Program]:
    """Run a gateway under the test profile over these workers and wait until all are ready."""
    tree = settings(workers=list(workers), **changes)
    unclosed = {"PYTHONWARNINGS": "default::ResourceWarning"}
    with program("tests.faults.gateway_process", json.dumps(tree), environment=unclosed) as gateway:
        gateway.until(lambda told: told["ready"] == len(workers))
        yield gateway
