"""Names and enumerations shared by every layer; the values are the words on the wire."""

from __future__ import annotations

from enum import Enum
from typing import NewType

WorkerId = NewType("WorkerId", str)
"""Made by the gateway at registration, never reused; safe to show to callers."""


class Word(Enum):
    """One word of an enumeration; hashed as the one object it is, since Enum's own hash is a call in Python."""

    __hash__ = object.__hash__


class WorkerType(Word):
    """The part of inference a worker performs."""

    REGULAR = "regular"
    PREFILL = "prefill"
    DECODE = "decode"
    ENCODE = "encode"


class ConnectionMode(Word):
    """How a worker is reached."""

    HTTP = "http"
    GRPC = "grpc"


class Runtime(Word):
    """The engine behind a worker; ``EXTERNAL`` is a cloud provider."""

    UNSPECIFIED = "unspecified"
    SGLANG = "sglang"
    VLLM = "vllm"
    TRTLLM = "trtllm"
    MLX = "mlx"
    TOKENSPEED = "tokenspeed"
    EXTERNAL = "external"


class LifeState(Word):
    """Where a worker stands in its life; only ``READY`` takes new requests."""

    PENDING = "pending"
    READY = "ready"
    UNHEALTHY = "not_ready"
    DRAINING = "draining"
    GONE = "gone"


class Outcome(Word):
    """How a lease ended, for the trust in its worker."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    BUSY = "busy"  # the worker answered that it takes no more now
    ABANDONED = "abandoned"  # the caller left, or nothing was learnt of the worker


class Endpoint(Word):
    """What a request asks of an engine; the value is the path its HTTP server knows it by."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"
    RERANK = "/v1/rerank"
    CLASSIFY = "/classify"
    SCORE = "/v1/score"
    GENERATE = "/generate"
    TOKENIZE = "/tokenize"
    DETOKENIZE = "/detokenize"
