"""The simulated engines' model, loaded as the gateway loads any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smg.sim import vocabulary
from smg.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the model's files; 64 tokens of context."""
    return vocabulary.write(tmp_path_factory.mktemp("model"), context_length=64)


@pytest.fixture(scope="session")
def tokenizer(model_path: Path) -> Tokenizer:
    """Return the model's tokenizer: bytes and words, two ids that end a text."""
    return Tokenizer.load(model_path)


@pytest.fixture
def own_tokenizer(model_path: Path) -> Tokenizer:
    """Return a tokenizer that a test may change."""
    return Tokenizer.load(model_path)
