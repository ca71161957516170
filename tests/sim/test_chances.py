"""Made-up log probabilities."""

from __future__ import annotations

from smg.sim.chances import MAX_ALTERNATIVES, alternatives, logprob


def test_drawn_token_is_the_likeliest() -> None:
    """Alternatives are as many as asked, distinct, sorted, and begin with the drawn token."""
    found = alternatives(300, 4, MAX_ALTERNATIVES)

    assert found[0] == (300, logprob(300, 4))
    assert len({token for token, _ in found}) == MAX_ALTERNATIVES
    assert found == sorted(found, key=lambda one: -one[1])
    assert alternatives(300, 4, 0) == []
