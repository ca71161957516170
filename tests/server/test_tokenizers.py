from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from smg.core.errors import UpstreamError
from smg.core.words import ConnectionMode, Runtime
from smg.server.settings import ModelSettings
from smg.server.tokenizers import CatalogSource
from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings
from smg.text.catalog import Catalog
from smg.workers.spec import ModelCard
from smg.workers.tokenizers import TokenizerMissingError
from tests.text.tokenizers_made import make_model_dir
from tests.workers.support import grpc_worker

NOWHERE = "grpc://127.0.0.1:9"


@pytest.fixture
def model_dir(tmp_path: Any) -> Any:
    return make_model_dir(tmp_path / "model")


@pytest.mark.parametrize("place", ["label", "card", "tokenizer_path", "model_path"])
async def test_named_path_is_used_without_asking_the_engine(model_dir: Any, place: Any) -> None:
    """A path from the worker's label, its model card or the settings is loaded; the engine is not there."""
    path = str(model_dir)
    spec: dict[str, Any] = {
        "label": {"labels": {"tokenizer_path": path}},
        "card": {"models": [{"id": "m", "tokenizer_path": path}]},
    }
    settings = ModelSettings(**({place: path} if place in {"tokenizer_path", "model_path"} else {}))
    worker, catalog = grpc_worker(NOWHERE, runtime="sglang", **spec.get(place, {})), Catalog()
    source = CatalogSource(catalog, settings)

    await source.attach(worker)

    assert worker.tokenizer.template is not None
    assert len(catalog) == 1


async def test_label_goes_before_card_and_settings(model_dir: Any, tmp_path: Any) -> None:
    """What is said of the one worker is stronger than what is said of all."""
    other = make_model_dir(tmp_path / "other", context_length=77)
    card = {"id": "m", "tokenizer_path": str(model_dir)}
    worker = grpc_worker(NOWHERE, runtime="sglang", labels={"tokenizer_path": str(other)}, models=[card])

    await CatalogSource(Catalog(), ModelSettings(tokenizer_path=str(model_dir))).attach(worker)

    assert worker.tokenizer.context_length == 77


async def test_engine_sends_its_own() -> None:
    """Where nothing is named, the engine's bundle is unpacked and loaded."""
    async with SimEngine(ConnectionMode.GRPC, Runtime.SGLANG, EngineSettings(speed=0)) as engine:
        worker = grpc_worker(engine.url)
        await worker.start()
        await worker.discover()
        await CatalogSource(Catalog(), ModelSettings()).attach(worker)
        await worker.aclose()

    assert worker.tokenizer.encode("hello", add_special_tokens=False)


async def test_path_of_the_engine_is_the_last_resort(model_dir: Any) -> None:
    """An engine that sends nothing but names a path that exists here is believed; otherwise its failure shows."""
    worker = grpc_worker(NOWHERE, runtime="sglang")
    await worker.start()
    source = CatalogSource(Catalog(), ModelSettings())
    with pytest.raises(UpstreamError):
        await source.attach(worker)
    worker.facts = replace(worker.facts, tokenizer_path=str(model_dir))

    await source.attach(worker)
    await worker.aclose()

    assert worker.tokenizer is not None


async def test_unusable_path_is_told_and_nothing_kept(tmp_path: Any) -> None:
    """A named path without a tokenizer is the reason shown; no other source is tried."""
    catalog = Catalog()
    worker = grpc_worker(NOWHERE, runtime="sglang", labels={"tokenizer_path": str(tmp_path)})

    with pytest.raises(TokenizerMissingError, match=r"tokenizer\.json"):
        await CatalogSource(catalog, ModelSettings()).attach(worker)

    assert len(catalog) == 0


async def test_operators_template_replaces_the_models(model_dir: Any, tmp_path: Any) -> None:
    """The template file of the card goes before the settings'; the shared tokenizer stays as it was."""
    (tmp_path / "own.jinja").write_text("A{{ messages[0].content }}")
    (tmp_path / "all.jinja").write_text("B{{ messages[0].content }}")
    settings = ModelSettings(tokenizer_path=str(model_dir), chat_template=str(tmp_path / "all.jinja"))
    source = CatalogSource(Catalog(), settings)
    card = ModelCard(id="m", chat_template=str(tmp_path / "own.jinja"))
    workers = [grpc_worker(NOWHERE, runtime="sglang"), grpc_worker(NOWHERE, runtime="sglang")]
    workers[0].models = (card,)

    for worker in workers:
        await source.attach(worker)

    messages = [{"role": "user", "content": "x"}]
    assert [worker.tokenizer.template.render(messages) for worker in workers] == ["Ax", "Bx"]
    assert workers[0].tokenizer.fingerprint != workers[1].tokenizer.fingerprint


async def test_broken_template_leaves_nothing_behind(model_dir: Any, tmp_path: Any) -> None:
    """What was loaded before the template failed is given back."""
    (tmp_path / "bad.jinja").write_text("{% if %}")
    catalog = Catalog()
    settings = ModelSettings(tokenizer_path=str(model_dir), chat_template=str(tmp_path / "bad.jinja"))

    with pytest.raises(TokenizerMissingError):
        await CatalogSource(catalog, settings).attach(grpc_worker(NOWHERE, runtime="sglang"))

    assert len(catalog) == 0


async def test_tokenizer_leaves_with_its_last_worker(model_dir: Any) -> None:
    """Two workers share one; attaching twice counts once; the last detach drops it, and may be repeated."""
    catalog = Catalog()
    source = CatalogSource(catalog, ModelSettings(model_path=str(model_dir)))
    first, second = grpc_worker(NOWHERE, runtime="sglang"), grpc_worker(NOWHERE, runtime="sglang")
    for worker in (first, first, second):
        await source.attach(worker)
    assert first.tokenizer is second.tokenizer

    await source.detach(first)
    assert len(catalog) == 1
    await source.detach(second)
    await source.detach(second)

    assert len(catalog) == 0
