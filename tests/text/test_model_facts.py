"""What configuration files mean."""

from __future__ import annotations

from typing import Any

import pytest

from smg.text import model_facts
from smg.text.model_files import CONFIGS


def configs(**parts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The configurations of a model of which only ``parts`` are there, named without ``.json``."""
    return {name: parts.get(name.removesuffix(".json"), {}) for name in CONFIGS}


def test_end_ids_are_gathered_from_every_file() -> None:
    """An id may stand alone or in a list, in either file, also in the language part of a larger model."""
    given = configs(
        config={"eos_token_id": 1, "text_config": {"eos_token_id": [2, None, True, -5]}},
        generation_config={"eos_token_id": [3, 1]},
    )

    assert model_facts.eos_ids(given) == {1, 2, 3}


@pytest.mark.parametrize(
    ("config", "tokenizer_config", "expected"),
    [
        ({"max_position_embeddings": 4096}, {"model_max_length": 2048}, 2048),
        ({"max_position_embeddings": 4096}, {"model_max_length": 10**30}, 4096),
        ({"text_config": {"max_position_embeddings": 512}}, {"model_max_length": 1e30}, 512),
        ({"max_position_embeddings": 0}, {"model_max_length": float("inf")}, None),
        ({}, {"model_max_length": 10**30}, None),
        ({"max_position_embeddings": "many"}, {}, None),
    ],
)
def test_context_is_the_smallest_sane_limit(
    config: dict[str, Any], tokenizer_config: dict[str, Any], expected: int | None
) -> None:
    """Values that mean *unknown* are passed over."""
    assert model_facts.context_length(configs(config=config, tokenizer_config=tokenizer_config)) == expected


def test_special_tokens_may_be_texts_or_objects() -> None:
    """Both spellings of a special token are read, and the tokenizer's configuration wins."""
    given = configs(
        special_tokens_map={"bos_token": "<a>", "eos_token": {"content": "<b>"}, "pad_token": 5},
        tokenizer_config={"bos_token": {"content": "<c>"}, "unk_token": None},
    )

    assert model_facts.special_tokens(given) == {"bos_token": "<c>", "eos_token": "<b>"}


def test_sampling_defaults_hold_numbers_of_known_fields_only() -> None:
    """Lengths and switches are not sampling defaults."""
    given = configs(
        generation_config={"temperature": 0.6, "top_k": 20, "top_p": None, "max_new_tokens": 9, "min_p": True}
    )

    assert model_facts.sampling_defaults(given) == {"temperature": 0.6, "top_k": 20}
