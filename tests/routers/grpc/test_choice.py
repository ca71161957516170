"""One answer: text comes out whole, stops where it must, and counts what was delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.core.generation import Delta, Finish, Generation, Sampling, TokenLogprob
from smg.core.words import Runtime
from smg.routers.grpc.choice import Choice
from smg.wire.engines.table import DIALECTS

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer
    from smg.wire.openai.answer_style import ChoicePiece

STOP = Finish(reason="stop")


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False)


def choice_of(tokenizer: Tokenizer, runtime: Runtime = Runtime.SGLANG, **sampling: Any) -> Choice:
    asked = Generation(request_id="r", prompt_ids=[1], prompt_text="", sampling=Sampling(**sampling), stream=True)
    return Choice(0, tokenizer, asked, DIALECTS[runtime])


def play(choice: Choice, *deltas: Delta) -> list[ChoicePiece]:
    return [piece for delta in deltas if (piece := choice.take(delta)) is not None]


@given(data=st.data())
def test_text_is_the_same_however_it_is_cut(tokenizer: Tokenizer, data: st.DataObject) -> None:
    """No character is ever split, whatever chunks the engine sends."""
    text = data.draw(st.text(st.sampled_from("aé東🙂 \n"), min_size=1, max_size=12))
    ids = ids_of(tokenizer, text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=6)))
    parts = [ids[start:end] for start, end in zip([0, *cuts], [*cuts, len(ids)], strict=True)]
    choice = choice_of(tokenizer)
    pieces = play(choice, *[Delta(token_ids=part) for part in parts], Delta(finish=STOP))

    assert text == "".join(piece.text for piece in pieces)
    assert ids == [token_id for piece in pieces for token_id in piece.token_ids]
    assert not any("\ufffd" in piece.text for piece in pieces)
    assert len(ids) == choice.completion_tokens


@given(data=st.data())
def test_a_stop_string_ends_the_answer_wherever_it_is_cut(tokenizer: Tokenizer, data: st.DataObject) -> None:
    """The text stands before the stop string; the ids behind the one that completed it do not count."""
    before = data.draw(st.text(st.sampled_from("abé "), max_size=6))
    ids = ids_of(tokenizer, before + "xSTOPy and more")
    size = data.draw(st.integers(1, len(ids)))
    choice = choice_of(tokenizer, stop=("STOP",))
    pieces = play(choice, *[Delta(token_ids=ids[at : at + size]) for at in range(0, len(ids), size)])
    delivered = [token_id for piece in pieces for token_id in piece.token_ids]

    assert before + "x" == "".join(piece.text for piece in pieces)
    assert Finish(reason="stop", matched="STOP") == pieces[-1].finish
    assert choice.done
    assert len(delivered) == choice.completion_tokens
    assert "STOP" in tokenizer.decode(delivered, skip_special_tokens=True)
    assert "STOP" not in tokenizer.decode(delivered[:-1], skip_special_tokens=True)


def test_nothing_is_taken_after_a_stop(tokenizer: Tokenizer) -> None:
    """An engine that runs on adds neither text nor tokens."""
    choice = choice_of(tokenizer, stop=("b",))
    play(choice, Delta(token_ids=ids_of(tokenizer, "ab")))
    count = choice.completion_tokens

    assert choice.take(Delta(token_ids=ids_of(tokenizer, "cd"), finish=STOP)) is None
    assert count == choice.completion_tokens


def test_a_kept_stop_string_is_shown(tokenizer: Tokenizer) -> None:
    """no_stop_trim leaves the stop string in the text."""
    choice = choice_of(tokenizer, stop=("b",), no_stop_trim=True)

    assert "".join(piece.text for piece in play(choice, Delta(token_ids=ids_of(tokenizer, "abc")))) == "ab"


def test_what_looked_like_a_stop_is_shown_at_the_end(tokenizer: Tokenizer) -> None:
    """Text held back for a stop string that never came is not lost."""
    choice = choice_of(tokenizer, stop=("bcd",))
    pieces = play(choice, Delta(token_ids=ids_of(tokenizer, "abc")), Delta(finish=Finish(reason="length")))

    assert "".join(piece.text for piece in pieces) == "abc"
    assert Finish(reason="length") == pieces[-1].finish


@pytest.mark.parametrize("stop", [(), ("zzz",)], ids=["no stop strings", "stop strings"])
@pytest.mark.parametrize("late", [False, True], ids=["end named with its id", "end named after its id"])
def test_the_id_that_ends_a_text_is_not_spelt(tokenizer: Tokenizer, stop: tuple[str, ...], late: bool) -> None:
    """It counts as delivered, but shows no text, special or not."""
    end = ids_of(tokenizer, "b")[0]
    choice = choice_of(tokenizer, stop_token_ids=(end,), stop=stop)
    deltas = [Delta(token_ids=ids_of(tokenizer, "a")), Delta(token_ids=[end], finish=None if late else STOP)]
    pieces = play(choice, *deltas, *[Delta(finish=STOP)] * late)

    assert "".join(piece.text for piece in pieces) == "a"
    assert choice.completion_tokens == 2
    assert pieces[-1].finish == STOP


@pytest.mark.parametrize("stop", [(), ("zzz",)], ids=["no stop strings", "stop strings"])
def test_an_id_that_was_not_the_end_is_spelt_after_all(tokenizer: Tokenizer, stop: tuple[str, ...]) -> None:
    """It waits only until the next message, and is not lost when the answer is cut off there."""
    end = ids_of(tokenizer, "b")[0]
    choice = choice_of(tokenizer, stop_token_ids=(end,), stop=stop)
    more = ids_of(tokenizer, "c")
    pieces = play(
        choice, Delta(token_ids=[end]), Delta(token_ids=more), Delta(token_ids=[end], finish=Finish(reason="length"))
    )

    assert "".join(piece.text for piece in pieces) == "bcb"


def test_a_waiting_end_counts_for_a_stop_string_behind_it(tokenizer: Tokenizer) -> None:
    """Ids that waited are counted once."""
    end = ids_of(tokenizer, "b")[0]
    choice = choice_of(tokenizer, stop_token_ids=(end,), stop=("bc",))
    pieces = play(choice, Delta(token_ids=[*ids_of(tokenizer, "a"), end]), Delta(token_ids=ids_of(tokenizer, "cd")))

    assert "".join(piece.text for piece in pieces) == "a"
    assert choice.completion_tokens == 3


def test_logprobs_stay_with_their_text(tokenizer: Tokenizer) -> None:
    """Each delivered id has its entry, spelt out; what has no text yet waits with its ids."""
    ids = ids_of(tokenizer, "🙂")
    choice = choice_of(tokenizer)
    deltas = [Delta(token_ids=[one], logprobs=[TokenLogprob(one, -0.5, ((one, -0.5),))]) for one in ids]
    pieces = play(choice, *deltas, Delta(finish=STOP))

    assert sum(bool(piece.text) for piece in pieces) == 1
    entries = pieces[0].logprobs
    assert ids == [entry.token_id for entry in entries]
    assert "🙂".encode() == b"".join(entry.token_bytes for entry in entries)
    assert [ids[0]] == [top.token_id for top in entries[0].top]


def test_special_tokens_are_shown_on_request(tokenizer: Tokenizer) -> None:
    """skip_special_tokens=false spells them."""
    special = ids_of(tokenizer, "<|im_start|>")
    shown = choice_of(tokenizer, skip_special_tokens=False)
    hidden = choice_of(tokenizer)

    assert play(shown, Delta(token_ids=special))[0].text == "<|im_start|>"
    assert play(hidden, Delta(token_ids=special)) == []


@pytest.mark.parametrize(("runtime", "shown"), [(Runtime.SGLANG, "ok\ufffd"), (Runtime.VLLM, "ok")])
def test_a_broken_end_is_the_engines(tokenizer: Tokenizer, runtime: Runtime, shown: str) -> None:
    """An answer cut inside a character ends as in the engine's own server; all its ids count."""
    ids = ids_of(tokenizer, "ok🚀")[:-1]
    choice = choice_of(tokenizer, runtime)
    pieces = play(choice, Delta(token_ids=ids), Delta(finish=Finish(reason="length")))

    assert "".join(piece.text for piece in pieces) == shown
    assert choice.completion_tokens == len(ids)


def test_a_broken_end_is_not_matched_as_a_stop(tokenizer: Tokenizer) -> None:
    """What is never shown ends no answer."""
    choice = choice_of(tokenizer, Runtime.VLLM, stop=("\ufffd",))
    pieces = play(choice, Delta(token_ids=ids_of(tokenizer, "ok 🚀")[:-1]), Delta(finish=Finish(reason="length")))

    assert [piece.finish for piece in pieces][-1] == Finish(reason="length")


@pytest.mark.parametrize("size", [1, 2, 5])
def test_stop_strings_wait_for_the_least_tokens(tokenizer: Tokenizer, size: int) -> None:
    """As many tokens as min_tokens come whatever they spell; a stop string may end with any token after them."""
    ids = ids_of(tokenizer, "aaaaaaa")
    assert len(ids) == 7
    choice = choice_of(tokenizer, stop=("aa",), min_tokens=3)
    pieces = play(choice, *[Delta(token_ids=ids[at : at + size]) for at in range(0, len(ids), size)])

    assert "".join(piece.text for piece in pieces) == "aa"
    assert choice.completion_tokens == 4
