"""How answers are spelt in JSON: chat and plain completions, streamed and whole."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from smg.core.words import Runtime
from smg.sim import vocabulary
from smg.sim.chances import alternatives, logprob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.sim.generations import Choice, Piece


class TextCursor:
    """Turns the pieces of one choice into text, holding back what is no whole character yet."""

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._shown = 0

    def push(self, piece: Piece) -> str:
        """Return the new text; never more than the answer's text, all of it with the last piece."""
        whole = piece.choice.answer.text
        self._pending += piece.token_ids
        text = vocabulary.decode(self._pending)
        if piece.last and piece.choice.ended == "finished":
            text = whole[self._shown :]
        elif text.endswith("\ufffd"):
            return ""
        self._pending.clear()
        text = text[: len(whole) - self._shown]
        self._shown += len(text)
        return text


@dataclass(slots=True)
class Done:
    """One finished choice: its place in the answer, and the text before it, if that is echoed."""

    index: int
    choice: Choice
    text: str
    echo: str = ""


def finish_reason(choice: Choice) -> str:
    """Return why a choice ended."""
    return "abort" if choice.ended == "aborted" else choice.answer.finish


@dataclass(slots=True)
class Style:
    """What is the same in every answer of a request.

    Attributes:
        logprobs: Alternatives per token; None if no log probabilities are wanted.
    """

    answer_id: str
    model: str
    runtime: Runtime
    logprobs: int | None
    created: int = 0
    whole_object: ClassVar[str]
    chunk_object: ClassVar[str]

    def __post_init__(self) -> None:
        self.created = int(time.time())

    def envelope(self, kind: str, choices: list[Any], usage: dict[str, Any] | None) -> dict[str, Any]:
        """Return the fields around the choices; the usage only where there is one."""
        around = {"id": self.answer_id, "object": kind, "created": self.created, "model": self.model}
        return around | {"choices": choices} | ({"usage": usage} if usage else {})

    def ending(self, choice: Choice) -> dict[str, Any]:
        """Return what ended a choice, in the runtime's words."""
        name = "stop_reason" if self.runtime is Runtime.VLLM else "matched_stop"
        matched = choice.answer.matched
        if matched is None and choice.answer.finish == "stop" and self.runtime is Runtime.SGLANG:
            matched = vocabulary.END_OF_TURN_ID
        return {"finish_reason": finish_reason(choice), name: matched}

    def opening(self, index: int) -> dict[str, Any] | None:
        """Return the chunk choice that opens a choice, if there is one."""
        raise NotImplementedError

    def delta(self, index: int, text: str, piece: Piece) -> dict[str, Any]:
        """Return the chunk choice of new text."""
        raise NotImplementedError

    def whole(self, done: Done) -> dict[str, Any]:
        """Return the choice of an answer that is not streamed."""
        raise NotImplementedError


class ChatStyle(Style):
    """Chat completions."""

    whole_object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def opening(self, index: int) -> dict[str, Any]:  # noqa: D102
        return {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}

    def delta(self, index: int, text: str, piece: Piece) -> dict[str, Any]:  # noqa: D102
        ending = self.ending(piece.choice) if piece.last else {"finish_reason": None}
        logprobs = self._logprobs(piece.token_ids, piece.start)
        return {"index": index, "delta": {"content": text}, "logprobs": logprobs, **ending}

    def whole(self, done: Done) -> dict[str, Any]:  # noqa: D102
        token_ids = done.choice.answer.token_ids[: done.choice.produced]
        message: dict[str, Any] = {"role": "assistant", "content": done.text, "refusal": None, "tool_calls": []}
        logprobs = self._logprobs(token_ids, 0)
        return {"index": done.index, "message": message, "logprobs": logprobs, **self.ending(done.choice)}

    def _logprobs(self, token_ids: Sequence[int], start: int) -> dict[str, Any] | None:
        if self.logprobs is None:
            return None
        return {"content": [self._token(token, start + at) for at, token in enumerate(token_ids)]}

    def _token(self, token: int, position: int) -> dict[str, Any]:
        top = [_chance(*one) for one in alternatives(token, position, self.logprobs or 0)]
        return {**_chance(token, logprob(token, position)), "top_logprobs": top}


def _chance(token: int, value: float) -> dict[str, Any]:
    return {"token": vocabulary.token_text(token), "logprob": value, "bytes": list(vocabulary.token_bytes(token))}


class CompletionStyle(Style):
    """Plain completions."""

    whole_object = chunk_object = "text_completion"

    def opening(self, index: int) -> None:  # noqa: ARG002, D102
        return None

    def delta(self, index: int, text: str, piece: Piece) -> dict[str, Any]:  # noqa: D102
        ending = self.ending(piece.choice) if piece.last else {"finish_reason": None}
        logprobs = self._logprobs(piece.token_ids, piece.start, ())
        return {"index": index, "text": text, "logprobs": logprobs, **ending}

    def whole(self, done: Done) -> dict[str, Any]:  # noqa: D102
        token_ids = done.choice.answer.token_ids[: done.choice.produced]
        prompt = done.choice.generation.ask.prompt_ids if done.echo else ()
        logprobs = self._logprobs(token_ids, 0, prompt)
        return {"index": done.index, "text": done.echo + done.text, "logprobs": logprobs, **self.ending(done.choice)}

    def _logprobs(self, token_ids: Sequence[int], start: int, prompt: Sequence[int]) -> dict[str, Any] | None:
        if self.logprobs is None:
            return None
        places = [*((t, at) for at, t in enumerate(prompt)), *((t, start + at) for at, t in enumerate(token_ids))]
        texts = [vocabulary.token_text(token) for token, _ in places]
        values: list[float | None] = [logprob(*place) for place in places]
        top: list[Any] = [
            {vocabulary.token_text(t): v for t, v in alternatives(*place, self.logprobs or 1)} for place in places
        ]
        if prompt:
            values[0] = top[0] = None
        offsets = [sum(map(len, texts[:at])) for at in range(len(texts))]
        return {"tokens": texts, "token_logprobs": values, "top_logprobs": top, "text_offset": offsets}
