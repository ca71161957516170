"""Tokenizers of each decoder family, loaded by the package's own loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smg.text.tokenizer import Tokenizer
from tests.text import tokenizers_made

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import tokenizers

FAMILIES: dict[str, Callable[[], tokenizers.Tokenizer]] = {
    "byte_level": tokenizers_made.byte_level,
    "byte_fallback": tokenizers_made.byte_fallback,
    "metaspace": tokenizers_made.metaspace,
    "word_piece": tokenizers_made.word_piece,
}


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's directory with everything in it; not to be changed."""
    return tokenizers_made.make_model_dir(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def tokenizer(model_dir: Path) -> Tokenizer:
    """The byte-level tokenizer of ``model_dir``."""
    return Tokenizer.load(model_dir)


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    """One tokenizer of each decoder family, by its name, from a single file each."""
    folder = tmp_path_factory.mktemp("families")
    for name, make in FAMILIES.items():
        make().save(str(folder / f"{name}.json"))
    return {name: Tokenizer.load(folder / f"{name}.json") for name in FAMILIES}
