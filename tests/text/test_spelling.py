"""Token names and the bytes behind them."""

from __future__ import annotations

from typing import Any

import pytest

from smg.text.spelling import ALPHABET, Spelling

REPLACE = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
FALLBACK = {"type": "ByteFallback"}
FUSE = {"type": "Fuse"}
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "decoders": list(steps)}


def test_alphabet_covers_every_byte_once() -> None:
    """Byte-level BPE writes each byte as one character of its own."""
    assert sorted(ALPHABET.values()) == list(range(256))
    assert ALPHABET["Ġ"] == 0x20


@pytest.mark.parametrize(
    ("decoder", "joins", "spaces"),
    [
        ({"type": "ByteLevel"}, True, 0),
        (sequence(REPLACE, FALLBACK, FUSE, STRIP), True, 1),
        (sequence(REPLACE, FALLBACK, FUSE), True, 0),
        (sequence({"type": "ByteLevel"}), True, 0),
        (sequence(REPLACE, FALLBACK), False, 0),
        (sequence({**REPLACE, "pattern": {"Regex": "x+"}}, FUSE), False, 0),
        (sequence(FUSE, {**STRIP, "stop": 1}), False, 1),
        ({"type": "Metaspace", "replacement": "▁"}, False, 0),
        ({"type": "WordPiece", "prefix": "##"}, False, 0),
        (None, False, 0),
    ],
)
def test_only_plain_decoders_join(decoder: dict[str, Any] | None, joins: bool, spaces: int) -> None:
    """Bytes may be put one after another only where the decoder does nothing else."""
    spelling = Spelling.of(decoder)

    assert (spelling.joins, spelling.stripped_spaces) == (joins, spaces)


@pytest.mark.parametrize(
    ("decoder", "token", "spelt"),
    [
        ({"type": "ByteLevel"}, "two words", b"two words"),
        (sequence(REPLACE, FALLBACK, FUSE), "<0xe4>", b"\xe4"),
        (sequence(REPLACE, FUSE), "<0xE4>", b"<0xE4>"),
        ({"type": "BPEDecoder", "suffix": "</w>"}, "end</w>", b"end "),
        ({"type": "CTC"}, "a", b"a"),
    ],
)
def test_token_is_spelt_by_its_family(decoder: dict[str, Any], token: str, spelt: bytes) -> None:
    """What a name stands for depends on the decoder."""
    assert Spelling.of(decoder).spell(token) == spelt
