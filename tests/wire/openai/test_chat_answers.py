"""Tests of smg.wire.openai.chat_answers."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from smg.core.generation import Finish
from smg.wire.openai.answer_style import ChoicePiece, PieceLogprob, Usage
from smg.wire.openai.chat_answers import ChatStyle
from smg.wire.openai.chunks import UsageWishes
from smg.wire.sse import DONE_DATA, SseFramer

USAGE = Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=1)
HEAD = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m/\\"1","choices":['
ENTRY = PieceLogprob(
    token="é",
    token_bytes=b"\xc3\xa9",
    token_id=7,
    logprob=-0.5,
    top=[
        PieceLogprob(token="é", token_bytes=b"\xc3\xa9", token_id=7, logprob=-0.5),
        PieceLogprob(token="a", token_bytes=b"a", token_id=8, logprob=-math.inf),
    ],
)
TOLD = {
    "content": [
        {
            "token": "é",
            "logprob": -0.5,
            "bytes": [195, 169],
            "top_logprobs": [
                {"token": "é", "logprob": -0.5, "bytes": [195, 169]},
                {"token": "a", "logprob": -9999.0, "bytes": [97]},
            ],
        }
    ]
}


def style(*, logprobs: bool = False, usage: UsageWishes | None = None) -> ChatStyle:
    return ChatStyle("chatcmpl-1", 'm/"1', 5, logprobs=logprobs, usage=usage or UsageWishes())


def events(stream: bytes) -> list[str]:
    return [event.decode() for event in SseFramer(1_000_000).feed(stream)]


def test_stream_opens_with_the_role() -> None:
    """And with an empty text, for clients that add texts up."""
    choice = '{"index":1,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}'

    assert events(style().first(1, USAGE)) == [HEAD + choice]


@pytest.mark.parametrize(
    ("piece", "choice"),
    [
        (
            ChoicePiece(index=0, text='a"\né'),
            '{"index":0,"delta":{"content":"a\\"\\né"},"logprobs":null,"finish_reason":null}',
        ),
        (
            ChoicePiece(index=2, text="z", finish=Finish(reason="length")),
            (
                '{"index":2,"delta":{"content":"z"},"logprobs":null,'
                '"finish_reason":"length","matched_stop":null,"stop_reason":null}'
            ),
        ),
        (
            ChoicePiece(index=0, text="", finish=Finish(reason="stop", matched="END")),
            '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop","matched_stop":"END","stop_reason":"END"}',
        ),
        (
            ChoicePiece(index=0, text="", finish=Finish(reason="stop", matched=2)),
            '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop","matched_stop":2,"stop_reason":2}',
        ),
    ],
)
def test_piece_is_one_chunk(piece: ChoicePiece, choice: str) -> None:
    """The last one tells why it is the last."""
    assert events(style().piece(piece, USAGE)) == [f"{HEAD}{choice}]}}"]


def test_usage_comes_where_it_was_asked_for() -> None:
    """At the end in a chunk of its own; in every chunk by vLLM's extension; else nowhere."""
    told = (
        '"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1}}'
    )
    every = style(usage=UsageWishes(in_chunks=True)).piece(ChoicePiece(index=0, text="a"), USAGE)

    assert events(style().last(USAGE)) == ["[DONE]"]
    assert events(style(usage=UsageWishes(at_end=True)).last(USAGE)) == [f"{HEAD}],{told}}}", "[DONE]"]
    assert events(every)[0].endswith(f"],{told}}}")
    assert events(style(usage=UsageWishes(in_chunks=True)).first(0, USAGE))[0].endswith(f"],{told}}}")


def test_whole_answer_is_one_body() -> None:
    """Choices in order, then the usage."""
    usage = Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=0, reasoning_tokens=1)
    pieces = [
        ChoicePiece(index=0, text="a", finish=Finish(reason="stop")),
        ChoicePiece(index=1, text="b", finish=Finish(reason="length")),
    ]

    assert json.loads(style().whole(pieces, usage)) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 5,
        "model": 'm/"1',
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": text},
                "logprobs": None,
                "finish_reason": reason,
                "matched_stop": None,
                "stop_reason": None,
            }
            for index, (text, reason) in enumerate([("a", "stop"), ("b", "length")])
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }


def test_logprobs_are_told_when_asked_for() -> None:
    """A probability of zero is told as engines tell it, since JSON has no infinity."""
    piece = ChoicePiece(index=0, text="é", logprobs=[ENTRY], finish=Finish(reason="stop"))

    assert json.loads(style(logprobs=True).whole([piece], USAGE))["choices"][0]["logprobs"] == TOLD
    assert json.loads(events(style(logprobs=True).piece(piece, USAGE))[0])["choices"][0]["logprobs"] == TOLD
    assert json.loads(style().whole([piece], USAGE))["choices"][0]["logprobs"] is None


def test_openai_client_parses_every_shape() -> None:
    """Its own types, strictly."""
    piece = ChoicePiece(index=0, text="é", logprobs=[ENTRY], finish=Finish(reason="stop", matched="x"))
    wishes = UsageWishes(at_end=True)
    asked = style(logprobs=True, usage=wishes)
    stream = asked.first(0, USAGE) + asked.piece(ChoicePiece(index=0, text="é"), USAGE) + asked.piece(piece, USAGE)
    *chunks, end = events(stream + asked.last(USAGE))

    parsed = [ChatCompletionChunk.model_validate_json(chunk) for chunk in chunks]
    whole = ChatCompletion.model_validate_json(asked.whole([piece], USAGE))

    assert end.encode() == DONE_DATA
    assert "".join(chunk.choices[0].delta.content or "" for chunk in parsed[:-1]) == "éé"
    assert parsed[-1].usage is not None
    assert whole.choices[0].message.content == "é"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 127))
def test_any_text_survives_the_frame(text: str, index: int) -> None:
    """Line ends, quotes, control characters: nothing breaks out of its event."""
    [event] = events(style().piece(ChoicePiece(index=index, text=text), USAGE))
    choice = json.loads(event)["choices"][0]

    assert (choice["index"], choice["delta"]["content"]) == (index, text)
