"""What every answer costs, and every chunk of a stream: head, framing, events, tokens spelt out."""

from __future__ import annotations

import pytest

from smg.text.detokenize import Detokenizer
from smg.text.tokenizer import Tokenizer
from smg.wire.answer_body import ChunkyBody, SizedBody
from smg.wire.answer_head import read_answer_head
from smg.wire.event_relay import EventRelay
from smg.wire.openai.answer_style import ChoicePiece, PieceLogprob, Usage
from smg.wire.openai.chat_answers import ChatStyle
from smg.wire.openai.chunks import UsageWishes
from smg.wire.openai.completion_answers import CompletionStyle
from tests.text.tokenizers_made import make_model_dir

HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 12:00:00 GMT\r\nserver: uvicorn\r\n"
    b"content-type: text/event-stream; charset=utf-8\r\nx-request-id: 0123456789abcdef\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795520000,"model":"tiny","choices":'
    b'[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
PLAIN = b"x" * (1 << 16)
EVENT_LIMIT = 1 << 20
TOP = [PieceLogprob(token=f" w{n}", token_bytes=b" w", token_id=n, logprob=-1.5) for n in range(5)]
USAGE = Usage(prompt_tokens=30, completion_tokens=20, cached_tokens=0)
TEXT = "The quick brown fox, who knows of naïve 东 and 🙂, jumps over the lazy dog. " * 4


def test_read_answer_head(benchmark):
    """The head of a streamed answer."""
    assert benchmark(read_answer_head, HEAD).chunked


def test_chunk_of_a_body(benchmark):
    """One event, taken out of its chunk."""
    assert benchmark(ChunkyBody().feed, CHUNK) == EVENT


def test_piece_of_a_sized_body(benchmark):
    """One read of 64 KiB out of an endless body."""
    assert benchmark(SizedBody(1 << 60).feed, PLAIN) == PLAIN


def test_event_relay(benchmark):
    """One whole event of a stream that is passed on."""
    assert benchmark(EventRelay(EVENT_LIMIT).feed, EVENT) == EVENT


def test_event_relay_of_half_events(benchmark):
    """One event that comes in two reads."""
    relay = EventRelay(EVENT_LIMIT)

    assert benchmark(lambda: relay.feed(EVENT[:90]) + relay.feed(EVENT[90:])) == EVENT


@pytest.mark.parametrize("logprobs", [False, True], ids=["text", "logprobs"])
@pytest.mark.parametrize("kind", [ChatStyle, CompletionStyle])
def test_frame_of_a_token(benchmark, kind, logprobs):
    """One token of a gRPC worker as an event."""
    told = [PieceLogprob(token=" w", token_bytes=b" w", token_id=7, logprob=-0.5, top=TOP)] if logprobs else []
    style = kind("chatcmpl-1", "tiny", 1_795_520_000, logprobs=logprobs, usage=UsageWishes())
    piece = ChoicePiece(index=0, text=' "word"', token_ids=[7], logprobs=told)

    assert benchmark(style.piece, piece, USAGE).startswith(b"data: {")


def test_detokenize(benchmark, tmp_path):
    """A whole answer, token by token."""
    tokenizer = Tokenizer.load(make_model_dir(tmp_path))
    ids = tokenizer.encode(TEXT, add_special_tokens=False)

    def spelt():
        detokenizer = Detokenizer(tokenizer, skip_special_tokens=True)
        return "".join([*(detokenizer.push([each]) for each in ids), detokenizer.finish()])

    assert benchmark(spelt) == TEXT
