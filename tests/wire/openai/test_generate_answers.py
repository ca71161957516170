"""Tests of smg.wire.openai.generate_answers."""

from __future__ import annotations

import json
from typing import Any

from smg.core.generation import Finish
from smg.wire.openai.answer_style import ChoicePiece, PieceLogprob, Usage
from smg.wire.openai.generate_answers import GenerateShape, GenerateStyle
from smg.wire.sse import DONE, SseFramer

USAGE = Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=1)
ENTRY = PieceLogprob(
    token="a",
    token_bytes=b"a",
    token_id=7,
    logprob=-0.5,
    top=[PieceLogprob(token="b", token_bytes=b"b", token_id=8, logprob=-1.5)],
)


def style(count: int = 1, *, several: bool = False, logprobs: bool = False, spelt: bool = False) -> GenerateStyle:
    shape = GenerateShape(
        answer_ids=[f"r{index}" for index in range(count)],
        prompt_tokens=[3] * count,
        several=several,
        logprobs=[logprobs] * count,
        spelt=spelt,
    )
    return GenerateStyle(shape, lambda: 0.25)


def events(stream: bytes) -> list[Any]:
    return [json.loads(event) for event in SseFramer(1_000_000).feed(stream)]


def test_whole_answer_is_one_object() -> None:
    """With all that SGLang tells of it."""
    piece = ChoicePiece(index=0, text="ab", token_ids=[7, 8], finish=Finish(reason="stop", matched=2))

    assert json.loads(style().whole([piece], USAGE)) == {
        "text": "ab",
        "output_ids": [7, 8],
        "meta_info": {
            "id": "r0",
            "finish_reason": {"type": "stop", "matched": 2},
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "cached_tokens": 1,
            "e2e_latency": 0.25,
        },
    }


def test_several_answers_are_a_list() -> None:
    """How much of which prompt was cached is not known, so it is not told."""
    pieces = [
        ChoicePiece(index=0, text="a", token_ids=[7], finish=Finish(reason="length")),
        ChoicePiece(index=1, text="b", token_ids=[8], finish=Finish(reason="stop")),
    ]

    answers = json.loads(style(2, several=True).whole(pieces, USAGE))

    assert [answer["text"] for answer in answers] == ["a", "b"]
    assert [answer["meta_info"]["id"] for answer in answers] == ["r0", "r1"]
    assert [answer["meta_info"]["finish_reason"] for answer in answers] == [
        {"type": "length", "length": 1},
        {"type": "stop"},
    ]
    assert "cached_tokens" not in answers[0]["meta_info"]


def test_stream_repeats_the_text_from_the_beginning() -> None:
    """Each event is the whole answer so far; the last one says why it ended."""
    told = style()
    stream = told.first(0, USAGE) + told.piece(ChoicePiece(index=0, text="a", token_ids=[7]), USAGE)
    stream += told.piece(ChoicePiece(index=0, text="b", token_ids=[8], finish=Finish(reason="stop")), USAGE)

    first, second = events(stream)

    assert (first["text"], first["output_ids"], first["meta_info"]["finish_reason"]) == ("a", [7], None)
    assert (second["text"], second["output_ids"]) == ("ab", [7, 8])
    assert second["meta_info"]["finish_reason"] == {"type": "stop"}
    assert "index" not in second
    assert told.last(USAGE) == DONE


def test_events_of_several_answers_say_which() -> None:
    """Each answer has a text of its own."""
    told = style(2, several=True)
    stream = told.piece(ChoicePiece(index=1, text="b"), USAGE) + told.piece(ChoicePiece(index=0, text="a"), USAGE)

    assert [(event["index"], event["text"]) for event in events(stream)] == [(1, "b"), (0, "a")]


def test_logprobs_are_triples() -> None:
    """Log-probability, id, and the text only where it is asked for; of the prompt likewise."""
    piece = ChoicePiece(index=0, text="a", token_ids=[7], logprobs=[ENTRY], prompt_logprobs=[ENTRY])

    plain = json.loads(style(logprobs=True).whole([piece], USAGE))["meta_info"]
    spelt = json.loads(style(logprobs=True, spelt=True).whole([piece], USAGE))["meta_info"]
    alone = PieceLogprob(token="a", token_bytes=b"a", token_id=7, logprob=-0.5)
    no_top = json.loads(style(logprobs=True).whole([ChoicePiece(index=0, text="a", logprobs=[alone])], USAGE))
    silent = json.loads(style().whole([piece], USAGE))["meta_info"]

    assert plain["output_token_logprobs"] == plain["input_token_logprobs"] == [[-0.5, 7, None]]
    assert plain["output_top_logprobs"] == [[[-1.5, 8, None]]]
    assert spelt["output_token_logprobs"] == [[-0.5, 7, "a"]]
    assert "output_top_logprobs" not in no_top["meta_info"]
    assert "output_token_logprobs" not in silent
