"""Generations and logprob messages for the tests of dialects."""

from __future__ import annotations

from typing import Any

from smg.core.generation import Generation, Sampling


def generation(*, stream: bool = True, logprobs: int | None = None, **fields: Any) -> Generation:
    """Return a generation of three prompt tokens with the given sampling fields."""
    rank = fields.pop("rank", None)
    prompt_logprobs = fields.pop("prompt_logprobs", None)
    return Generation(
        request_id="r1",
        prompt_ids=[5, 6, 7],
        prompt_text="abc",
        sampling=Sampling(**fields),
        stream=stream,
        logprobs=logprobs,
        prompt_logprobs=prompt_logprobs,
        rank=rank,
    )


def logprobs(pb: Any, ids: list[int], top: int = 0) -> Any:
    """Return parallel lists with -0.5 per token and ``top`` alternatives, least likely first."""
    alternatives = [
        pb.TopLogProbs(token_ids=range(top), values=[float(rank - top) for rank in range(top)]) for _ in ids if top
    ]
    return pb.OutputLogProbs(token_ids=ids, token_logprobs=[-0.5] * len(ids), top_logprobs=alternatives)
