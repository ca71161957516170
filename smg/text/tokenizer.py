"""One model's tokenizer and what its files say about text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import tokenizers

from smg.text import model_facts
from smg.text.cuts import Cuts
from smg.text.errors import TokenizerError
from smg.text.longest_token import longest_token_bytes
from smg.text.model_files import ModelFiles
from smg.text.spelling import Spelling
from smg.text.template import ChatTemplate

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path


class DecoderPart(msgspec.Struct):
    """The one part of ``tokenizer.json`` that is read beside the library."""

    decoder: dict[str, Any] | None = None


class Tokenizer:
    """Turns text into token ids and back; may be used from several threads at once.

    Attributes:
        eos_token_ids: Every id that ends an answer, whichever of the model's files names it.
        vocab_size: Ids run from 0 to one less, added tokens included.
        context_length: Tokens of prompt and answer together; None where no file says.
        special_tokens: Special tokens by role, as a chat template is given them.
        template: The model's own chat template; None where it has none.
        sampling_defaults: What the model's makers advise where a caller is silent.
        answer_tokens: How long they let an answer be then, in tokens; None where no file says.
        fingerprint: SHA-256 over the files, the same for the same tokenizer wherever it came from.
        spelling: How token names spell bytes.
        special_ids: What ``skip_special_tokens`` leaves out.
        whole_texts: The tokens that are texts by themselves.
        cuts: Where a conversation may be cut to be encoded in pieces.
    """

    def __init__(self, files: ModelFiles) -> None:
        """Load from files already read; blocks, up to seconds for a large vocabulary."""
        self._library, decoder = _load(files.tokenizer)
        self._longest_bytes = longest_token_bytes(files.tokenizer)
        self.spelling = Spelling.of(decoder)
        self.special_tokens = model_facts.special_tokens(files.configs)
        self.special_ids = self._mark_special()
        self.cuts = Cuts(self._added(), (*files.templates.values(), *self.special_tokens.values()))
        self._bytes: dict[int, bytes] = {}  # filled as ids are met; never more than the vocabulary
        self.whole_texts = WholeTexts(self)
        self.eos_token_ids = model_facts.eos_ids(files.configs) | self._own_eos()
        self.vocab_size = max(self._library.get_vocab().values(), default=-1) + 1
        self.context_length = model_facts.context_length(files.configs)
        self.sampling_defaults = model_facts.sampling_defaults(files.configs)
        self.answer_tokens = model_facts.answer_tokens(files.configs)
        self.fingerprint = files.fingerprint
        self.template = ChatTemplate.of(files.templates, self.special_tokens)

    def __repr__(self) -> str:
        return f"<Tokenizer {self.fingerprint[:12]} vocab_size={self.vocab_size} context_length={self.context_length}>"

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Load from a model's directory or a single ``tokenizer.json``; blocks.

        Raises:
            TokenizerError: The path holds no usable tokenizer; the message says why.
        """
        return cls(ModelFiles.read(path))

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Return the ids of ``text``; about 0.3 s per megabyte, without holding the interpreter lock.

        Args:
            text: Any text; special tokens spelt out in it become their ids.
            add_special_tokens: Put the model's opening and closing tokens around it.

        Raises:
            TokenizerError: The text holds half of a surrogate pair.
        """
        try:
            # the batch call, since encode() holds the interpreter lock and works out offsets nobody reads
            return self._library.encode_batch_fast([text], add_special_tokens=add_special_tokens)[0].ids
        except TypeError as exc:
            raise TokenizerError("text is not valid unicode") from exc

    def least_tokens(self, text: str) -> int:
        """Return a number of tokens that ``text`` cannot be below, at once; 0 where nothing is known."""
        return 0 if self._longest_bytes is None else len(text) // self._longest_bytes

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Return the text of ``ids``; ids outside the vocabulary stand for nothing.

        Raises:
            TokenizerError: An id is negative or beyond 32 bits.
        """
        try:
            return self._library.decode(ids, skip_special_tokens=skip_special_tokens)
        except OverflowError as exc:
            raise TokenizerError("token id is out of range") from exc

    def name(self, token_id: int) -> str:
        """Return how the vocabulary writes one token, marks for spaces and bytes included; empty outside of it."""
        return self._library.id_to_token(token_id) or ""

    def token(self, token_id: int) -> str:
        """Return the text of one token; bytes that are no whole character show as U+FFFD."""
        return self.token_bytes(token_id).decode(errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes one token stands for; none for an id outside the vocabulary."""
        spelt = self._bytes.get(token_id)
        if spelt is None:
            spelt = self.spell(token_id)
            if spelt:
                self._bytes[token_id] = spelt
        return spelt

    def spell(self, token_id: int) -> bytes:
        """Return the same, worked out anew."""
        name = self._library.id_to_token(token_id) if 0 <= token_id < self.vocab_size else None
        return b"" if name is None else self.spelling.spell(name)

    def _mark_special(self) -> frozenset[int]:
        named = [token for token in self.special_tokens.values() if self._library.token_to_id(token) is not None]
        self._library.add_special_tokens(named)
        added = self._library.get_added_tokens_decoder()
        return frozenset(token_id for token_id, token in added.items() if token.special)

    def _added(self) -> Collection[tokenizers.AddedToken]:
        return self._library.get_added_tokens_decoder().values()

    def _own_eos(self) -> frozenset[int]:
        token_id = self._library.token_to_id(self.special_tokens.get("eos_token", ""))
        return frozenset() if token_id is None else frozenset([token_id])


class WholeTexts(dict[int, str | None]):
    """Text of each token that is one by itself, None for one that begins or ends inside a character.

    Filled as ids are met; never more than the vocabulary.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, token_id: int) -> str | None:
        try:
            text = self._tokenizer.spell(token_id).decode()
        except UnicodeDecodeError:
            text = None
        if 0 <= token_id < self._tokenizer.vocab_size:
            self[token_id] = text
        return text


def _load(content: bytes) -> tuple[tokenizers.Tokenizer, dict[str, Any] | None]:
    try:
        library = tokenizers.Tokenizer.from_buffer(content)
        decoder = msgspec.json.decode(content, type=DecoderPart).decoder
    except (ValueError, RecursionError) as exc:
        raise TokenizerError(f"tokenizer.json cannot be used: {exc}") from exc
    # a saved tokenizer may cut or pad what it encodes; engines do neither
    library.no_truncation()
    library.no_padding()
    return library, decoder
