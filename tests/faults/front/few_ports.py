"""A gateway where there are few ports to connect from: one JSON line of what callers get while they are used up.

usage: unshare -rn python -m tests.faults.front.few_ports   (in a network of its own, whose ports are nobody else's)
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.faults.front.caller import Caller
from tests.faults.front.conftest import fronted
from tests.faults.front.requests import GOOD_BODY, GOOD_REQUEST, chat, request

PORTS = 20
SOURCES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
"""Callers come from addresses of their own, so that they use up none of the gateway's ports."""


def told() -> dict[str, Any]:
    """Have a stream run and twice as many ask as there are ports; return what each got, and one who asks afterwards."""
    with fronted() as front, ExitStack() as held:
        few()
        stream = held.enter_context(Caller(front.port, source=SOURCES[0]))
        stream.send(request(chat(stream=True), b"X-Script: stream 40 100 0.05"))
        stream.more(5)
        callers = [held.enter_context(Caller(front.port, source=SOURCES[turn % 2])) for turn in range(2 * PORTS - 2)]
        for caller in callers:
            caller.send(request(GOOD_BODY, b"X-Script: wait 1"))
        answers = [answer for caller in callers for answer in caller.read(10, answers=1).answers]
        whole = stream.read(10, answers=1).answers[0].body.endswith(b"data: [DONE]\n\n")
        later = held.enter_context(Caller(front.port, source=SOURCES[2]))
        later.send(GOOD_REQUEST)
        again = later.read(5, answers=1).answers
    got = [(answer.status, "" if answer.status == 200 else answer.json()["error"]["code"]) for answer in answers]
    return {"got": got, "whole": whole, "again": [answer.status for answer in again]}


def few() -> None:
    """Leave so many ports to connect from."""
    ports = Path("/proc/sys/net/ipv4/ip_local_port_range")
    ports.write_text(f"50000 {50000 + PORTS - 1}", encoding="ascii")


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    sys.stdout.write(json.dumps(told()))
