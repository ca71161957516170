"""The body of SGLang's own ``/generate``."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from smg.wire.openai.decoding import Body, unsupported
from smg.wire.openai.ranges import Range, bad, check_ranges
from smg.wire.openai.sampling_fields import SamplingFields, check_sampling
from smg.wire.shapes import MAX_TOKENS

V = TypeVar("V")

MAX_ALTERNATIVES = 20
TOKEN_RANGES = {"max_new_tokens": Range(0, MAX_TOKENS), "min_new_tokens": Range(0, MAX_TOKENS)}
SAID_OF_ALL = ("priority", "lora_path", "lora_id", "extra_key", "custom_logit_processor")
REFUSED = frozenset({
    "audio_data",
    "background",
    "bootstrap_host",
    "bootstrap_pair_key",
    "bootstrap_port",
    "bootstrap_room",
    "conversation_id",
    "data_parallel_rank",
    "image_data",
    "input_embeds",
    "modalities",
    "return_bytes",
    "return_entropy",
    "return_hidden_states",
    "session_params",
    "token_ids_logprob",
    "video_data",
})  # fmt: skip


class GenerateParams(SamplingFields, kw_only=True):
    """SGLang's ``sampling_params``."""

    max_new_tokens: int | None = None
    min_new_tokens: int | None = None
    stream_interval: int | None = None
    priority: int | None = None
    lora_path: str | None = None
    lora_id: str | None = None
    extra_key: str | None = None
    custom_logit_processor: str | None = None

    def check(self, path: str) -> None:
        """Check the ranges; ``path`` is the field this stands in."""
        check_sampling(self, f"{path}.")
        check_ranges(self, TOKEN_RANGES, f"{path}.")
        if self.max_new_tokens is not None and (self.min_new_tokens or 0) > self.max_new_tokens:
            raise bad(f"{path}.min_new_tokens", "must not exceed max_new_tokens")


class GenerateBody(Body, kw_only=True):
    """What a caller of ``/generate`` may say: one prompt, or a batch of them.

    Attributes:
        text: One text or a list of them; exactly one of ``text`` and ``input_ids`` is given.
        input_ids: One list of ids or a list of such.
        sampling_params: For all prompts, or one for each; likewise the fields on log-probabilities and ``rid``.
        logprob_start_len: From which token of the prompt on log-probabilities are reported; -1 is none of it.
    """

    refused: ClassVar[frozenset[str]] = REFUSED

    model: str | None = None
    text: str | list[str] | None = None
    input_ids: list[int | list[int]] | None = None
    sampling_params: GenerateParams | list[GenerateParams] | None = None
    stream: bool | None = None
    return_logprob: bool | list[bool] | None = None
    logprob_start_len: int | list[int] | None = None
    top_logprobs_num: int | list[int] | None = None
    return_text_in_logprobs: bool | None = None
    rid: str | list[str] | None = None
    lora_path: str | list[str] | None = None
    lora_id: str | None = None
    priority: int | None = None
    extra_key: str | None = None
    custom_logit_processor: str | list[str] | None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts in order, texts or ids."""
        if self.text is not None:
            return [self.text] if isinstance(self.text, str) else list(self.text)
        lists = [ids for ids in self.input_ids or () if isinstance(ids, list)]
        return [*lists] if lists else [[ids for ids in self.input_ids or () if isinstance(ids, int)]]

    @property
    def batch(self) -> bool:
        """Whether the answer is a list, even if of one."""
        if self.text is not None:
            return isinstance(self.text, list)
        return any(isinstance(ids, list) for ids in self.input_ids or ())

    def params(self, number: int) -> GenerateParams:
        """Return the sampling of prompt ``number``, counted from 0, with what the body itself says about it."""
        params = self.each(self.sampling_params, number) or GenerateParams()
        for name in SAID_OF_ALL:
            if getattr(self, name) is not None:
                setattr(params, name, getattr(self, name))
        return params

    def alternatives(self, number: int) -> int | None:
        """Return the alternatives to report per token of prompt ``number``; None reports no log-probabilities."""
        if not self.each(self.return_logprob, number):
            return None
        return self.each(self.top_logprobs_num, number) or 0

    def scores_prompt(self, number: int) -> bool:
        """Tell whether log-probabilities of the prompt itself are asked for."""
        start = self.each(self.logprob_start_len, number)
        return bool(self.each(self.return_logprob, number)) and start is not None and start >= 0

    def each(self, value: V | list[V] | None, number: int) -> V | None:
        """Return what a field says about prompt ``number``."""
        return value[number] if isinstance(value, list) else value

    def check(self) -> None:
        """Raise an error that names the first field whose value cannot be served."""
        if (self.text is None) == (self.input_ids is None):
            raise bad("text", "or input_ids must be given, and not both")
        kinds = {isinstance(ids, list) for ids in self.input_ids or ()}
        if len(kinds) > 1:
            raise bad("input_ids", "must hold ids, or lists of ids, not both")
        if not self.prompts or not all(self.prompts):
            raise bad("text" if self.text is not None else "input_ids", "must not be empty")
        self.check_lengths()
        self.check_params()

    def check_lengths(self) -> None:
        """Refuse lists that do not hold one entry per prompt."""
        for name in ("sampling_params", "return_logprob", "logprob_start_len", "top_logprobs_num", "rid"):
            value = getattr(self, name)
            if isinstance(value, list) and len(value) != len(self.prompts):
                raise bad(name, "must hold one entry for each prompt")
        for name in ("lora_path", "custom_logit_processor"):
            if isinstance(getattr(self, name), list):
                raise unsupported(name)

    def check_params(self) -> None:
        """Check what is said about each prompt."""
        listed = isinstance(self.sampling_params, list)
        for number in range(len(self.prompts) if listed else 1):
            self.params(number).check(f"sampling_params.{number}" if listed else "sampling_params")
        for number in range(len(self.prompts)):
            if not 0 <= (self.each(self.top_logprobs_num, number) or 0) <= MAX_ALTERNATIVES:
                raise bad("top_logprobs_num", f"must be 0 to {MAX_ALTERNATIVES}")
            if (self.each(self.logprob_start_len, number) or 0) < -1:
                raise bad("logprob_start_len", "must be at least -1")
