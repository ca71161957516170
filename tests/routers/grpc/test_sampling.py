"""What the engine is told where the caller is silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smg.core.generation import EngineFacts, Sampling
from smg.routers.grpc.sampling import settled

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer


def test_the_engines_word_goes_before_the_files(tokenizer: Tokenizer) -> None:
    """The operator may have started the engine with other defaults than the model's files have."""
    facts = EngineFacts(sampling_defaults={"temperature": 0.2, "top_k": 20.0})
    sampling = settled(Sampling(top_p=0.5), 9, tokenizer, facts)

    assert (sampling.temperature, sampling.top_k, sampling.top_p, sampling.max_tokens) == (0.2, 20, 0.5, 9)
    assert settled(Sampling(), 9, tokenizer, EngineFacts()).temperature == pytest.approx(0.7)


def test_zero_is_not_silence(tokenizer: Tokenizer) -> None:
    """A caller who says 0 means 0."""
    sampling = settled(Sampling(temperature=0.0), 9, tokenizer, EngineFacts())

    assert sampling.temperature == 0.0


def test_every_known_end_is_sent_once(tokenizer: Tokenizer) -> None:
    """The caller's ids, the model's and the engine's, unless the caller wants none of the ends."""
    facts = EngineFacts(eos_token_ids=(5, *tokenizer.eos_token_ids))
    ids = settled(Sampling(stop_token_ids=(5, 6)), 9, tokenizer, facts).stop_token_ids

    assert sorted(ids) == sorted({5, 6, *tokenizer.eos_token_ids})
    assert settled(Sampling(stop_token_ids=(6,), ignore_eos=True), 9, tokenizer, facts).stop_token_ids == (6,)
