"""Embeddings as OpenAI's clients read them."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.generation import Embedding


def embeddings_body(model: str, embeddings: Sequence[Embedding], *, as_base64: bool) -> bytes:
    """Return the body that holds one vector per input, in the inputs' order."""
    spell = packed if as_base64 else listed
    data = [
        {"object": "embedding", "index": index, "embedding": spell(embedding.values)}
        for index, embedding in enumerate(embeddings)
    ]
    tokens = sum(embedding.prompt_tokens for embedding in embeddings)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})


def listed(values: list[float]) -> list[float]:
    """Return a vector as numbers."""
    return values


def packed(values: list[float]) -> str:
    """Return a vector as base64 of little-endian 32-bit floats."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
