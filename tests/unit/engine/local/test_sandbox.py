"""Templates from strangers: what they may do, and that nothing they do lasts or grows for ever."""

from __future__ import annotations

import pytest

from nexus.core.errors import InvalidInputError
from nexus.engine.local.sandbox import MeteredTemplate


def render(source: str, **values: object) -> str:
    return MeteredTemplate(source).render(seconds=0.5, **values)


def again(first: str, then: str) -> str:
    """A template that makes a value out of itself sixty times."""
    loop = f"{{% for i in range(60) %}}{{% set n.x = {then} %}}{{% endfor %}}"
    return f"{{% set n = namespace(x={first}) %}}{loop}"


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{%- for x in [1, 2] %}\n  {%- if x == 1 %}{% continue %}{% endif %}{{ x }}\n{%- endfor %}", "2"),
        ("  {% if true %}\na\n  {% endif %}\nb", "a\nb"),
        ("{{ {'k': ['<&\\'>é']} | tojson }}", '{"k": ["<&\'>é"]}'),
        ("{{ {'b': 1, 'a': 2} | tojson(indent=2) }}", '{\n  "b": 1,\n  "a": 2\n}'),
        (
            "{% set n = namespace(a=0) %}{% for x in 'abc' %}{% set n.a = n.a + 1 %}{% endfor %}{{ n.a }}",
            "3",
        ),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') ~ m(1) ~ '!' }}", "<a><1>!"),
        ("{% generation %}said{% endgeneration %}", "said"),
        ("{{ '-%s-' | replace('%s', 'x') }}{{ 'a,b'.split(',') | join('+') }}{{ 'abc'[::-1] }}", "-x-a+bcba"),
        ("{{ '{}: {}'.format('a', 1) }}", "a: 1"),
        ("{{ 'a\nb' | indent(2) }}{{ ' x ' | trim }}{{ 7 % 4 }}{{ 2 ** 3 }}{{ '=' * 3 }}", "a\n  bx38==="),
        ("{{ nothing }}{{ value.missing is defined }}", "False"),
    ],
)
def test_what_templates_of_models_use(source: str, written: str) -> None:
    assert render(source, value={"a": 1}) == written


def test_the_date_is_written_where_a_template_asks_for_it() -> None:
    assert len(render("{{ strftime_now('%Y-%m-%d') }}")) == 10


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{{ 'a' * 10 ** 9 }}",
        "{{ 10 ** 9 * [1] }}",
        "{{ 9 ** (9 ** 9) }}",
        again("9", "n.x * n.x"),
        again("'aa'", "n.x ~ n.x"),
        again("'aa'", "n.x + n.x"),
        again("[1]", "[n.x, n.x]"),
        again("[1]", "(n.x, n.x)"),
        again("[1]", "dict(a=n.x, b=n.x)"),
        again("'aa'", "n.x.replace('a', n.x)"),
        again("'aa'", "n.x | replace('a', n.x)"),
        again("'aa'", "n.x.join([n.x, n.x])"),
        "{% set x %}{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}{% endset %}",
        "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 1000000000) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a'.ljust(10 ** 9) }}",
        "{{ (range(99999) | list) | join('a' * 100000) }}",
        "{{ ('a\n' * 99999) | indent('a' * 100000) }}",
    ],
)
def test_what_would_last_or_grow_for_ever_is_stopped(source: str) -> None:
    with pytest.raises(InvalidInputError, match="refused the messages: "):
        render(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{% include 'x' %}",
        "{{ messages.__len__() }}",
        "{{ strftime_now.__globals__.keys() }}",
    ],
)
def test_a_template_reaches_nothing_but_its_values(source: str) -> None:
    messages = [1]
    with pytest.raises(InvalidInputError):
        render(source, messages=messages)
    assert messages == [1]


def test_what_a_template_may_write_grows_with_what_it_is_given() -> None:
    text = "x" * 3_000_000
    assert len(render("{{ text }}{{ text ~ text }}", text=text)) == 9_000_000


def test_many_messages_put_into_a_list_one_by_one_take_no_quadratic_time() -> None:
    loop = "{% for m in ms %}{% set n.x = n.x + [m] %}{% endfor %}"
    source = "{% set n = namespace(x=[]) %}" + loop + "{{ n.x | length }}"
    messages = [{"role": "user", "content": "x", "more": {"deep": ["y"] * 50}} for _ in range(600)]
    assert render(source, ms=messages) == "600"


@pytest.mark.parametrize(
    "source", ["{% if %}", "{{ x | no_such_filter }}", "{% for x in y %}", "{{ 'a' | center }}"]
)
def test_a_source_that_is_none_is_refused_when_it_is_read(source: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        MeteredTemplate(source)


def test_the_templates_own_words_are_passed_on() -> None:
    with pytest.raises(InvalidInputError, match="roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}")
