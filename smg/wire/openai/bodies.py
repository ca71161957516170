"""All bodies and their decoder in one place."""

from __future__ import annotations

from smg.wire.openai.chat_body import ChatBody
from smg.wire.openai.completion_body import CompletionBody
from smg.wire.openai.decoding import Body, decode_body
from smg.wire.openai.generate_body import GenerateBody, GenerateParams
from smg.wire.openai.input_bodies import (
    ClassifyBody,
    DetokenizeBody,
    EmbeddingBody,
    RerankBody,
    ScoreBody,
    TokenizeBody,
)

__all__ = [
    "Body",
    "ChatBody",
    "ClassifyBody",
    "CompletionBody",
    "DetokenizeBody",
    "EmbeddingBody",
    "GenerateBody",
    "GenerateParams",
    "RerankBody",
    "ScoreBody",
    "TokenizeBody",
    "decode_body",
]
