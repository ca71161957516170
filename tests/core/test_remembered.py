"""Tests of smg.core.remembered."""

import pytest

from smg.core.remembered import Remembered


def test_a_function_is_asked_once_for_each_argument():
    """Its answer is the same object each time."""
    asked = []

    def make(text: str) -> list[str]:
        asked.append(text)
        return [text]

    remembered = Remembered(make, 10)

    assert remembered["a"] is remembered["a"]
    assert remembered["b"] == ["b"]
    assert asked == ["a", "b"]


def test_no_more_is_remembered_than_may_be():
    """Whatever is asked, and the newest answer always is."""
    remembered = Remembered(str, 3)
    for number in range(100):
        assert remembered[number] == str(number)
        assert number in remembered
        assert len(remembered) <= 3


def test_a_failure_is_not_remembered():
    """It is raised as it is, and the function is asked again."""
    answers = iter([ValueError("once"), None])

    def make(_: str) -> str:
        if error := next(answers):
            raise error
        return "fine"

    remembered = Remembered(make, 3)

    with pytest.raises(ValueError, match="once"):
        remembered["a"]
    assert remembered["a"] == "fine"
