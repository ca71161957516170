"""Stop strings: the end depends on the text, never on the chunks."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from smg.text.stops import StopMatcher

TEXTS = st.text(alphabet="abc", max_size=30)
STOPS = st.lists(st.text(alphabet="abc", min_size=1, max_size=5), max_size=4)


def first_stop(text: str, stops: list[str]) -> tuple[int, str] | None:
    """The plain way: look at every prefix, longest stop first."""
    for end in range(len(text) + 1):
        for stop in sorted(stops, key=len, reverse=True):
            if text[:end].endswith(stop):
                return end, stop
    return None


def chunks_of(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(places)]


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, stops=STOPS, cuts=st.lists(st.integers(0, 100), max_size=8), keep=st.booleans())
def test_any_chunking_ends_where_the_whole_text_does(text: str, stops: list[str], cuts: list[int], keep: bool) -> None:
    """Whatever the chunks, the shown text and the match are those of the whole text."""
    matcher = StopMatcher(stops, keep=keep)
    shown = "".join([matcher.push(chunk) for chunk in chunks_of(text, cuts)]) + matcher.finish()
    found = first_stop(text, stops)

    assert (found[1] if found else None) == matcher.matched
    if found is None:
        assert text == shown
    else:
        assert text[: found[0] if keep else found[0] - len(found[1])] == shown


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, stops=STOPS)
def test_only_a_possible_beginning_is_held_back(text: str, stops: list[str]) -> None:
    """What is withheld is the longest end of the text that may still become a stop string."""
    matcher = StopMatcher(stops, keep=False)
    shown = matcher.push(text)
    if matcher.matched is not None:
        return
    hopes = [len(stop[:size]) for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])]

    assert text[: len(text) - max(hopes, default=0)] == shown


def test_kept_stop_string_holds_nothing_back() -> None:
    """With ``keep`` a text is shown as it comes, up to the end of the stop string."""
    matcher = StopMatcher(["STOP"], keep=True)

    assert [matcher.push("a ST"), matcher.push("OP b"), matcher.push("c")] == ["a ST", "OP", ""]
    assert matcher.finish() == ""


def test_shorter_stop_that_is_complete_ends_at_once() -> None:
    """A stop string that is complete is not delayed by a longer one that might follow."""
    matcher = StopMatcher(["ab", "abcd"], keep=False)

    assert matcher.push("xab") == "x"
    assert matcher.matched == "ab"


def test_longest_of_those_complete_together_wins() -> None:
    """Two stop strings that end at the same character: the one that began first is named."""
    matcher = StopMatcher(["bc", "abc"], keep=False)

    assert matcher.push("xabc") == "x"
    assert matcher.matched == "abc"


def test_empty_stop_never_matches() -> None:
    """An empty string stops nothing."""
    matcher = StopMatcher([""], keep=False)

    assert matcher.push("abc") == "abc"
    assert matcher.matched is None


def test_an_unheeded_stop_string_is_text() -> None:
    """It does not end the answer, later neither; one that only begins there does."""
    matcher = StopMatcher(["ab", "abcd"], keep=False)

    assert matcher.push("xab", heed=False) == "x"
    assert matcher.push("c") == ""
    assert matcher.push("-") == "abc-"
    assert matcher.push("ab", heed=False) == ""
    assert matcher.push("cd") == ""
    assert matcher.matched == "abcd"
