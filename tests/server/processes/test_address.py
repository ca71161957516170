"""The address that processes share."""

from __future__ import annotations

import asyncio
import socket

import pytest

from smg.core.errors import ConfigError
from smg.server.processes.address import Hold


def listening(port, **options):
    """Return a server's socket there."""
    made = socket.create_server(("127.0.0.1", port), **options)
    made.setblocking(False)
    return made


def test_a_free_port_is_found_and_kept():
    """Nobody else can have the port, whether processes listen there or not; those who share it can."""
    with Hold("127.0.0.1", 0) as held:
        assert held.port > 0
        with listening(held.port, reuse_port=True):
            with (
                pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{held.port}: "),
                Hold("127.0.0.1", held.port),
            ):
                pass
            with pytest.raises(OSError, match="in use"):
                listening(held.port)
    with Hold("127.0.0.1", held.port):
        pass


def test_a_port_somebody_else_has_is_refused():
    """Even where that one would share: its callers must not be dealt to us, nor ours to it."""
    with listening(0, reuse_port=True) as other, pytest.raises(ConfigError):
        Hold("127.0.0.1", other.getsockname()[1]).__enter__()


def test_an_address_of_another_machine_is_refused():
    """The message names the address."""
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0"), Hold("192.0.2.1", 0):
        pass


async def test_who_only_holds_is_given_no_connection():
    """Every connection goes to those that listen."""
    loop = asyncio.get_running_loop()
    with Hold("127.0.0.1", 0) as held, listening(held.port, reuse_port=True) as one:
        for _ in range(50):
            _, writer = await asyncio.open_connection("127.0.0.1", held.port)
            accepted, _ = await asyncio.wait_for(loop.sock_accept(one), 5)
            accepted.close()
            writer.close()


def test_a_name_is_held_in_each_family():
    """Where a name means several addresses, all have the same port."""
    found = {(family, address[0]) for family, _, _, _, address in socket.getaddrinfo("localhost", 0)}
    with Hold("localhost", 0) as held:
        for family, address in found:
            with socket.socket(family) as other, pytest.raises(OSError, match="in use"):
                other.bind((address, held.port))
