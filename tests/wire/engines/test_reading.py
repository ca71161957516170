"""What comes back, with messages as the engines send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smg.core.generation import Delta, Finish, Generation
from smg.core.words import Runtime
from smg.wire.engines.reading import UnaskedAnswerError
from smg.wire.engines.table import DIALECTS
from tests.wire.engines.building import generation

if TYPE_CHECKING:
    from smg.wire.engines.dialect import Dialect

# what an engine's complete holds after a stream of chunks
REPEATS = {
    Runtime.SGLANG: "last",
    Runtime.VLLM: "last",
    Runtime.TRTLLM: "all",
    Runtime.TOKENSPEED: "last",
    Runtime.MLX: "none",
}
every_engine = pytest.mark.parametrize("runtime", REPEATS)
Parts = list[list[int]]


class Engine:
    """Answers in one engine's manner."""

    def __init__(self, runtime: Runtime) -> None:
        self.dialect: Dialect = DIALECTS[runtime]
        self._repeat = REPEATS[runtime]
        self._trtllm = runtime is Runtime.TRTLLM

    def chunk(self, ids: list[int], total: int, index: int = 0) -> Any:
        message: Any = self.dialect.generate.response()
        message.chunk.SetInParent()
        message.chunk.token_ids.extend(ids)
        message.chunk.prompt_tokens, message.chunk.cached_tokens = 3, 2
        message.chunk.completion_tokens = total
        self._add(message.chunk, ids, index)
        return message

    def complete(self, ids: list[int], index: int = 0, reason: str = "stop") -> Any:
        message: Any = self.dialect.generate.response()
        message.complete.finish_reason = reason
        (message.complete.output_token_ids if self._trtllm else message.complete.output_ids).extend(ids)
        message.complete.prompt_tokens, message.complete.cached_tokens = 3, 2
        self._add(message.complete, ids, index)
        return message

    def _add(self, answer: Any, ids: list[int], index: int) -> None:
        setattr(answer, "sequence_index" if self._trtllm else "index", index)
        for token_id in ids:
            if self._trtllm:
                entry = answer.logprobs.add(token_id=token_id, logprob=-0.5)
                entry.top_logprobs.add(token_id=8, logprob=-3.0)
                entry.top_logprobs.add(token_id=9, logprob=-1.0)
            else:
                answer.output_logprobs.token_ids.append(token_id)
                answer.output_logprobs.token_logprobs.append(-0.5)
                answer.output_logprobs.top_logprobs.add(token_ids=[8, 9], values=[-3.0, -1.0])

    def stream(self, parts: Parts, index: int = 0) -> list[Any]:
        """Return the messages of one streamed answer."""
        messages, total = [], 0
        for part in parts:
            total += len(part)
            messages.append(self.chunk(part, total, index))
        last = {"none": [], "last": parts[-1], "all": [i for part in parts for i in part]}[self._repeat]
        return [*messages, self.complete(last, index)]


def read(dialect: Dialect, asked: Generation, messages: list[Any]) -> list[Delta]:
    """Return the deltas of a whole stream."""
    reader = dialect.reader(asked)
    return [delta for message in messages if (delta := reader.read(message)) is not None]


