"""Endpoints that return numbers: embeddings, rerank, score and classify."""

from __future__ import annotations

import base64
import time
from array import array
from typing import TYPE_CHECKING, Any

import msgspec

from smg.core.words import Runtime
from smg.sim.answers import fingerprint
from smg.sim.asks import RefusedError
from smg.sim.http_bodies import prompts
from smg.sim.http_calls import Call, json_response, prompt_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

LABELS = ("negative", "neutral", "positive")


class EmbeddingBody(msgspec.Struct, kw_only=True):
    """A body of ``/v1/embeddings``."""

    input: str | list[str | int | list[int]]
    model: str | None = None
    encoding_format: str = "float"
    dimensions: int | None = None


class RerankBody(msgspec.Struct, kw_only=True):
    """A body of ``/v1/rerank``."""

    query: str
    documents: list[str]
    model: str | None = None
    top_n: int | None = None
    return_documents: bool = True


class ScoreBody(msgspec.Struct, kw_only=True):
    """A body of ``/v1/score`` in vLLM's spelling."""

    text_1: str | list[str]
    text_2: str | list[str]
    model: str | None = None


class NativeScoreBody(msgspec.Struct, kw_only=True):
    """A body of ``/v1/score`` in SGLang's spelling."""

    query: str
    items: list[str]
    label_token_ids: list[int]
    model: str | None = None


class ClassifyBody(msgspec.Struct, kw_only=True):
    """A body of ``/v1/classify``."""

    input: str | list[str]
    model: str | None = None


async def embeddings(call: Call) -> web.StreamResponse:
    """Answer ``/v1/embeddings``."""
    body = call.decode(EmbeddingBody)
    tokens = prompts(body.input)
    if not tokens or not all(tokens):
        raise RefusedError("input must not be empty")
    most = call.machine.settings.embedding_dim
    if body.dimensions is not None and not 0 < body.dimensions <= most:
        raise RefusedError(f"dimensions must be 1 to {most}")
    data = [_embedding(call, body, index, one) for index, one in enumerate(tokens)]
    used = _usage(sum(map(len, tokens)))
    return json_response({"object": "list", "data": data, "model": _model(call, body.model), "usage": used})


def _embedding(call: Call, body: EmbeddingBody, index: int, tokens: Sequence[int]) -> dict[str, Any]:
    vector = call.machine.embedding(tokens, body.dimensions)
    packed = base64.b64encode(array("f", vector).tobytes()).decode()
    return {"object": "embedding", "index": index, "embedding": packed if body.encoding_format == "base64" else vector}


def _usage(prompt_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens, "completion_tokens": 0}


def _model(call: Call, asked: str | None) -> str:
    return asked or call.machine.settings.model


def _likeness(left: str, right: str) -> float:
    """Return a number from 0 to 1 made from two texts."""
    return fingerprint((*prompt_ids(left), *prompt_ids(right))) / 2**64


async def rerank(call: Call) -> web.StreamResponse:
    """Answer ``/v1/rerank``: vLLM with an object, SGLang with a bare list; best first."""
    body = call.decode(RerankBody)
    ranked = sorted(((_likeness(body.query, one), at) for at, one in enumerate(body.documents)), reverse=True)
    used = sum(len(prompt_ids(one)) for one in (body.query, *body.documents))
    if call.machine.runtime is Runtime.SGLANG:
        meta = {"id": call.record.request_id, "prompt_tokens": used}
        return json_response(
            [{"score": s, "document": body.documents[at], "index": at, "meta_info": meta} for s, at in ranked]
        )
    results = [{"index": at, "document": {"text": body.documents[at]}, "relevance_score": s} for s, at in ranked]
    answer_id = f"rerank-{call.record.request_id}"
    around = {"id": answer_id, "model": _model(call, body.model), "usage": {"total_tokens": used}}
    return json_response(around | {"results": results[: body.top_n]})


async def score(call: Call) -> web.StreamResponse:
    """Answer ``/v1/score``."""
    if call.machine.runtime is Runtime.SGLANG:
        return _native_score(call, call.decode(NativeScoreBody))
    body = call.decode(ScoreBody)
    left, right = ([one] if isinstance(one, str) else one for one in (body.text_1, body.text_2))
    if len(left) not in {1, len(right)}:
        raise RefusedError("text_1 must be one text, or as many as text_2")
    pairs = zip(left * len(right) if len(left) == 1 else left, right, strict=True)
    data = [{"index": at, "object": "score", "score": _likeness(*pair)} for at, pair in enumerate(pairs)]
    return json_response(_envelope(call, body.model, data, (*left, *right)))


def _native_score(call: Call, body: NativeScoreBody) -> web.Response:
    scores = [[_likeness(f"{body.query}{label}", item) for label in body.label_token_ids] for item in body.items]
    return json_response({"object": "scoring", "model": _model(call, body.model), "scores": scores, "usage": None})


async def classify(call: Call) -> web.StreamResponse:
    """Answer ``/v1/classify``."""
    body = call.decode(ClassifyBody)
    texts = [body.input] if isinstance(body.input, str) else body.input
    data = [_class(at, text) for at, text in enumerate(texts)]
    return json_response(_envelope(call, body.model, data, texts))


def _class(index: int, text: str) -> dict[str, Any]:
    weights = [_likeness(text, label) for label in LABELS]
    probabilities = [weight / sum(weights) for weight in weights]
    label = LABELS[probabilities.index(max(probabilities))]
    return {"index": index, "label": label, "probs": probabilities, "num_classes": len(LABELS)}


def _envelope(call: Call, model: str | None, data: list[Any], texts: Sequence[str]) -> dict[str, Any]:
    used = _usage(sum(len(prompt_ids(one)) for one in texts))
    kind = call.record.endpoint.rpartition("/")[2]
    around = {"id": f"{kind}-{call.record.request_id}", "object": "list", "created": int(time.time())}
    return around | {"model": _model(call, model), "data": data, "usage": used}
