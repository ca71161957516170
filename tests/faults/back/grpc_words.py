"""Messages of an SGLang engine behind gRPC, right and wrong."""

from __future__ import annotations

import struct

from smg.sim import vocabulary
from smg.stubs import common_pb2
from smg.stubs import sglang_scheduler_pb2 as pb
from tests.faults.back.http_words import WORDS
from tests.faults.back.steps import Message, Status

SERVICE = "/sglang.grpc.scheduler.SglangScheduler/"
CONTEXT = 4096
BUNDLE_CHUNK = 16 * 1024

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED = range(8)
RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED = range(8, 13)
INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED = range(13, 17)

IDS = [vocabulary.encode(word) for word in WORDS]


def frame(data: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """Return a gRPC message with its prefix."""
    return struct.pack(">BI", flag, len(data) if length is None else length) + data


def word(number: int) -> Message:
    """Return the ``number``-th word of the answer, from 0."""
    told = sum(map(len, IDS[: number + 1]))
    piece = pb.GenerateStreamChunk(token_ids=IDS[number], prompt_tokens=3, completion_tokens=told)
    return Message(pb.GenerateResponse(chunk=piece).SerializeToString())


def last(*, stream: bool) -> Message:
    """Return the end of the answer: a stream's repeats the last chunk's tokens, a plain one holds all."""
    ids = IDS[-1] if stream else [token for ids in IDS for token in ids]
    complete = pb.GenerateComplete(
        output_ids=ids, finish_reason="stop", prompt_tokens=3, completion_tokens=sum(map(len, IDS))
    )
    return Message(pb.GenerateResponse(complete=complete).SerializeToString())


THREE = tuple(word(number) for number in range(3))


def good(*, stream: bool) -> tuple[Message | Status, ...]:
    """Return the script of an engine that does its work."""
    return (*(THREE if stream else ()), last(stream=stream), Status(OK, ""))


def padded(message: Message, size: int) -> Message:
    """Return a message of so many bytes that says the same: its first field, an id nobody reads, takes the rest."""
    room = size - len(message.data) - 5
    return Message(message.data + b"\x0a" + varint(room) + b"x" * room)


def varint(number: int) -> bytes:
    """Return a number as protobuf has it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def model_info() -> bytes:
    """Return what the engine tells of its model."""
    return pb.GetModelInfoResponse(
        model_path="m",
        served_model_name="m",
        is_generation=True,
        max_context_length=CONTEXT,
        vocab_size=vocabulary.VOCABULARY_SIZE,
        eos_token_ids=[vocabulary.END_OF_TURN_ID],
    ).SerializeToString()


def health(*, well: bool) -> bytes:
    """Return what the engine says of its health."""
    return pb.HealthCheckResponse(healthy=well).SerializeToString()


def tokenizer() -> list[bytes]:
    """Return the messages of the tokenizer bundle."""
    data, sha256 = vocabulary.bundle(CONTEXT)
    parts = [data[start : start + BUNDLE_CHUNK] for start in range(0, len(data), BUNDLE_CHUNK)]
    return [common_pb2.GetTokenizerChunk(data=part, sha256=sha256).SerializeToString() for part in parts]


CONTROL = {
    "HealthCheck": lambda: [health(well=True)],
    "GetModelInfo": lambda: [model_info()],
    "GetServerInfo": lambda: [pb.GetServerInfoResponse(sglang_version="1", server_type="grpc").SerializeToString()],
    "GetTokenizer": tokenizer,
    "Abort": lambda: [pb.AbortResponse(success=True).SerializeToString()],
}
