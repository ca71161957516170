"""What HTTP engines tell, in their several ways."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from smg.core.errors import Retry, UpstreamError
from smg.core.words import Runtime, WorkerId
from smg.workers.http_facts import discover_facts, read_loads


class Told:
    """An engine that answers from a table."""

    id = WorkerId("w")

    def __init__(self, **answers: Any) -> None:
        self._answers = {f"/{path.replace('__', '/')}": answer for path, answer in answers.items()}

    async def ask(self, path: str) -> bytes | None:
        """Return the answer in the table."""
        answer = self._answers.get(path.partition("?")[0])
        if isinstance(answer, Exception):
            raise answer
        return answer if answer is None or isinstance(answer, bytes) else msgspec.json.encode(answer)

    async def ask_object(self, path: str) -> dict[str, Any] | None:
        """Return the answer in the table as an object."""
        body = await self.ask(path)
        return None if body is None else msgspec.json.decode(body, type=dict[str, Any])


async def test_an_engine_is_known_by_its_models_owner() -> None:
    """VLLM names itself; its context length stands beside the model."""
    found = await discover_facts(
        Told(v1__models={"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 8}]}, version={"version": "1"})
    )

    assert (found.runtime, found.facts.context_length, found.facts.version) == (Runtime.VLLM, 8, "1")


async def test_sglang_is_known_by_its_older_paths_too() -> None:
    """The paths with ``get_`` serve where the short ones do not; a failing one stops nothing."""
    broken = UpstreamError(WorkerId("w"), "no", retry=Retry.NEVER)
    found = await discover_facts(
        Told(
            v1__models={"data": [{"id": "m"}]},
            server_info=broken,
            get_server_info={"dp_size": 2, "context_length": 16},
            get_model_info={"model_path": "/m", "tokenizer_path": "/t", "is_generation": False},
        )
    )

    assert found.runtime is Runtime.SGLANG
    assert (found.facts.rank_count, found.facts.context_length) == (2, 16)
    assert (found.facts.model_path, found.facts.tokenizer_path, found.facts.is_generation) == ("/m", "/t", False)


@pytest.mark.parametrize("size", [-1, True, 1 << 40])
async def test_a_size_that_is_none_is_as_if_not_told(size: object) -> None:
    """Neither ranks nor a context follow from it."""
    listing = {"data": [{"id": "m", "owned_by": "sglang", "max_model_len": -1}]}
    found = await discover_facts(Told(v1__models=listing, server_info={"dp_size": size, "context_length": size}))

    assert (found.facts.rank_count, found.facts.context_length) == (1, None)


async def test_an_engine_without_a_list_lists_nothing() -> None:
    """That is no failure: the operator may have named the models."""
    assert (await discover_facts(Told())).models == ()


@pytest.mark.parametrize("listing", [b"no json", b'{"data":[{}]}', b"[]", b"\xff", b'{"data":' + b"[" * 2_000])
async def test_a_list_that_cannot_be_read_is_an_upstream_error(listing: bytes) -> None:
    """Nothing of it reaches the message."""
    with pytest.raises(UpstreamError, match="cannot be read"):
        await discover_facts(Told(v1__models=listing))


async def test_loads_come_from_the_gauges_where_there_is_no_better() -> None:
    """VLLM's Prometheus text, summed over its engines."""
    text = (
        b"# HELP vllm:num_requests_running x\n"
        b'vllm:num_requests_running{engine="0",model_name="a b"} 2.0\n'
        b'vllm:num_requests_running{engine="1",model_name="a b"} 1.0\n'
        b"vllm:num_requests_waiting 4.0\n"
        b"vllm:kv_cache_usage_perc 2.5e-01\n"
        b"vllm:other NaN\n"
        b"vllm:num_requests_waiting 1e999\n"
        b"vllm:num_requests_waiting 1.2.3\n"
    )
    (load,) = await read_loads(Told(metrics=text))

    assert (load.num_running_reqs, load.num_waiting_reqs, load.token_usage) == (3, 4, 0.25)


@pytest.mark.parametrize("answers", [{}, {"v1__loads": {"loads": [{"dp_rank": "x"}]}}, {"metrics": b"other 1\n"}])
async def test_an_engine_that_tells_no_load_is_an_upstream_error(answers: dict[str, Any]) -> None:
    """Zeros would be a lie that a policy believes."""
    with pytest.raises(UpstreamError):
        await read_loads(Told(**answers))
