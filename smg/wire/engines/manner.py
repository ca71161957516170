"""How engines' own servers answer where they differ, so that the gateway answers as they do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What one engine's own HTTP server makes of its tokens, and of a caller's silence.

    Attributes:
        broken_end: Tokens at the end of an answer whose last character was never completed are shown, as
            U+FFFD; else they are left out.
        after_prompt: An answer's text goes on from the prompt's: the space that a first word carries in front
            is shown.
        whole_tokens: Log-probabilities spell a character of several tokens at the last of them and the others
            as nothing; else each part is spelt alone, as U+FFFD.
        model_limit: The generation config's ``max_new_tokens`` is a silent caller's limit.
        unused_tools: A chat template is told of tools even if the caller wants none called.
        special_text: Special tokens are text where ids are turned back into text on request.
    """

    broken_end: bool = True
    after_prompt: bool = True
    whole_tokens: bool = False
    model_limit: bool = False
    unused_tools: bool = False
    special_text: bool = False
