"""What a gRPC client and an engine do with the stubs."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from typing_extensions import override

from smg.stubs import common_pb2, vllm_engine_pb2, vllm_engine_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GUIDE = Path(__file__).parents[2] / "docs" / "protocols.md"


class Engine(vllm_engine_pb2_grpc.VllmEngineServicer):
    """Answers Generate with the prompt reversed, a token per chunk; has no other call."""

    @override
    async def Generate(
        self, request: vllm_engine_pb2.GenerateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[vllm_engine_pb2.GenerateResponse]:
        made = list(reversed(request.tokenized.input_ids))
        for token in made:
            yield vllm_engine_pb2.GenerateResponse(chunk=vllm_engine_pb2.GenerateStreamChunk(token_ids=[token]))
        yield vllm_engine_pb2.GenerateResponse(complete=vllm_engine_pb2.GenerateComplete(output_ids=made))


@pytest.fixture
async def target() -> AsyncIterator[str]:
    """Serve the engine and give its address."""
    server = grpc.aio.server()
    vllm_engine_pb2_grpc.add_VllmEngineServicer_to_server(Engine(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def test_the_guides_example_runs(target: str) -> None:
    """The example in docs/protocols.md counts every token once, though the last message repeats them."""
    example: dict[str, Any] = {}
    exec(code_in(GUIDE), example)

    assert await example["generate"](target, [1, 2, 3]) == [3, 2, 1]


async def test_call_an_engine_leaves_out_is_unimplemented(target: str) -> None:
    """A servicer need not have every call of its protocol."""
    async with grpc.aio.insecure_channel(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await vllm_engine_pb2_grpc.VllmEngineStub(channel).Abort(vllm_engine_pb2.AbortRequest())

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_descriptor_keeps_the_published_name() -> None:
    """Only Python knows the package; the pool knows the file."""
    assert common_pb2.DESCRIPTOR.name == "common.proto"


def test_message_survives_pickling() -> None:
    """A message class is found again by the module it claims to be from."""
    message = common_pb2.FlushCacheRequest(timeout_s=1.5)

    assert pickle.loads(pickle.dumps(message)) == message


def code_in(page: Path) -> str:
    """Cut the Python example out of a page."""
    found = re.search(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]
