"""What can go wrong with a model's files and texts; every message may be shown to a caller."""

from __future__ import annotations


class TokenizerError(ValueError):
    """A tokenizer cannot be loaded, or a text or id is outside what it can take."""


class TemplateError(ValueError):
    """A chat template cannot be compiled, or refuses or fails to render a conversation."""


class BundleError(ValueError):
    """A tokenizer bundle sent by an engine is damaged, too large or not what was announced."""


class TemplateBudgetError(TemplateError):
    """A template took more time, or made a longer text, than one rendering may."""
