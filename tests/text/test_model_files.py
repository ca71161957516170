"""Reading a model's directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smg.text.errors import TokenizerError
from smg.text.model_files import ModelFiles
from tests.text.tokenizers_made import TEMPLATE, make_model_dir, write_json

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A model's directory that may be changed."""
    return make_model_dir(tmp_path / "model")


def test_template_of_the_config_is_the_usual_one(path: Path) -> None:
    """A single template goes by the name ``default``."""
    assert ModelFiles.read(path).templates == {"default": TEMPLATE}


def test_template_file_wins_over_the_config(path: Path) -> None:
    """``chat_template.jinja`` stands above ``chat_template.json``, which stands above the configuration."""
    write_json(path / "chat_template.json", {"chat_template": "from json"})
    assert ModelFiles.read(path).templates == {"default": "from json"}

    (path / "chat_template.jinja").write_text("from jinja", encoding="utf-8")
    assert ModelFiles.read(path).templates == {"default": "from jinja"}


def test_named_templates_are_kept_by_name(path: Path) -> None:
    """A list of named templates is read; what is no template in it is left out."""
    named = [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}, {"name": 1}, "x"]
    write_json(path / "tokenizer_config.json", {"chat_template": named})

    assert ModelFiles.read(path).templates == {"default": "a", "tool_use": "b"}


def test_missing_path_is_told_from_an_empty_directory(tmp_path: Path) -> None:
    """The reason says what is wrong with the path."""
    with pytest.raises(TokenizerError, match="does not exist"):
        ModelFiles.read(tmp_path / "absent")
    with pytest.raises(TokenizerError, match=r"holds no tokenizer\.json"):
        ModelFiles.read(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"a":' * 100_000])
def test_broken_config_is_named(path: Path, content: str) -> None:
    """A configuration that is no JSON object is refused by its name."""
    (path / "generation_config.json").write_text(content, encoding="utf-8")

    with pytest.raises(TokenizerError, match=r"generation_config\.json"):
        ModelFiles.read(path)


def test_template_file_that_is_no_text_is_named(path: Path) -> None:
    """A template file must be UTF-8."""
    (path / "chat_template.jinja").write_bytes(b"\xff")

    with pytest.raises(TokenizerError, match=r"chat_template\.jinja"):
        ModelFiles.read(path)


def test_infinity_in_a_config_is_read(path: Path) -> None:
    """Published configurations hold numbers that strict JSON does not know."""
    (path / "config.json").write_text('{"max": Infinity, "len": 1000000000000000019884624838656}', encoding="utf-8")

    assert ModelFiles.read(path).configs["config.json"]["len"] > 10**29
