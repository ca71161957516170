"""A canned gRPC engine of SGLang's protocol that streams one token a message.

usage: python -m scripts.bench.grpc_engine PORT TOKENS PAUSE_MS MODEL_DIR
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
from typing_extensions import override

from smg.stubs import sglang_scheduler_pb2 as pb
from smg.stubs import sglang_scheduler_pb2_grpc as rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WORDS = 50
CONTEXT = 8192


def whole_words(model: Path) -> list[int]:
    """Return ids that decode to text each by itself."""
    vocabulary = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    plain = [
        number for piece, number in vocabulary.items() if piece.lstrip("Ġ").isalpha() and piece.lstrip("Ġ").isascii()
    ]
    return sorted(plain)[:WORDS]


class Engine(rpc.SglangSchedulerServicer):
    """Answers every request alike."""

    def __init__(self, tokens: int, pause_secs: float, model: Path) -> None:
        self._tokens = tokens
        self._pause_secs = pause_secs
        self._model = str(model)
        self._ids = whole_words(model)

    @override
    async def Generate(self, request: pb.GenerateRequest, context: Any) -> AsyncIterator[pb.GenerateResponse]:
        """Stream the tokens, then the end."""
        prompt, name = len(request.tokenized.input_ids), request.request_id
        out = [self._ids[number % len(self._ids)] for number in range(self._tokens)]
        for number, token in enumerate(out, start=1):
            await asyncio.sleep(self._pause_secs)
            chunk = pb.GenerateStreamChunk(token_ids=[token], prompt_tokens=prompt, completion_tokens=number)
            yield pb.GenerateResponse(request_id=name, chunk=chunk)
        complete = pb.GenerateComplete(
            output_ids=out, finish_reason="length", prompt_tokens=prompt, completion_tokens=self._tokens
        )
        yield pb.GenerateResponse(request_id=name, complete=complete)

    @override
    async def HealthCheck(self, request: Any, context: Any) -> pb.HealthCheckResponse:
        """Be well."""
        return pb.HealthCheckResponse(healthy=True, message="ok")

    @override
    async def Abort(self, request: Any, context: Any) -> pb.AbortResponse:
        """Agree."""
        return pb.AbortResponse(success=True)

    @override
    async def GetModelInfo(self, request: Any, context: Any) -> pb.GetModelInfoResponse:
        """Tell of the model."""
        return pb.GetModelInfoResponse(
            model_path=self._model,
            tokenizer_path=self._model,
            served_model_name="tiny",
            is_generation=True,
            max_context_length=CONTEXT,
            max_req_input_len=CONTEXT,
            model_type="llama",
        )

    @override
    async def GetServerInfo(self, request: Any, context: Any) -> pb.GetServerInfoResponse:
        """Tell of the server."""
        told = pb.GetServerInfoResponse(sglang_version="0.5.0", server_type="grpc")
        told.server_args.update({"model_path": self._model, "served_model_name": "tiny", "dp_size": 1})
        return told

    @override
    async def GetLoads(self, request: Any, context: Any) -> pb.GetLoadsResponse:
        """Tell of no load."""
        return pb.GetLoadsResponse(dp_rank_count=1)


async def main(port: int, engine: Engine) -> None:
    """Serve until ended."""
    server = grpc.aio.server()
    rpc.add_SglangSchedulerServicer_to_server(engine, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Engine(int(sys.argv[2]), float(sys.argv[3]) / 1000, Path(sys.argv[4]))))
