"""Bodies of the endpoints that read text and write none."""

from __future__ import annotations

from typing import Any, ClassVar

from smg.wire.openai.chat_messages import check_messages
from smg.wire.openai.decoding import Body
from smg.wire.openai.ranges import TOKEN_ID_MAX, Range, bad, check_ranges
from smg.wire.openai.tools import Tool, told

MAX_DOCUMENTS = 1_024


class EmbeddingBody(Body, kw_only=True):
    """What a caller of ``/v1/embeddings`` may say.

    Attributes:
        input: One text or one list of ids, or several of either.
        encoding_format: ``float`` (the default), or ``base64`` of little-endian 32-bit floats.
        dimensions: Length of the vectors, for models that can shorten them.
    """

    refused: ClassVar[frozenset[str]] = frozenset({"truncate_prompt_tokens", "messages"})

    input: str | list[str | int | list[int]]
    model: str | None = None
    encoding_format: str | None = None
    dimensions: int | None = None
    user: str | None = None
    rid: str | None = None

    def check(self) -> None:
        """Raise an error that names the first field whose value cannot be served."""
        check_ranges(self, {"dimensions": Range(1, TOKEN_ID_MAX)})
        if self.encoding_format not in {None, "float", "base64"}:
            raise bad("encoding_format", "must be float or base64")


class ClassifyBody(Body, kw_only=True):
    """What a caller of ``/v1/classify`` may say."""

    input: str | list[str | int | list[int]]
    model: str | None = None
    priority: int | None = None
    user: str | None = None
    rid: str | None = None


class RerankBody(Body, kw_only=True):
    """What a caller of ``/v1/rerank`` may say.

    Attributes:
        top_k: Results to return at most; ``top_n`` is another name for it.
        return_documents: Whether the results repeat the documents; by default they do.
    """

    query: str
    documents: list[str]
    model: str | None = None
    top_k: int | None = None
    top_n: int | None = None
    return_documents: bool | None = None
    user: str | None = None
    rid: str | None = None

    def check(self) -> None:
        """Raise an error that names the first field whose value cannot be served."""
        check_ranges(self, {"top_k": Range(1, TOKEN_ID_MAX), "top_n": Range(1, TOKEN_ID_MAX)})
        if not 1 <= len(self.documents) <= MAX_DOCUMENTS:
            raise bad("documents", f"must hold 1 to {MAX_DOCUMENTS} texts")


class ScoreBody(Body, kw_only=True):
    """What a caller of ``/v1/score`` may say: each of the second is scored against the first."""

    text_1: str | list[str]
    text_2: str | list[str]
    model: str | None = None
    user: str | None = None
    rid: str | None = None

    def check(self) -> None:
        """Raise an error that names the first field whose value cannot be served."""
        for name in ("text_1", "text_2"):
            if not getattr(self, name):
                raise bad(name, "must not be empty")


class TokenizeBody(Body, kw_only=True):
    """What a caller of ``/tokenize`` may say: a prompt, several, or a chat.

    Attributes:
        add_special_tokens: Whether the model's own frame of a text is added; the default is the reader's.
        return_token_strs: Whether the tokens are spelt out, too.
    """

    model: str | None = None
    prompt: str | list[str] | None = None
    messages: list[dict[str, Any]] | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    tools: list[Tool] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    return_token_strs: bool | None = None

    def check(self) -> None:
        """Raise an error that names the first field whose value cannot be served."""
        if (self.prompt is None) == (self.messages is None):
            raise bad("prompt", "or messages must be given, and not both")
        if self.messages is not None:
            check_messages(self.messages)

    @property
    def tool_fields(self) -> list[dict[str, Any]] | None:
        """The tools as plain values for a chat template; None if there are none."""
        return told(self.tools)


class DetokenizeBody(Body, kw_only=True):
    """What a caller of ``/detokenize`` may say: one list of ids, or several."""

    tokens: list[int | list[int]]
    model: str | None = None
    skip_special_tokens: bool | None = None

    def check(self) -> None:
        """Raise an error that names the first field whose value cannot be served."""
        lists = [item if isinstance(item, list) else [item] for item in self.tokens]
        if len({isinstance(item, list) for item in self.tokens}) > 1:
            raise bad("tokens", "must hold ids, or lists of ids, not both")
        if not all(0 <= token_id <= TOKEN_ID_MAX for ids in lists for token_id in ids):
            raise bad("tokens", f"must hold ids of 0 to {TOKEN_ID_MAX}")
