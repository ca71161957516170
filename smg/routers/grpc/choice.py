"""One answer under way: token ids come in, text that may be shown goes out.

The way of a token: ids, detokenizer, (here stand the parsers of reasoning and tool calls, once there are
any), stop matcher, piece. Ids without text yet, such as the first half of a character, wait for their text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.generation import Finish
from smg.routers.grpc.spelling import Speller
from smg.text.detokenize import Detokenizer
from smg.text.stops import StopMatcher
from smg.wire.openai.answer_style import ChoicePiece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.generation import Delta, Generation
    from smg.text.tokenizer import Tokenizer
    from smg.wire.engines.dialect import Dialect


class Choice:
    """One answer of a request.

    Attributes:
        index: Its place in the caller's answer.
        completion_tokens: Ids delivered so far: the one that completed a stop string counts, none after it.
        done: The answer has ended; nothing more is taken.
    """

    def __init__(
        self, index: int, tokenizer: Tokenizer, generation: Generation, dialect: Dialect, *, prompt_from: int = 0
    ) -> None:
        """Begin an answer; log-probabilities of the prompt are told from token ``prompt_from`` on."""
        sampling = generation.sampling
        self.completion_tokens = 0
        self.done = False
        self.index = index
        self._speller = Speller(tokenizer, whole=dialect.manner.whole_tokens)
        self._prompt_speller = Speller(tokenizer, whole=dialect.manner.whole_tokens)
        self._prompt_from = prompt_from
        self._detokenizer = Detokenizer(
            tokenizer,
            skip_special_tokens=sampling.skip_special_tokens,
            broken_end=dialect.manner.broken_end,
            after=generation.prompt_ids if dialect.manner.after_prompt else (),
        )
        self._min_tokens = sampling.min_tokens or 0
        self._stops = StopMatcher(sampling.stop, keep=sampling.no_stop_trim) if sampling.stop else None
        self._ends = frozenset() if sampling.no_stop_trim else frozenset(sampling.stop_token_ids)
        self._held: list[int] = []
        self._waiting = ChoicePiece(index=index, text="")

    def take(self, delta: Delta) -> ChoicePiece | None:
        """Return what ``delta`` adds, or None while there is nothing to show."""
        if self.done:
            return None
        text, used = self._read(delta)
        finish = delta.finish if self._stops is None else self._ending(self._stops, delta)
        self.completion_tokens += used
        piece = self._waiting
        piece.token_ids += delta.token_ids[:used]
        if delta.logprobs or delta.prompt_logprobs:
            self._spell(delta, used)
        if not text and finish is None:
            return None
        piece.text, piece.finish, self.done = text, finish, finish is not None
        self._waiting = ChoicePiece(index=self.index, text="")
        return piece

    def _spell(self, delta: Delta, used: int) -> None:
        self._waiting.logprobs += map(self._speller.spell, delta.logprobs[:used])
        prompt = list(map(self._prompt_speller.spell, delta.prompt_logprobs))
        self._waiting.prompt_logprobs += prompt[self._prompt_from :]

    def _read(self, delta: Delta) -> tuple[str, int]:
        """Return the new text, and how many of the delta's ids were used up by it."""
        waited = len(self._held)
        ids = self._shown(delta.token_ids, delta.finish)
        used = len(delta.token_ids)
        if self._stops is not None:
            text, count = self._read_watching(self._stops, ids, waited, last=delta.finish is not None)
            return text, used if count is None else max(count - waited, 0)
        text = self._detokenizer.push(ids)
        return (text if delta.finish is None else text + self._detokenizer.finish()), used

    def _read_watching(
        self, stops: StopMatcher, ids: Sequence[int], waited: int, *, last: bool
    ) -> tuple[str, int | None]:
        """Return the text that may be shown, and how many ids it took to complete a stop string, if one is.

        The first ``waited`` ids were counted when they came.
        """
        text = ""
        unheeded = self._min_tokens - self.completion_tokens + waited
        for count, token_id in enumerate(ids, start=1):
            text += stops.push(self._detokenizer.push((token_id,)), heed=count > unheeded)
            if stops.matched is not None:
                return text, count
        if last:
            text += stops.push(self._detokenizer.finish())
            text += stops.finish()
        return text, None

    def _shown(self, new: list[int], finish: Finish | None) -> Sequence[int]:
        """Return the ids to spell out: never the one that ends the answer.

        Some engines name the end only after its id, so an id that may be the end waits for what follows.
        """
        ids = self._held + new if self._held else new
        if not ids or ids[-1] not in self._ends:
            self._held = []
            return ids
        self._held = [ids[-1]] if finish is None else []
        ends = finish is None or finish.reason == "stop"
        return ids[:-1] if ends else ids

    @staticmethod
    def _ending(stops: StopMatcher, delta: Delta) -> Finish | None:
        return delta.finish if stops.matched is None else Finish(reason="stop", matched=stops.matched)
