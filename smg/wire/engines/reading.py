"""Engine messages to deltas: the rules that hold for every engine protocol.

Theory: each protocol sends ``chunk`` messages while it streams and one ``complete`` per answer. A chunk
holds new tokens only. What a complete holds after chunks differs (nothing, the last chunk's tokens,
all tokens), but it is never new: its tokens count only for an answer that had no chunk.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from smg.core.generation import Delta, Finish, TokenLogprob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smg.core.generation import Generation
    from smg.wire.engines.shapes import (
        AnswerMessage,
        InputLogprobsMessage,
        LogprobsMessage,
        MatchedMessage,
        OutputLogprobsMessage,
        ScoredMessage,
    )

REASONS = {"stop": "stop", "repetition": "stop", "length": "length"}
"""Everything else (abort, error, cancelled, timeout …) ended the answer without an end."""


def delta(message: AnswerMessage, token_ids: list[int]) -> Delta:
    """Read what chunk and complete have in common."""
    return Delta(
        index=message.index,
        token_ids=token_ids,
        logprobs=_logprobs(message.output_logprobs) if message.HasField("output_logprobs") else [],
        prompt_tokens=message.prompt_tokens,
        cached_tokens=message.cached_tokens,
    )


def scored_delta(message: ScoredMessage, token_ids: list[int]) -> Delta:
    """Read the same where the prompt's log-probabilities may stand beside it."""
    sent = delta(message, token_ids)
    if message.HasField("input_logprobs"):
        sent.prompt_logprobs = _prompt_logprobs(message.input_logprobs)
    return sent


def _logprobs(message: OutputLogprobsMessage) -> list[TokenLogprob]:
    return _zipped(message, message.token_logprobs)


def _prompt_logprobs(message: InputLogprobsMessage) -> list[TokenLogprob]:
    """Read the parallel lists of a prompt, whose first token has no log-probability."""
    return _zipped(message, [entry.value if entry.HasField("value") else None for entry in message.token_logprobs])


def _zipped(message: LogprobsMessage, values: Sequence[float | None]) -> list[TokenLogprob]:
    rows = zip_longest(message.token_ids, values, message.top_logprobs)
    return [
        TokenLogprob(token_id, value, tuple(zip(top.token_ids, top.values, strict=False)) if top else ())
        for token_id, value, top in rows
        if token_id is not None
    ]


def matched(message: MatchedMessage) -> str | int | None:
    """Return the stop string or token that ended an answer; None where the engine names none."""
    match message.WhichOneof("matched_stop"):
        case "matched_token_id":
            return message.matched_token_id
        case "matched_stop_str":
            return message.matched_stop_str
        case _:
            return None


def finish(reason: str, matched: str | int | None) -> Finish:
    """Return an end in the gateway's words."""
    return Finish(reason=REASONS.get(reason, "abort"), matched=matched)


class UnaskedAnswerError(ValueError):
    """An engine numbers an answer beyond those that were asked for."""


class StreamReader:
    """Reads one stream of messages.

    Args:
        generation: What was asked; says how many alternatives to report.
        as_sent: Turns a message into a delta as the engine sent it; a complete has ``finish``.
    """

    # Any: the stubs of the five protocols share no type but Message, which has none of the fields
    def __init__(self, generation: Generation, as_sent: Callable[[Any], Delta | None]) -> None:
        self._generation = generation
        self._only_scores = generation.sampling.max_tokens == 0
        self._as_sent = as_sent
        self._asked = range(generation.sampling.n)
        self._under_way = set(self._asked)
        self._streamed: set[int] = set()
        self._scored: set[int] = set()

    def read(self, message: Any) -> Delta | None:
        """Return what is new in ``message``; None if nothing is, or if every answer has ended.

        Raises:
            UnaskedAnswerError: It belongs to no answer that was asked for.
        """
        sent = self._as_sent(message)
        if sent is None or not self._under_way:
            return None
        if sent.index not in self._under_way:
            sent.index = self._next_index(sent.index)
        if sent.finish is None:
            self._streamed.add(sent.index)
        else:
            self._end(sent, sent.finish)
        if self._only_scores:
            sent.token_ids, sent.logprobs = [], []
        if sent.logprobs:
            sent.logprobs = self._aligned(sent)
        if sent.prompt_logprobs:
            sent.prompt_logprobs = self._prompt(sent)
        return sent

    def _next_index(self, index: int) -> int:
        """Return which answer it is instead: SGLang numbers all unstreamed ones 0, so they count in order."""
        if index not in self._asked:
            raise UnaskedAnswerError
        return min(self._under_way)

    def _end(self, sent: Delta, finish: Finish) -> None:
        """Take out of an answer's last message what its chunks have told."""
        self._under_way.remove(sent.index)
        if sent.index in self._streamed:
            sent.token_ids, sent.logprobs = [], []
        if self._only_scores and finish.reason == "stop":
            sent.finish = Finish(reason="length")

    def _prompt(self, sent: Delta) -> list[TokenLogprob]:
        """Return the prompt's log-probabilities the first time they come."""
        if sent.index in self._scored:
            return []
        self._scored.add(sent.index)
        return self._cut(sent.prompt_logprobs, self._generation.prompt_logprobs)

    def _aligned(self, sent: Delta) -> list[TokenLogprob]:
        """Return one entry per id: an engine may leave out the last ones, or add one for a trimmed stop."""
        entries = self._cut(sent.logprobs, self._generation.logprobs)[: len(sent.token_ids)]
        missing = sent.token_ids[len(entries) :] if entries else []
        return entries + [TokenLogprob(token_id, None) for token_id in missing]

    @staticmethod
    def _cut(entries: list[TokenLogprob], count: int | None) -> list[TokenLogprob]:
        """Return the entries with ``count`` alternatives each; engines send some unasked."""
        if count is None:
            return []
        return [replace(entry, top=entry.top[:count]) for entry in entries]
