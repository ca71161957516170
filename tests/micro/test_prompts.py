"""What a conversation costs on its way to a gRPC engine: its text in ids."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from smg.text.encoder import Encoder
from smg.text.tokenizer import Tokenizer
from tests.text.tokenizers_made import make_model_dir

TURN = "<|im_start|>user\n" + "Some words of a longer prompt, and some more of them. " * 20 + "<|im_end|>\n"
TURNS = TURN * 30
"""Some 30,000 characters."""


@pytest.mark.parametrize("cache_bytes", [pytest.param(1 << 26, id="goes on"), pytest.param(0, id="new")])
def test_conversation(benchmark, tmp_path, cache_bytes):
    """A conversation with a short new turn each time, its earlier turns known or not."""
    tokenizer = Tokenizer.load(make_model_dir(tmp_path))
    turns = count()
    with asyncio.Runner() as runner:
        encoder = Encoder(cache_bytes=cache_bytes)

        def converse():
            text = f"{TURNS}<|im_start|>user\nQuestion {next(turns)}<|im_end|>\n<|im_start|>assistant\n"
            return runner.run(encoder.encode(tokenizer, text, add_special_tokens=False))

        assert len(converse()) > 1000
        assert benchmark(converse)
        runner.run(encoder.aclose())