@every_engine
@given(parts=st.lists(st.lists(st.integers(0, 99), max_size=3), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_streamed_tokens_come_once(runtime: Runtime, parts: Parts) -> None:
    """Whatever the last message repeats, each token is told once, in order, with one log-probability."""
    engine = Engine(runtime)
    deltas = read(engine.dialect, generation(logprobs=1), engine.stream(parts))
    assert [i for delta in deltas for i in delta.token_ids] == [i for part in parts for i in part]
    assert all([entry.token_id for entry in delta.logprobs] == delta.token_ids for delta in deltas)
    assert [delta.finish is not None for delta in deltas] == [False] * len(parts) + [True]


@every_engine
def test_unstreamed_answer_is_told_whole(runtime: Runtime) -> None:
    """Without a stream the complete holds everything, counts included."""
    engine = Engine(runtime)
    (delta,) = read(engine.dialect, generation(stream=False, logprobs=2), [engine.complete([1, 2], reason="length")])
    assert delta.token_ids == [1, 2]
    assert (delta.prompt_tokens, delta.cached_tokens) == (3, 2)
    assert delta.finish == Finish(reason="length")
    assert delta.logprobs[0].top == ((8, -3.0), (9, -1.0)), "in the engine's order"


@every_engine
def test_interleaved_answers_keep_apart(runtime: Runtime) -> None:
    """Several answers on one stream each lose only their own repeats."""
    engine = Engine(runtime)
    first, second = engine.stream([[1], [2]], 0), engine.stream([[3], [4]], 1)
    mixed = [message for pair in zip(first, second, strict=True) for message in pair]
    deltas = read(engine.dialect, generation(n=2), mixed)
    told = {index: [i for d in deltas if d.index == index for i in d.token_ids] for index in (0, 1)}
    assert told == {0: [1, 2], 1: [3, 4]}


@every_engine
def test_unnumbered_answers_are_numbered(runtime: Runtime) -> None:
    """Unstreamed answers that all call themselves 0, as SGLang's do, are told apart by their order."""
    engine = Engine(runtime)
    deltas = read(engine.dialect, generation(stream=False, n=3), [engine.complete([i]) for i in (4, 5, 6)])
    assert [(delta.index, delta.token_ids) for delta in deltas] == [(0, [4]), (1, [5]), (2, [6])]


@every_engine
@pytest.mark.parametrize(("count", "told"), [(None, []), (0, [()]), (1, [((8, -3.0),)])])
def test_alternatives_are_those_asked_for(runtime: Runtime, count: int | None, told: list[Any]) -> None:
    """Logprobs nobody asked for are dropped, and so are alternatives beyond the number asked for."""
    engine = Engine(runtime)
    (delta,) = read(engine.dialect, generation(logprobs=count), [engine.chunk([1], 1)])
    assert [entry.top for entry in delta.logprobs] == told


@every_engine
@pytest.mark.parametrize(
    ("said", "meant"), [("stop", "stop"), ("length", "length"), ("abort", "abort"), ("error", "abort"), ("", "abort")]
)
def test_reasons_are_the_gateways_words(runtime: Runtime, said: str, meant: str) -> None:
    """Only an end and the limit are ends; everything else broke the answer off."""
    engine = Engine(runtime)
    (delta,) = read(engine.dialect, generation(), [engine.complete([], reason=said)])
    assert delta.finish == Finish(reason=meant)


@every_engine
def test_scoring_only_tells_no_tokens(runtime: Runtime) -> None:
    """With a limit of 0 the one token the engine had to make is dropped and the limit is the reason."""
    engine = Engine(runtime)
    deltas = read(engine.dialect, generation(max_tokens=0, logprobs=1), engine.stream([[1]]))
    assert all(delta.token_ids == [] and delta.logprobs == [] for delta in deltas)
    assert deltas[-1].finish == Finish(reason="length")


@every_engine
def test_left_out_logprobs_leave_a_gap_not_a_shift(runtime: Runtime) -> None:
    """When the engine scores fewer tokens than it sends, the rest have no number; more are cut."""
    engine = Engine(runtime)
    fewer, more = engine.chunk([1], 1), engine.chunk([1, 2], 2)
    fewer.chunk.token_ids.append(2)
    del more.chunk.token_ids[1]
    first, second = read(engine.dialect, generation(logprobs=0), [fewer, more])
    assert [(entry.token_id, entry.logprob) for entry in first.logprobs] == [(1, -0.5), (2, None)]
    assert [entry.token_id for entry in second.logprobs] == [1]


@pytest.mark.parametrize("runtime", [r for r in REPEATS if r is not Runtime.MLX])
def test_matched_stop_is_string_or_id(runtime: Runtime) -> None:
    """The stop that ended the answer is told as the engine named it."""
    engine = Engine(runtime)
    by_text, by_id = engine.complete([1]), engine.complete([1])
    by_text.complete.matched_stop_str = "END"
    by_id.complete.matched_token_id = 0
    assert [read(engine.dialect, generation(), [m])[0].finish for m in (by_text, by_id)] == [
        Finish(reason="stop", matched="END"),
        Finish(reason="stop", matched=0),
    ]


def test_mlx_names_the_stop_token() -> None:
    """MLX has one optional field for it; id 0 is an id."""
    engine = Engine(Runtime.MLX)
    message = engine.complete([])
    message.complete.matched_stop_token_id = 0
    assert read(engine.dialect, generation(), [message])[0].finish == Finish(reason="stop", matched=0)


@pytest.mark.parametrize("runtime", [Runtime.SGLANG, Runtime.VLLM])
def test_prompt_logprobs_come_once(runtime: Runtime) -> None:
    """The prompt's scores ride on the first chunk, the first token without one; a repeat is dropped."""
    engine = Engine(runtime)
    messages = engine.stream([[1], [2]])
    for answer in (messages[0].chunk, messages[-1].complete):
        answer.input_logprobs.token_ids.extend([5, 6])
        answer.input_logprobs.token_logprobs.add()
        answer.input_logprobs.token_logprobs.add(value=-2.0)
    deltas = read(engine.dialect, generation(prompt_logprobs=0), messages)
    assert [[(e.token_id, e.logprob) for e in d.prompt_logprobs] for d in deltas] == [[(5, None), (6, -2.0)], [], []]


def test_trtllm_scores_the_prompt_at_the_end() -> None:
    """TensorRT-LLM tells the prompt's scores with the complete, a number for the first token where there is none."""
    engine = Engine(Runtime.TRTLLM)
    message = engine.complete([1])
    message.complete.prompt_logprobs.add(token_id=5, logprob=0.0)
    message.complete.prompt_logprobs.add(token_id=6, logprob=-2.0)
    (delta,) = read(engine.dialect, generation(stream=False, prompt_logprobs=0), [message])
    assert [(e.token_id, e.logprob) for e in delta.prompt_logprobs] == [(5, None), (6, -2.0)]


@every_engine
def test_an_answer_that_nobody_asked_for_is_an_error(runtime: Runtime) -> None:
    """Its number is beyond those that were asked for."""
    engine = Engine(runtime)
    with pytest.raises(UnaskedAnswerError):
        read(engine.dialect, generation(n=2), [engine.chunk([1], 1, index=2)])


@every_engine
def test_what_comes_behind_the_last_end_is_not_read(runtime: Runtime) -> None:
    """Answers that are whole stay whole."""
    engine = Engine(runtime)
    messages = [*engine.stream([[1]]), engine.chunk([2], 2), engine.complete([3], index=7)]
    deltas = read(engine.dialect, generation(), messages)
    assert [i for delta in deltas for i in delta.token_ids] == [1]
    assert sum(delta.finish is not None for delta in deltas) == 1


@every_engine
def test_no_answer_ends_twice(runtime: Runtime) -> None:
    """A number that is used again stands for the first answer that has not ended."""
    engine = Engine(runtime)
    deltas = read(engine.dialect, generation(n=2, stream=False), [engine.complete([4], 1), engine.complete([5], 1)])
    assert [(delta.index, delta.token_ids) for delta in deltas] == [(1, [4]), (0, [5])]
