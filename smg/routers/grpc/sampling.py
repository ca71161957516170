"""Sampling made definite: the model's defaults where the caller is silent, and the ids that end a text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smg.core.generation import EngineFacts, Sampling
    from smg.text.tokenizer import Tokenizer


def settled(sampling: Sampling, max_tokens: int | None, tokenizer: Tokenizer, facts: EngineFacts) -> Sampling:
    """Return ``sampling`` with nothing left to be guessed by the engine.

    Engines differ in which of several end-of-text ids they stop on, so all of them are sent.
    """
    ends = () if sampling.ignore_eos else sorted({*tokenizer.eos_token_ids, *facts.eos_token_ids})
    silent = {**tokenizer.sampling_defaults, **facts.sampling_defaults}
    return replace(
        sampling,
        temperature=_first(sampling.temperature, silent.get("temperature")),
        top_p=_first(sampling.top_p, silent.get("top_p")),
        top_k=_whole(_first(sampling.top_k, silent.get("top_k"))),
        min_p=_first(sampling.min_p, silent.get("min_p")),
        repetition_penalty=_first(sampling.repetition_penalty, silent.get("repetition_penalty")),
        max_tokens=max_tokens,
        stop_token_ids=tuple(dict.fromkeys((*sampling.stop_token_ids, *ends))),
    )


def _first(asked: float | None, default: float | None) -> float | None:
    return default if asked is None else asked


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
