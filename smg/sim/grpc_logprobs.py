"""Log probabilities as messages; the three protocols spell them alike, each in its own types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smg.sim.chances import alternatives, logprob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.sim.asks import Ask


def output_logprobs(pb: Any, ask: Ask, token_ids: Sequence[int], start: int) -> Any:
    """Return the ``OutputLogProbs`` of module ``pb`` for tokens from place ``start`` on; None if not wanted."""
    if ask.logprobs is None:
        return None
    places = list(enumerate(token_ids, start))
    return pb.OutputLogProbs(
        token_logprobs=[logprob(token, at) for at, token in places],
        token_ids=token_ids,
        top_logprobs=_top(pb, places, ask.logprobs),
    )


def input_logprobs(pb: Any, ask: Ask) -> Any:
    """Return the ``InputLogProbs`` of module ``pb`` for the prompt; the first token has none. None if not wanted."""
    if not ask.prompt_logprobs:
        return None
    places = list(enumerate(ask.prompt_ids))
    return pb.InputLogProbs(
        token_logprobs=[pb.InputTokenLogProb(value=logprob(token, at) if at else None) for at, token in places],
        token_ids=ask.prompt_ids,
        top_logprobs=_top(pb, places, ask.logprobs or 0),
    )


def _top(pb: Any, places: Sequence[tuple[int, int]], count: int) -> list[Any]:
    found = [alternatives(token, at, count) for at, token in places] if count else []
    return [pb.TopLogProbs(token_ids=[t for t, _ in one], values=[v for _, v in one]) for one in found]
