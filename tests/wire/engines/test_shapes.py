"""The shapes that several protocols share."""

from __future__ import annotations

from typing import Any

import pytest

from smg.stubs import mlx_engine_pb2, sglang_scheduler_pb2, tokenspeed_scheduler_pb2, vllm_engine_pb2
from smg.wire.engines import shapes

SAMPLED = [sglang_scheduler_pb2, vllm_engine_pb2, tokenspeed_scheduler_pb2, mlx_engine_pb2]
PROMPTED = [sglang_scheduler_pb2, vllm_engine_pb2]
STOPPED = [sglang_scheduler_pb2, vllm_engine_pb2, tokenspeed_scheduler_pb2]


@pytest.mark.parametrize(
    ("shape", "message", "files"),
    [
        (shapes.AnswerMessage, "GenerateStreamChunk", SAMPLED),
        (shapes.AnswerMessage, "GenerateComplete", SAMPLED),
        (shapes.OutputLogprobsMessage, "OutputLogProbs", SAMPLED),
        (shapes.TopMessage, "TopLogProbs", SAMPLED),
        (shapes.InputLogprobsMessage, "InputLogProbs", PROMPTED),
        (shapes.InputLogprobMessage, "InputTokenLogProb", PROMPTED),
        (shapes.MatchedMessage, "GenerateComplete", STOPPED),
    ],
)
def test_messages_have_the_shape(shape: type, message: str, files: list[Any]) -> None:
    """Every field of a shape is a field of each protocol that is read through it."""
    named = {name for kind in shape.__mro__ for name, part in vars(kind).items() if isinstance(part, property)}
    assert named
    for file in files:
        assert named <= set(file.DESCRIPTOR.message_types_by_name[message].fields_by_name)
