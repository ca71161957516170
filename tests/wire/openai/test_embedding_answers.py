"""Tests of smg.wire.openai.embedding_answers."""

from __future__ import annotations

import base64
import json
import struct

from openai.types import CreateEmbeddingResponse

from smg.core.generation import Embedding
from smg.wire.openai.embedding_answers import embeddings_body

EMBEDDINGS = [Embedding([0.5, -1.25], 3), Embedding([0.0, 2.0], 4)]


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    """The openai client parses them; tokens are summed up."""
    parsed = CreateEmbeddingResponse.model_validate_json(embeddings_body("m", EMBEDDINGS, as_base64=False))

    assert [(item.index, item.embedding) for item in parsed.data] == [(0, [0.5, -1.25]), (1, [0.0, 2.0])]
    assert (parsed.usage.prompt_tokens, parsed.usage.total_tokens, parsed.model) == (7, 7, "m")


def test_base64_holds_little_endian_floats() -> None:
    """What the openai client asks for by default and unpacks itself."""
    body = json.loads(embeddings_body("m", EMBEDDINGS, as_base64=True))

    assert struct.unpack("<2f", base64.b64decode(body["data"][0]["embedding"])) == (0.5, -1.25)
