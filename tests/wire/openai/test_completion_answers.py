"""Tests of smg.wire.openai.completion_answers."""

from __future__ import annotations

import json

from openai.types import Completion

from smg.core.generation import Finish
from smg.wire.openai.answer_style import ChoicePiece, PieceLogprob, Usage
from smg.wire.openai.chunks import UsageWishes
from smg.wire.openai.completion_answers import CompletionStyle
from smg.wire.sse import SseFramer

USAGE = Usage(prompt_tokens=2, completion_tokens=2, cached_tokens=0)
HEAD = '{"id":"cmpl-1","object":"text_completion","created":5,"model":"m","choices":['


def events(stream: bytes) -> list[str]:
    return [event.decode() for event in SseFramer(1_000_000).feed(stream)]


def entry(token: str, logprob: float | None, *top: tuple[str, float]) -> PieceLogprob:
    others = [PieceLogprob(token=text, token_bytes=b"", token_id=0, logprob=value) for text, value in top]
    return PieceLogprob(token=token, token_bytes=token.encode(), token_id=1, logprob=logprob, top=others)


def test_stream_is_text_by_text() -> None:
    """No opening chunk, one per piece, the reason in the last."""
    style = CompletionStyle("cmpl-1", "m", 5, usage=UsageWishes(at_end=True))
    stream = style.first(3, USAGE) + style.piece(ChoicePiece(index=3, text="a\n"), USAGE)
    stream += style.piece(ChoicePiece(index=3, text="", finish=Finish(reason="length")), USAGE) + style.last(USAGE)

    assert events(stream) == [
        HEAD + '{"index":3,"text":"a\\n","logprobs":null,"finish_reason":null}]}',
        HEAD
        + '{"index":3,"text":"","logprobs":null,"finish_reason":"length","matched_stop":null,"stop_reason":null}]}',
        HEAD + '],"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4}}',
        "[DONE]",
    ]


def test_echo_stands_before_each_choice_once() -> None:
    """In a stream before its first piece only."""
    style = CompletionStyle("cmpl-1", "m", 5, echoes=["p", "q"])
    pieces = [ChoicePiece(index=0, text="a"), ChoicePiece(index=1, text="b"), ChoicePiece(index=0, text="c")]

    texts = [json.loads(event)["choices"][0]["text"] for piece in pieces for event in events(style.piece(piece, USAGE))]

    assert texts == ["pa", "qb", "c"]


def test_logprobs_stand_in_columns() -> None:
    """The prompt's first, since it is echoed; offsets count characters of the choice's text."""
    style = CompletionStyle("cmpl-1", "m", 5, echoes=["pé"], logprobs=1)
    piece = ChoicePiece(
        index=0,
        text="ab",
        prompt_logprobs=[entry("p", None), entry("é", -1.0, ("é", -1.0))],
        logprobs=[entry("ab", -2.0, ("x", -0.5), ("x", -0.7))],
    )
    after = ChoicePiece(index=0, text="c", logprobs=[entry("c", -3.0)], finish=Finish(reason="stop"))

    [first] = events(style.piece(piece, USAGE))
    [second] = events(style.piece(after, USAGE))

    assert json.loads(first)["choices"][0] == {
        "index": 0,
        "text": "péab",
        "logprobs": {
            "tokens": ["p", "é", "ab"],
            "token_logprobs": [None, -1.0, -2.0],
            "top_logprobs": [None, {"é": -1.0}, {"x": -0.5, "ab": -2.0}],
            "text_offset": [0, 1, 2],
        },
        "finish_reason": None,
    }
    assert json.loads(second)["choices"][0]["logprobs"] == {
        "tokens": ["c"],
        "token_logprobs": [-3.0],
        "top_logprobs": [{"c": -3.0}],
        "text_offset": [4],
    }


def test_as_many_alternatives_are_told_as_were_asked_for() -> None:
    """The likeliest, whatever the engine's order, and the token itself beside them."""
    style = CompletionStyle("cmpl-1", "m", 5, logprobs=2)
    told = entry("d", -9.0, ("d", -9.0), ("a", -0.5), ("b", -0.7), ("c", -0.9))
    [event] = events(style.piece(ChoicePiece(index=0, text="d", logprobs=[told]), USAGE))

    assert json.loads(event)["choices"][0]["logprobs"]["top_logprobs"] == [{"a": -0.5, "b": -0.7, "d": -9.0}]


def test_offsets_go_by_the_tokens_told() -> None:
    """A text held back for a stop string comes later than its tokens."""
    style = CompletionStyle("cmpl-1", "m", 5, logprobs=0)
    pieces = [ChoicePiece(index=0, text="a", logprobs=[entry("abc", -1.0)])]
    pieces.append(ChoicePiece(index=0, text="bcd", logprobs=[entry("d", -1.0)]))
    told = [json.loads(event)["choices"][0] for piece in pieces for event in events(style.piece(piece, USAGE))]

    assert [choice["logprobs"]["text_offset"] for choice in told] == [[0], [3]]


def test_openai_client_parses_the_whole_answer() -> None:
    """Prompts times answers, in order."""
    style = CompletionStyle("cmpl-1", "m", 5, logprobs=1)
    pieces = [
        ChoicePiece(index=index, text=str(index), logprobs=[entry("a", -1.0)], finish=Finish(reason="stop"))
        for index in range(4)
    ]

    parsed = Completion.model_validate_json(style.whole(pieces, USAGE))

    assert [(choice.index, choice.text) for choice in parsed.choices] == [(0, "0"), (1, "1"), (2, "2"), (3, "3")]
    assert parsed.usage is not None
    assert parsed.usage.total_tokens == 4


def test_usage_so_far_is_told_when_asked_for() -> None:
    """In each chunk."""
    style = CompletionStyle("cmpl-1", "m", 5, usage=UsageWishes(in_chunks=True))

    [event] = events(style.piece(ChoicePiece(index=0, text="a"), USAGE))

    assert json.loads(event)["usage"]["total_tokens"] == 4
