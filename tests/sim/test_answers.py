"""Answers made from prompts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smg.sim import vocabulary
from smg.sim.answers import answer
from smg.sim.asks import Answer, Ask, RefusedError

CONTEXT = 4096


def ask(**changes: Any) -> Ask:
    """Return a plain request with some fields changed."""
    plain = Ask(request_id="r", prompt_ids=tuple(vocabulary.encode("Tell me about rivers and mountains")))
    return msgspec.structs.replace(plain, **changes)


def drawn(index: int = 0, **changes: Any) -> Answer:
    """Return an answer."""
    return answer(ask(**changes), index, CONTEXT)


@given(index=st.integers(0, 50), seed=st.none() | st.integers(0, 99))
@settings(max_examples=40)
def test_natural_answer_ends_by_itself(index: int, seed: int | None) -> None:
    """The same request gives the same answer, of 20 to about 90 tokens, ended by the end of turn."""
    given_answer = drawn(index, seed=seed)

    assert given_answer == drawn(index, seed=seed)
    assert 20 <= len(given_answer.token_ids) <= 95
    assert (given_answer.finish, given_answer.matched) == ("stop", None)
    assert given_answer.token_ids[-1] == vocabulary.END_OF_TURN_ID
    assert given_answer.text == vocabulary.decode(given_answer.token_ids)


def test_choices_and_seeds_differ() -> None:
    """Index and seed change the text."""
    assert len({drawn().text, drawn(1).text, drawn(seed=1).text, drawn(seed=2).text}) == 4


def test_some_answers_hold_split_characters() -> None:
    """Among twenty answers there is a token that is only part of a character."""
    tokens = {token for index in range(20) for token in drawn(index).token_ids}

    assert any(vocabulary.token_text(token) == "\ufffd" for token in tokens)


def test_prompt_is_echoed() -> None:
    """Answers take words from the prompt."""
    assert any("mountains" in drawn(index).text for index in range(5))


@given(limit=st.integers(1, 200))
@settings(max_examples=30)
def test_limit_cuts(limit: int) -> None:
    """An answer that does not end by itself is exactly as long as allowed."""
    cut = drawn(max_tokens=limit, ignore_eos=True)

    assert (limit, "length") == (len(cut.token_ids), cut.finish)


def test_context_limits_the_answer() -> None:
    """Prompt and answer fit into the context."""
    prompt = ask().prompt_ids

    cut = answer(ask(), 0, len(prompt) + 3)

    assert (len(cut.token_ids), cut.finish) == (3, "length")


@given(index=st.integers(0, 30), at=st.integers(1, 18), length=st.integers(1, 6))
@settings(max_examples=60)
def test_stop_string_ends_and_is_trimmed(index: int, at: int, length: int) -> None:
    """The text ends before the stop string, the tokens with it, and no token more."""
    whole = drawn(index).text
    stop = whole[at : at + length]

    stopped = drawn(index, stop=(stop, "never there"))

    assert stopped.text == whole[: whole.find(stop)]
    assert (stopped.finish, stopped.matched) == ("stop", stop)
    assert stop in vocabulary.decode(stopped.token_ids)
    assert stop not in vocabulary.decode(stopped.token_ids[:-1])


def test_stop_token_ends_and_is_named() -> None:
    """A stop token is the last token, is told, and is not shown."""
    token = drawn().token_ids[5]

    stopped = drawn(stop_token_ids=frozenset({token}))

    assert stopped.matched == token == stopped.token_ids[-1]
    assert stopped.text == vocabulary.decode(stopped.token_ids[:-1])


def test_min_tokens_hold_the_end_back() -> None:
    """Nothing ends an answer before its minimum."""
    early = drawn().token_ids[5]

    assert len(drawn(min_tokens=150).token_ids) >= 150
    assert len(drawn(min_tokens=10, stop_token_ids=frozenset({early})).token_ids) >= 10


def test_banned_token_is_never_drawn() -> None:
    """What logit_bias bans is not in the answer; banning everything is refused."""
    banned = frozenset(drawn().token_ids[:20])

    assert banned.isdisjoint(drawn(banned=banned).token_ids)
    with pytest.raises(RefusedError):
        drawn(banned=frozenset(range(vocabulary.VOCABULARY_SIZE)))


def test_json_is_valid() -> None:
    """A constrained answer satisfies its grammar and ends by itself."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x"]}}}

    plain = json.loads(drawn(constraint=("json_object", "")).text)
    instance = json.loads(drawn(constraint=("json_schema", json.dumps(schema))).text)

    assert set(plain) == {"answer", "length"}
    assert isinstance(instance["a"], int)
    assert instance["b"] == "x"
