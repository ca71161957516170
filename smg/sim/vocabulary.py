"""The tokenizer of the simulated model, made from the word list: the same bytes in every process.

Theory: byte-level BPE. Each known word grows from its first character by one merge per character, so the
tokens are exactly the bytes and the words' beginnings, and no two merges ever compete for the same pair.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from functools import cache
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from smg.sim.template import CHAT_TEMPLATE
from smg.sim.words import OPENERS, WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

END_OF_TEXT, START_OF_TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
ARCHITECTURE = "SimForCausalLM"
BLANK = "\u0120"
"""How byte-level BPE spells a blank."""


def _grow(vocabulary: dict[str, int], merges: list[tuple[str, str]], word: str) -> None:
    for end in range(2, len(word) + 1):
        if word[:end] not in vocabulary:
            vocabulary[word[:end]] = len(vocabulary)
            merges.append((word[: end - 1], word[end - 1]))


def _model() -> models.BPE:
    vocabulary = {character: number for number, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    for word in (*OPENERS, *(BLANK + word for word in WHOLE)):
        _grow(vocabulary, merges, word)
    return models.BPE(vocab=vocabulary, merges=merges)


@cache
def tokenizer() -> Tokenizer:
    """Return the tokenizer, built once per process (a few milliseconds)."""
    built = Tokenizer(_model())
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    built.decoder = decoders.ByteLevel()
    built.add_special_tokens([AddedToken(t, special=True) for t in (END_OF_TEXT, START_OF_TURN, END_OF_TURN)])
    return built


def encode(text: str) -> list[int]:
    """Return the token ids of a text; special tokens spelt in it are recognised, none is added."""
    return list(tokenizer().encode(text, add_special_tokens=False).ids)


def decode(token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
    """Return the text of tokens; bytes that are no whole character become U+FFFD."""
    return str(tokenizer().decode(list(token_ids), skip_special_tokens=skip_special_tokens))


@cache
def token_text(token_id: int) -> str:
    """Return the text of one token, special ones spelt out."""
    return decode([token_id], skip_special_tokens=False)


@cache
def _byte_values() -> dict[str, int]:
    """Return what each character of the byte-level alphabet stands for."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [value for value in range(0x100) if value not in plain]
    return {chr(v): v for v in plain} | {chr(0x100 + n): v for n, v in enumerate(rest)}


@cache
def token_bytes(token_id: int) -> bytes:
    """Return the bytes of one token; a special token's are its spelling."""
    spelling = tokenizer().id_to_token(token_id) or ""
    if token_id >= END_OF_TEXT_ID:
        return spelling.encode()
    return bytes(_byte_values()[character] for character in spelling)


VOCABULARY_SIZE = tokenizer().get_vocab_size()
END_OF_TEXT_ID, START_OF_TURN_ID, END_OF_TURN_ID = VOCABULARY_SIZE - 3, VOCABULARY_SIZE - 2, VOCABULARY_SIZE - 1


def _config(context_length: int) -> dict[str, Any]:
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "sim",
        "vocab_size": VOCABULARY_SIZE,
        "max_position_embeddings": context_length,
        "eos_token_id": END_OF_TURN_ID,
    }


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_TEXT,
        "bos_token": None,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


@cache
def files(context_length: int) -> dict[str, bytes]:
    """Return the files of the model's folder by name."""
    documents = {
        "tokenizer_config.json": _tokenizer_config(),
        "config.json": _config(context_length),
        "generation_config.json": {"eos_token_id": [END_OF_TURN_ID, END_OF_TEXT_ID], "temperature": 0.7},
    }
    written = {name: json.dumps(document, indent=1).encode() for name, document in documents.items()}
    return {"tokenizer.json": tokenizer().to_str().encode()} | written


def write(into: Path, context_length: int = 32_768) -> Path:
    """Write the model's files into a folder, made if need be, and return it; blocks."""
    into.mkdir(parents=True, exist_ok=True)
    for name, data in files(context_length).items():
        (into / name).write_bytes(data)
    return into


@cache
def bundle(context_length: int) -> tuple[bytes, str]:
    """Return the model's files as one zip archive, and its SHA-256 in hex."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files(context_length).items():
            out.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return archive.getvalue(), hashlib.sha256(archive.getvalue()).hexdigest()
