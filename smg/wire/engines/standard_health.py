"""The health call that gRPC itself defines, ``grpc.health.v1``, for a server that lacks its engine's own.

All five protocols have a health call of their own, which says more and is asked first. SGLang and vLLM serve this one
beside it, under the full name of the engine's service; the empty name would only tell that the server runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from smg.wire.engines.dialect import Method

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from smg.wire.engines.dialect import Dialect

# The protocol's messages hold one field each, as these do; its own stubs may be registered once in a process.
CHECK = Method("/grpc.health.v1.Health/Check", StringValue, Int32Value)

SERVING = 1


def check_request(dialect: Dialect) -> Message:
    """Return the message that asks for the health of the engine's service."""
    return StringValue(value=dialect.service)


def serving(message: Any) -> bool:
    """Return what the answer says."""
    return bool(message.value == SERVING)
