"""The sandbox: what a template gets, and what it cannot do."""

from __future__ import annotations

import threading

import jinja2
import pytest

from smg.text.sandbox import CHARS_AT_MOST, BudgetError, Sandbox


def run(source: str, cpu_secs: float = 0.2, **variables: object) -> str:
    """Render ``source`` in a fresh sandbox."""
    sandbox = Sandbox()
    return sandbox.render(sandbox.from_string(source), variables, cpu_secs)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ {'b': 'é<', 'a': 1} | tojson }}", '{"b": "é<", "a": 1}'),
        ("{{ [1] | tojson(indent=1) }}", "[\n 1\n]"),
        ("{% for n in range(5) %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}", "01"),
        ("{% generation %}kept{% endgeneration %}", "kept"),
        ("{% if true %}\n    x\n{% endif %}\n", "    x\n"),
        ("{{ 'a' ~ 1 ~ none }}{{ 'b' + 'c' }}{{ 'd' * 2 }}{{ 2 ** 3 }}{{ 2 * 3 }}", "a1Nonebcdd86"),
        ("{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m(1) }}", "[1]"),
        ("{% set ns = namespace(n=0) %}{% for x in [1, 2] %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}", "3"),
        ("{% for a in [1, [2]] recursive %}{{ loop(a) if a is iterable else a }}{% endfor %}", "12"),
    ],
)
def test_templates_have_what_they_expect(source: str, text: str) -> None:
    """The functions, filters and tags that published templates use work as there."""
    assert run(source) == text


def test_date_is_there() -> None:
    """``strftime_now`` gives the date in the format asked for."""
    assert run("{{ strftime_now('%Y') }}").isdigit()


def test_template_may_refuse() -> None:
    """``raise_exception`` ends the rendering with the template's words."""
    with pytest.raises(jinja2.TemplateError, match="roles must alternate"):
        run("{{ raise_exception('roles must alternate') }}")


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    ],
)
def test_endless_work_is_ended(source: str) -> None:
    """Nested loops and branching recursion run out of time."""
    with pytest.raises(BudgetError, match="too long"):
        run(source)


@pytest.mark.parametrize(
    "growth",
    ["ns.x + ns.x", "ns.x ~ ns.x", "ns.x * 2", "2 * ns.x"],
)
def test_doubling_is_ended(growth: str) -> None:
    """A text that doubles with each turn stops at the limit."""
    source = "{% set ns = namespace(x='aa') %}{% for n in range(60) %}{% set ns.x = " + growth + " %}{% endfor %}"
    with pytest.raises(BudgetError):
        run(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% set n = namespace(x=big) %}{% for i in range(60) %}{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
        "{% for n in range(99) %}{{ big }}{% endfor %}",
        "{{ 9 ** (9 ** 9) }}",
        "{% set ns = namespace(x=9) %}{% for n in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
        "{{ [0] * 999999999 }}",
        "{% for n in range(999999) %}{% endfor %}",
    ],
)
def test_too_much_at_once_is_refused(source: str) -> None:
    """Captured blocks, output, powers, repeated lists and ranges have limits."""
    with pytest.raises((BudgetError, OverflowError)):
        run(source, big="a" * (CHARS_AT_MOST // 50))


@pytest.mark.parametrize(
    "source", ["{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ lipsum(5) }}", "{{ x.y.z }}"]
)
def test_what_is_not_for_templates_is_closed(source: str) -> None:
    """Python's insides, changes to what was given, and unknown names are errors."""
    with pytest.raises(jinja2.TemplateError):
        run(source, messages=[])


def test_each_thread_has_its_own_budget() -> None:
    """A rendering that has little time does not shorten that of another thread."""
    sandbox = Sandbox()
    template = sandbox.from_string("{% for n in range(1000) %}{% endfor %}done")
    told: list[str] = []
    with pytest.raises(BudgetError):
        sandbox.render(template, {}, -1.0)
    thread = threading.Thread(target=lambda: told.append(sandbox.render(template, {}, 5.0)))
    thread.start()
    thread.join(10)

    assert told == ["done"]
