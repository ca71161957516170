"""Prompts are read from every spelling, checked, and held against the context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.core.errors import ContextLengthError, InvalidRequestError
from smg.routers.grpc.prompts import PROMPTS_AT_MOST, Prompt, Source, answer_tokens, sources


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("hi", ["hi"], id="text"),
        pytest.param([1, 2], [[1, 2]], id="ids"),
        pytest.param(["a", "b"], ["a", "b"], id="texts"),
        pytest.param([[1], [2, 3]], [[1], [2, 3]], id="lists of ids"),
        pytest.param(["a", [1]], ["a", [1]], id="both"),
    ],
)
def test_prompts_come_in_every_spelling(value: object, expected: list[Source]) -> None:
    """A text, ids, or a list of either."""
    assert expected == sources(value, "prompt")


@pytest.mark.parametrize("value", ["", [], [""], [[]], ["a", []], None, 3, {}, [1.5], [True, False], ["a", 1], [["a"]]])
def test_an_empty_or_odd_prompt_is_refused(value: object) -> None:
    """The error names the field."""
    with pytest.raises(InvalidRequestError) as caught:
        sources(value, "prompt")

    assert caught.value.param is not None
    assert caught.value.param.startswith("prompt")


def test_prompts_of_one_request_are_capped() -> None:
    """Each prompt is a call to the engine, so there is a bound."""
    assert len(sources(["a"] * PROMPTS_AT_MOST, "prompt")) == PROMPTS_AT_MOST
    with pytest.raises(InvalidRequestError):
        sources(["a"] * (PROMPTS_AT_MOST + 1), "prompt")


@given(st.integers(1, 50), st.integers(1, 60), st.none() | st.integers(0, 60), st.none() | st.integers(1, 60))
def test_prompt_and_answer_fit_the_context(length: int, context: int, asked: int | None, default: int | None) -> None:
    """What was asked for is granted or refused, never cut; silence takes what fits."""
    prompt = Prompt([0] * length, "")
    if length + max(asked or 0, 1) > context:
        with pytest.raises(ContextLengthError):
            answer_tokens(prompt, context, asked, default)
        return
    granted = answer_tokens(prompt, context, asked, default)

    assert granted is not None
    assert granted + length <= context
    assert granted == (min(default or context, context - length) if asked is None else asked)


def test_an_unknown_context_bounds_nothing() -> None:
    """Then the engine judges."""
    prompt = Prompt([1], "")

    assert answer_tokens(prompt, None, 7, 16) == 7
    assert answer_tokens(prompt, None, None, 16) == 16
    assert answer_tokens(prompt, None, None, None) is None
