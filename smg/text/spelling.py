"""The bytes behind a token's name, by the family of decoder a tokenizer declares.

Theory: vocabularies name tokens in an alphabet of their own. Byte-level BPE writes every byte as one printable
character; Llama-like vocabularies write a space as ``▁`` and an unknown byte as ``<0xNN>``; WordPiece marks
continuations with ``##``. For the first two families a text is the concatenation of its tokens' bytes, which
``joins`` says; for all others only the library's own decoder knows what stands between two tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FALLBACK_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
SPACE_MARK = "▁"
JOINING_STEPS = {"Replace", "ByteFallback"}


def byte_alphabet() -> dict[str, int]:
    """Return the byte that each character of byte-level BPE stands for."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + rank): byte for rank, byte in enumerate(hidden)}


ALPHABET = byte_alphabet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How one tokenizer spells its tokens.

    Attributes:
        byte_level: Each character of a token stands for one byte.
        byte_fallback: A token ``<0xNN>`` stands for that byte.
        replacements: Marks, and what they stand for.
        prefix: Mark of a continuation, dropped from a token's front.
        joins: Bytes of tokens one after another are the bytes of the text.
        stripped_spaces: Spaces the decoder takes from the front of a whole text; only where ``joins``.
    """

    byte_level: bool = False
    byte_fallback: bool = False
    replacements: tuple[tuple[str, str], ...] = ()
    prefix: str = ""
    joins: bool = False
    stripped_spaces: int = 0

    @classmethod
    def of(cls, decoder: Mapping[str, Any] | None) -> Spelling:
        """Read the ``decoder`` object of a ``tokenizer.json``; an unknown one spells tokens as they are named."""
        steps = list(_steps(decoder or {}))
        kinds = [step.get("type") for step in steps]
        return cls(
            byte_level="ByteLevel" in kinds,
            byte_fallback="ByteFallback" in kinds,
            replacements=tuple(_replacements(steps)),
            prefix=next((step["prefix"] for step in steps if step.get("type") == "WordPiece"), ""),
            joins=_joins(steps),
            stripped_spaces=steps[-1]["start"] if kinds[-1:] == ["Strip"] else 0,
        )

    def spell(self, token: str) -> bytes:
        """Return the bytes a token adds to a text."""
        if self.byte_level:
            return _from_alphabet(token)
        if self.byte_fallback and (match := FALLBACK_BYTE.fullmatch(token)):
            return bytes([int(match[1], 16)])
        token = token.removeprefix(self.prefix)
        for mark, text in self.replacements:
            token = token.replace(mark, text)
        return token.encode()


def _from_alphabet(token: str) -> bytes:
    # an added token may hold characters outside the alphabet; it then stands for itself, as in the library
    try:
        return bytes([ALPHABET[char] for char in token])
    except KeyError:
        return token.encode()


def _steps(decoder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if decoder.get("type") == "Sequence":
        for inner in decoder["decoders"]:
            yield from _steps(inner)
    elif decoder:
        yield decoder


def _replacements(steps: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for step in steps:
        match step:
            case {"type": "Replace", "pattern": {"String": str(mark)}, "content": str(text)}:
                yield mark, text
            case {"type": "Metaspace"}:
                yield step.get("replacement", SPACE_MARK), " "
            case {"type": "BPEDecoder", "suffix": str(mark)}:
                yield mark, " "
            case _:
                pass


def _joins(steps: list[Mapping[str, Any]]) -> bool:
    match steps:
        case [{"type": "ByteLevel"}]:
            return True
        case [*first, {"type": "Fuse"}] | [*first, {"type": "Fuse"}, {"type": "Strip", "content": " ", "stop": 0}]:
            return all(_joins_on(step) for step in first)
        case _:
            return False


def _joins_on(step: Mapping[str, Any]) -> bool:
    is_regex = "Regex" in step.get("pattern", {})
    return step["type"] in JOINING_STEPS and not is_regex
