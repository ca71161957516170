"""Embeddings, rerank, score and classify of the HTTP engines."""

from __future__ import annotations

import base64
import math
from array import array

import pytest

from smg.core.words import Runtime
from smg.sim import vocabulary
from tests.sim.support import http_engine


async def test_embeddings_have_length_one_and_depend_on_the_text() -> None:
    """Text and tokens of the text give the same vector; base64 holds the same numbers."""
    body = {"input": ["a river", "a tree"]}
    async with http_engine(Runtime.VLLM) as (engine, session):
        told = await (await session.post("/v1/embeddings", json=body)).json()
        packed = await (await session.post("/v1/embeddings", json=body | {"encoding_format": "base64"})).json()
        tokens = await (await session.post("/v1/embeddings", json={"input": vocabulary.encode("a tree")})).json()
        short = await (await session.post("/v1/embeddings", json=body | {"dimensions": 4})).json()
        refused = [
            (await session.post("/v1/embeddings", json=other)).status
            for other in ({"input": ""}, body | {"dimensions": 0}, body | {"dimensions": 10**9})
        ]

    first, second = (one["embedding"] for one in told["data"])
    assert first != second == tokens["data"][0]["embedding"]
    assert math.hypot(*first) == pytest.approx(1.0)
    assert array("f", base64.b64decode(packed["data"][0]["embedding"])).tolist() == pytest.approx(first)
    assert len(short["data"][0]["embedding"]) == 4
    assert told["usage"]["total_tokens"] == len(vocabulary.encode("a river")) + len(vocabulary.encode("a tree"))
    assert refused == [400] * 3
    assert engine.ledger.totals.finished == 4


async def test_rerank_is_sorted_in_the_runtimes_shape() -> None:
    """The best document comes first; vLLM answers with an object, SGLang with a list."""
    body = {"query": "river", "documents": ["a", "b", "c"], "top_n": 2}
    async with http_engine(Runtime.VLLM) as (_, session):
        told = await (await session.post("/v1/rerank", json=body)).json()
    async with http_engine(Runtime.SGLANG) as (_, session):
        native = await (await session.post("/v1/rerank", json=body)).json()

    scores = [one["relevance_score"] for one in told["results"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 2
    assert [one["score"] for one in native][:2] == scores


async def test_scores_and_classes() -> None:
    """One text is scored against many, and classes are probabilities."""
    async with http_engine(Runtime.VLLM) as (_, session):
        scored = await (await session.post("/v1/score", json={"text_1": "a", "text_2": ["b", "c"]})).json()
        refused = await session.post("/score", json={"text_1": ["a", "b"], "text_2": ["c"]})
        classed = await (await session.post("/v1/classify", json={"input": ["a", "b"]})).json()
    async with http_engine(Runtime.SGLANG) as (_, session):
        native = await session.post("/v1/score", json={"query": "q", "items": ["a"], "label_token_ids": [1, 2]})
        told = await native.json()

    assert [one["index"] for one in scored["data"]] == [0, 1]
    assert refused.status == 400
    assert [pytest.approx(1.0)] * 2 == [sum(one["probs"]) for one in classed["data"]]
    assert len(told["scores"][0]) == 2
