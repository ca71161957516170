"""The chat template."""

from __future__ import annotations

from smg.sim.template import render


def test_conversation_is_rendered_turn_by_turn() -> None:
    """Text parts are joined, other parts are left out, and the assistant's turn is opened."""
    parts = [{"type": "text", "text": "a "}, {"type": "image_url"}, {"type": "text", "text": "b"}]

    rendered = render([{"role": "system", "content": "s"}, {"role": "user", "content": parts}])

    assert rendered == ("<|im_start|>system\ns<|im_end|>\n<|im_start|>user\na b<|im_end|>\n<|im_start|>assistant\n")


def test_tools_and_kwargs_reach_the_template() -> None:
    """Tools are listed as plain JSON, and a keyword of the caller's changes the prompt."""
    rendered = render([{"role": "user", "content": "x"}], tools=[{"n": "é<"}], kwargs={"enable_thinking": False})

    assert '{"n": "é<"}' in rendered
    assert rendered.endswith("<think>\n\n</think>\n\n")


def test_kwargs_do_not_replace_the_conversation() -> None:
    """A keyword of the caller's by the name of what is rendered is left out."""
    rendered = render([{"role": "user", "content": "x"}], kwargs={"messages": 5, "add_generation_prompt": False})

    assert rendered == "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n"
