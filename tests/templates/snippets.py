"""Small templates, each over the construct it is named after, rendered by nibble and by jinja2.

All see CONTEXT. FAILING are those that must fail in both.
"""

CONTEXT = {
    "name": "World",
    "empty": "",
    "text": "  Hello, wide World!\n",
    "multi": "line one\nline two\n\n  line four\r\nlast",
    "unicode": "Grüße, 世界 🌍 ñandú",
    "quotes": "it's \"quoted\" \\ back\tslash",
    "html": "<b>\"Fish\" & 'chips'</b>",
    "digits": "12345",
    "sentence": "the quick-brown fox (jumps) over the_lazy dog's back",
    "zero": 0,
    "one": 1,
    "neg": -7,
    "big": 18446744073709551615,
    "pi": 3.14159,
    "half": 0.5,
    "tiny": 1e-7,
    "huge": 1e22,
    "yes": True,
    "no": False,
    "nothing": None,
    "numbers": [3, 1, 2, 10, -5],
    "floats": [0.1, 2.5, 1e16, 1e15, 123456789.123, -0.0],
    "words": ["banana", "Apple", "cherry", "apple", "Banana"],
    "mixed": [1, "two", 3.0, None, True, [4, "5"], {"six": 6}],
    "nested": {"a": {"b": [1, {"c": "deep"}]}, "list": [[1, 2], [3, 4]]},
    "user": {"name": "Ann", "age": 33, "tags": ["x", "y"], "items": "key called items"},
    "users": [
        {"name": "Ann", "age": 33, "city": "Oslo", "active": True},
        {"name": "bob", "age": 25, "city": "Rome", "active": False},
        {"name": "Cid", "age": 33, "city": "oslo", "active": True},
        {"name": "dee", "age": 41, "city": "Bern"},
    ],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": " Hi "},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Why?"},
    ],
    "tree": [{"n": 1, "kids": [{"n": 2, "kids": []}, {"n": 3, "kids": [{"n": 4, "kids": []}]}]}, {"n": 5, "kids": []}],
}

SNIPPETS = r'''
{{ name }} {{ empty }} {{ missing }} {{ nothing }} {{ yes }} {{ no }}
{{ 1 }} {{ -1 }} {{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1.0 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1E5 }}
{{ big }} {{ pi }} {{ half }} {{ tiny }} {{ huge }} {{ neg }}
{{ floats }}
{{ 1e15 }} {{ 1e16 }} {{ 123456789012345680.0 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1/3 }} {{ 2/3*1e20 }} {{ 5e-324 }} {{ 1.7976931348623157e308 }}
{{ 'a' 'b' "c" }} {{ 'it\'s' }} {{ "say \"hi\"" }} {{ 'tab\there' }} {{ 'nl\nx' }} {{ '\x41\u00e9\U0001f600' }} {{ '\101' }} {{ 'a\qb' }} {{ 'a\\b' }}
{{ '\é' }} {{ '\世' }} {{ '\🌍' }}
{{ quotes }} {{ [quotes] }} {{ [name, unicode, html] }} {{ ['\x00\x7f\x1b', '\u200b', '\xa0', 'é', '\ue000', '🌍'] }}
{{ mixed }} {{ nested }} {{ user }}
{{ () }} {{ (1,) }} {{ (1, 2) }} {{ [] }} {{ {} }} {{ {'a': 1, 2: [3], None: none, True: 1.5, (1, 2): 'x'} }}
{{ 1, 2 }} {{ [1, 2,] }} {{ {'a': 1,} }}
{{ 1 + 2 * 3 ** 2 // 4 % 5 - 6 / 4 }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 7 / 2 }} {{ 4 / 2 }}
{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** 0.5 }} {{ (-8) ** 2 }} {{ 0 ** 0 }} {{ 10 ** 20 }}
{{ 1 + true }} {{ true + true }} {{ 1.5 + 1 }} {{ 3 * 1.0 }} {{ -true }} {{ +true }} {{ - -3 }} {{ -(-3) }} {{ +5 }}
{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ 'x' * 0 }} {{ 'x' * -1 }} {{ [1] + [2] }} {{ [1, 2] * 2 }} {{ (1,) + (2,) }} {{ 'a' * true }}
{{ 1 ~ 2 }} {{ 'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1] ~ missing }} {{ 1 ~ 2 + 3 ~ 4 if false }} {{ 'a' ~ 'b' * 2 }} {{ 1 + 2 ~ 3 if false else 'x' }}
{{ 1 < 2 }} {{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 >= 2 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ 'é' > 'z' }} {{ '🌍' > '世' }}
{{ [1, 2] < [1, 3] }} {{ [1] < [1, 0] }} {{ (1, 2) == [1, 2] }} {{ [1, 2] == [1, 2] }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ 'a' == 1 }} {{ none == none }} {{ none == false }} {{ missing == other }} {{ missing == none }} {{ 1 != 2 != 1 }}
{{ 1 in [1, 2] }} {{ 3 not in [1, 2] }} {{ 'ell' in 'Hello' }} {{ '' in '' }} {{ 'a' in {'a': 1} }} {{ 1.0 in [1] }} {{ none in [none] }} {{ 1 in (1, 2) }} {{ 'x' in missing }} {{ 2 in range(3) }} {{ 'Ann' in user.values() }} {{ missing in [missing] }} {{ 'a' in ['abc'] }} {{ not 'a' in 'abc' }}
{{ 1 in [1] in [[1]] }} {{ 1 in [1] == true }}
{{ true and 'yes' }} {{ 0 or 'default' }} {{ '' or 0 or [] }} {{ 1 and 2 and 3 }} {{ none and 1 }} {{ not 0 }} {{ not not 'a' }} {{ not 1 == 2 }} {{ false or true and false }} {{ missing or 'd' }} {{ [] and 1 }}
{{ 'a' if true else 'b' }} {{ 'a' if false else 'b' }} {{ 'a' if false }} {{ 'a' if 0 else 'b' if 0 else 'c' }} {{ ('a' if yes) }} {{ ('a' if no) is defined }} {{ (1 if yes else 2) + 1 }} {{ 1 if yes else 2 + 1 }}
{{ numbers[0] }} {{ numbers[-1] }} {{ numbers[99] }} {{ numbers[1:3] }} {{ numbers[::-1] }} {{ numbers[:-1] }} {{ numbers[-2:] }} {{ numbers[::2] }} {{ numbers[3:1:-1] }} {{ numbers[10:] }} {{ numbers[-99:99] }} {{ numbers[:] }} {{ numbers[none:2] }}
{{ unicode[0] }} {{ unicode[2] }} {{ unicode[7] }} {{ unicode[-1] }} {{ unicode[10] }} {{ unicode[7:9] }} {{ unicode[::-1] }} {{ unicode[::3] }} {{ unicode[-5:] }} {{ unicode|length }} {{ unicode[100] }} {{ unicode[5:2] }} {{ unicode[-3::-2] }}
{{ name[0] }} {{ name[-2:] }} {{ name[1:3] }} {{ name[::-1] }} {{ name[true] }} {{ 'abc'[1] }} {{ 'abc'.1 }} {{ numbers.0 }} {{ (1, 2)[1] }} {{ nested.list.1.0 }} {{ nested.list[1][0] }}
{{ user.name }} {{ user['name'] }} {{ user.missing }} {{ user['missing'] }} {{ user.tags[0] }} {{ user['items'] }} {{ user.items() }} {{ user.keys() }} {{ user.values()|list }} {{ user.get('name') }} {{ user.get('x') }} {{ user.get('x', 'dflt') }} {{ user.get('age', 0) + 1 }}
{{ nested.a.b[1].c }} {{ nested['a']['b'][1]['c'] }} {{ nested.a.x }} {{ nested.a.x is defined }} {{ name.foo }} {{ 5 .foo if false else 'n' }} {{ nothing.foo }} {{ numbers.foo }}
{{ user.append }} {{ numbers.append is defined }} {{ user.update is defined }} {{ user.__class__ is defined }} {{ name.__class__ }} {{ user._private }} {{ user.pop is defined }}
{% if yes %}A{% endif %}{% if no %}B{% else %}C{% endif %}{% if no %}D{% elif one %}E{% else %}F{% endif %}{% if zero %}{% elif empty %}{% elif nothing %}{% else %}G{% endif %}
{% if missing %}x{% else %}undefined{% endif %} {% if not missing %}y{% endif %} {% if numbers and words %}both{% endif %} {% if 1, 2 %}tuple{% endif %} {% if () %}{% else %}none{% endif %}
{% for n in numbers %}{{ n }},{% endfor %}|{% for c in 'añ世' %}{{ c }}-{% endfor %}|{% for k in user %}{{ k }} {% endfor %}|{% for x in missing %}{{ x }}{% else %}empty{% endfor %}|{% for x in [] %}{% else %}E{% endfor %}
{% for k, v in user.items() %}{{ k }}={{ v }};{% endfor %} {% for a, b in [[1, 2], (3, 4), 'xy'] %}{{ a }}{{ b }} {% endfor %} {% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %} {% for (a, b) in [(1, 2)] %}{{ b }}{{ a }}{% endfor %}
{% for n in numbers %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for n in numbers %}{{ loop.previtem }}<{{ n }}>{{ loop.nextitem }} {% endfor %} {% for n in numbers %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}
{% for n in numbers %}{{ loop.cycle('odd', 'even') }} {% endfor %} {% for n in [1, 1, 2, 2, 1] %}{% if loop.changed(n) %}{{ n }}{% endif %}{% endfor %} {% for n in [1, 1] %}{{ loop.changed(n, 'x') }}{% endfor %}
{% for n in numbers if n > 1 %}{{ n }}:{{ loop.index }}/{{ loop.length }}:{{ loop.last }} {% endfor %} {% for n in numbers if n > 100 %}{% else %}none{% endfor %}
{% for n in numbers %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %} {% for n in numbers %}{% if n == 1 %}{% continue %}{% endif %}{{ n }} {% endfor %} {% for n in [1, 2] %}{% continue %}{% else %}else-ran{% endfor %} {% for n in [1, 2] %}{% break %}{% else %}else-ran{% endfor %} {% for n in [1, 2] %}{{ n }}{% if loop.last %}{% break %}{% endif %}{% else %}no{% endfor %}
{% for x in [1, 2] %}{% for y in ['a', 'b'] %}{{ loop.index }}{{ x }}{{ y }} {% if y == 'a' %}{% continue %}{% endif %}!{% endfor %}{{ loop.index }};{% endfor %}
{% for item in tree recursive %}{{ item.n }}@{{ loop.depth }}{% if item.kids %}[{{ loop(item.kids) }}]{% endif %}{% if not loop.last %},{% endif %}{% endfor %}
{% for item in tree recursive %}{{ item.n }}({{ loop(item.kids) }}){% else %}-{% endfor %}
{% for i in range(3) %}{{ i }}{% endfor %} {% for i in range(1, 10, 3) %}{{ i }} {% endfor %} {% for i in range(5, 0, -2) %}{{ i }}{% endfor %} {{ range(3)|list }} {{ range(0) }} {{ range(1, 5)[1] }} {{ range(10)|length }} {{ range(3) == range(0, 3) }} {{ range(5)|last }} {{ range(2, 8, 3) }}
{% set x = 1 %}{{ x }} {% set a, b = 1, 2 %}{{ a }}{{ b }} {% set x = x + 1 %}{{ x }} {% set t = 1, 2 %}{{ t }} {% set (p, q) = [5, 6] %}{{ p + q }}
{% set x = 0 %}{% for i in [1, 2, 3] %}{% set x = x + i %}{{ x }}{% endfor %}={{ x }}
{% set ns = namespace(x=0, items=[]) %}{% for i in numbers %}{% set ns.x = ns.x + i %}{% set ns.items = ns.items + [i] %}{% endfor %}{{ ns.x }} {{ ns.items }} {{ ns.missing }} {{ ns['x'] }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{% set ns.a, ns.c = 7, 8 %}{{ ns.a }}{{ ns.c }} {{ ns }} {{ ns is mapping }} {{ ns is defined }} {{ ns.zzz is defined }}
{% if yes %}{% set inner = 'set in if' %}{% endif %}{{ inner }} {% for i in [1] %}{% set leak = 1 %}{% endfor %}{{ leak is defined }}
{% set block %}Hello {{ name }}!{% endset %}{{ block }}|{{ block|length }} {% set up | upper %}shout {{ name }}{% endset %}{{ up }} {% set r | replace('a', 'b') | upper %}banana{% endset %}{{ r }}
{% for i in [1, 2, 3] %}{% set b %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endset %}[{{ b }}]{% endfor %}
{% macro greet(who, greeting='Hello', punct='!') %}{{ greeting }}, {{ who }}{{ punct }}{% endmacro %}{{ greet('Bob') }} {{ greet('Eve', 'Hi') }} {{ greet(who='X', punct='?') }} {{ greet('A', punct='.') }} {{ greet() }}
{% macro f(a, b=a, c=b) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 2) }} {{ f(1, c=3) }} {{ f.name }} {{ f.arguments }} {{ f.catch_kwargs }} {{ f.catch_varargs }} {{ f.caller }} {{ f }}
{% macro va(a) %}{{ a }}|{{ varargs }}|{{ kwargs }}{% endmacro %}{{ va(1) }} {{ va(1, 2, 3) }} {{ va(1, x=2) }} {{ va(*[1, 2], **{'k': 'v'}) }}
{% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}{% call wrap('b') %}bold {{ name }}{% endcall %}
{% macro each(items) %}{% for i in items %}{{ caller(i, loop.index) }};{% endfor %}{% endmacro %}{% call(item, n) each(words) %}{{ n }}:{{ item }}{% endcall %}
{% macro opt() %}{{ caller() if caller is defined else 'no caller' }}{% endmacro %}{{ opt() }} {% call opt() %}C{% endcall %}
{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n * fact(n - 1)|int }}{% endif %}{% endmacro %}{{ fact(10) }}
{% macro show() %}{{ later }}{% endmacro %}{{ show() }}{% set later = 'L' %}{{ show() }}
{% macro outer() %}{% macro inner() %}in{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }} {{ inner is defined }}
{% macro m() %}{% set local = 1 %}{{ local }}{% endmacro %}{{ m() }}{{ local is defined }} {% set fs = [m] %}{{ fs[0]() }} {% set d = {'k': m} %}{{ d.k() }}
{% filter upper %}hello {{ name }}{% endfilter %} {% filter replace('l', 'L') | trim %}  hello {% endfilter %}
{% with %}{% set w = 1 %}{{ w }}{% endwith %}{{ w is defined }} {% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %} {% set a = 9 %}{% with a = 1, b = a %}{{ b }}{% endwith %} {% with (x, y) = (1, 2) %}{{ x + y }}{% endwith %}
{% generation %}assistant {{ name }}{% set g = 1 %}{% endgeneration %}{{ g is defined }}
{% block body %}in block {{ name }}{% endblock %} {% block other %}x{% endblock other %}
{% print 1, 'a' %} {% print name %}
{# a comment #}a{#- stripped -#} b {##}c
{% raw %}{{ not rendered }} {% if %}{% endraw %} {%- raw -%}  x  {%- endraw -%} y
{{ text|trim }}| {{ text|upper }}| {{ text.strip() }}| {{ text.lstrip() }}| {{ text.rstrip() }}| {{ 'xxhixx'.strip('x') }} {{ 'abcHIcba'.strip('abc') }} {{ 'xyhix'.lstrip('yx') }} {{ 'hi\n\n'.rstrip('\n') }} {{ '  a'|trim('a ') }}|
{{ 'a,b,,c'.split(',') }} {{ 'a b  c '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ '  a  b c '.split(none, 1) }} {{ '  a  b c '.rsplit(none, 1) }} {{ 'abc'.split('x') }} {{ ''.split(',') }} {{ ''.split() }} {{ 'a--b'.split('--')[-1] }} {{ 'a,b'.split(sep=',') }} {{ 'a b c'.split(maxsplit=1) }} {{ 'aXbXc'.rsplit('X') }}
{{ multi.splitlines() }} {{ 'a\nb\n'.splitlines() }} {{ 'a\r\nb'.splitlines(true) }} {{ '\n'.splitlines() }} {{ ''.splitlines() }} {{ 'a\x0bb\x0cc\x1cd\x85e\u2028f'.splitlines() }}
{{ 'hello'.startswith('he') }} {{ 'hello'.endswith('lo') }} {{ 'hello'.startswith(('x', 'h')) }} {{ 'hello'.endswith(('x',)) }} {{ 'hello'.startswith('') }} {{ 'hello'.startswith('l', 2) }} {{ 'hello'.startswith('l', 2, 3) }} {{ 'hello'.endswith('l', 0, -1) }} {{ 'x'.startswith('', 5) }}
{{ 'hello'.replace('l', 'L') }} {{ 'hello'.replace('l', 'L', 1) }} {{ 'aaa'.replace('', '-') }} {{ 'aaa'.replace('aa', 'b') }} {{ 'hello'|replace('l', 'r')|replace('o', 0) }} {{ 'x'.replace('x', 'y', -1) }} {{ 'é世'.replace('', '.') }} {{ 'ab'.replace('', '-', 2) }} {{ 12321|replace(2, 'x', 1) }}
{{ 'hello world'.title() }} {{ "they're bill's".title() }} {{ 'hELLO'.capitalize() }} {{ 'Hello'.swapcase() }} {{ sentence|title }} {{ sentence.title() }} {{ sentence|capitalize }} {{ 'ÉCOLE'|lower }} {{ 'straße'|upper }} {{ 'ǆabc'|capitalize }} {{ 'ǆ'.title() }} {{ 'ΑΣ ΑΣΑ Σ'|lower }} {{ 'İ'|lower|length }} {{ 'ß'.casefold() }} {{ 'ŉ'.title() }}
{{ 'hello'.find('l') }} {{ 'hello'.find('z') }} {{ 'hello'.rfind('l') }} {{ 'hello'.index('e') }} {{ 'hello'.count('l') }} {{ 'aaaa'.count('aa') }} {{ 'abc'.count('') }} {{ unicode.find('世') }} {{ unicode.rfind('ñ') }} {{ 'hello'.find('l', 3) }} {{ 'hello'.find('l', -2) }} {{ 'hello'.find('', 9) }} {{ 'hello'.find('', 5) }} {{ 'hello'.rindex('l') }} {{ unicode.count('ñ', 3, 19) }}
{{ 'a'.isalpha() }} {{ '1'.isdigit() }} {{ '½'.isnumeric() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ ' '.isspace() }} {{ 'aB'.islower() }} {{ 'AB1'.isupper() }} {{ 'Ab Cd'.istitle() }} {{ 'a1'.isalnum() }} {{ ''.isalpha() }} {{ 'ab_1'.isidentifier() }} {{ '1a'.isidentifier() }} {{ 'é'.isascii() }} {{ 'a\n'.isprintable() }} {{ ''.isascii() }} {{ '世界'.isalpha() }} {{ '1'.islower() }}
{{ 'a'.center(5, '*') }} {{ 'ab'.center(5, '*') }} {{ 'a'.ljust(3, '.') }} {{ 'a'.rjust(3) }} {{ '-5'.zfill(4) }} {{ '5'.zfill(3) }} {{ 'a\tb'.expandtabs(4) }} {{ 'x'|center(5) }}| {{ 'é'.ljust(3, '世') }} {{ 'abcd'.center(7, '*') }} {{ 'abc'.center(6, '*') }}
{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('=') }} {{ 'abc'.rpartition('=') }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'x'.removesuffix('y') }}
{{ ', '.join(['a', 'b']) }} {{ ''.join('abc') }} {{ '-'.join(user) }} {{ ', '.join(words|map('upper')) }}
{{ '%s is %d years and %.2f%%' % ('Ann', 33, 12.345) }} {{ '%s' % 'x' }} {{ '%5d|%-5d|%05d|%+d' % (1, 2, 3, 4) }} {{ '%x %X %o %#x' % (255, 255, 8, 255) }} {{ '%r %s' % ('a', ['b']) }} {{ '%(a)s-%(b)d' % {'a': 1, 'b': 2} }} {{ '%e %g %G' % (12345.678, 1e-10, 1e20) }} {{ '%c%c' % (65, 'b') }} {{ '%10.3s|' % 'abcdef' }} {{ '%*d' % (5, 42) }} {{ '%s' % none }} {{ '%d' % 3.99 }} {{ '%s' % ((1, 2),) }} {{ '%i' % true }} {{ '%%' % () }} {{ '%.3d' % 5 }} {{ '% d' % 5 }} {{ 'abc' % [] }} {{ '%s' % missing }}
{{ '{} {}'.format(1, 'a') }} {{ '{1} {0}'.format('a', 'b') }} {{ '{x} {y}'.format(x=1, y=[2]) }} {{ '{0.name} {0[age]}'.format(user) }} {{ '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd') }} {{ '{:05d} {:+d} {:,} {:_} {:x} {:#b} {:o}'.format(42, 42, 1234567, 1234567, 255, 5, 8) }} {{ '{:.2f} {:10.3f}| {:e} {:g} {:%} {:.1%}'.format(3.14159, 2.5, 12345.6, 0.0001, 0.25, 0.125) }} {{ '{!r} {!s}'.format('a', 'a') }} {{ '{{}}'.format() }} {{ '{:{w}}|'.format('a', w=4) }} {{ '{:.3}'.format('abcdef') }} {{ '{:.3}'.format(3.14159) }} {{ '{}'.format(1.0) }} {{ '{:,.2f}'.format(1234567.891) }} {{ '{:010.2f}'.format(-3.14159) }} {{ '{:<05}'.format(3) }} {{ '{a}'.format_map({'a': 5}) }} {{ '{:d}'.format(true) }} {{ '{:5}|'.format(true) }} {{ '{:n}'.format(5) }} {{ '{:c}'.format(97) }} {{ '{:>3}'.format('世') }} {{ '{!a}'.format('é') }} {{ '{:.0f} {:.0f}'.format(0.5, 1.5) }} {{ '{:.2}'.format(1234.5) }} {{ '{:e}'.format(0) }} {{ '{}'.format(missing) }}
{{ '%s %s'|format('a', 1) }} {{ '%(x)s'|format(x=3) }}
{{ numbers|sort }} {{ numbers|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ words|sort(true) }} {{ users|sort(attribute='age')|map(attribute='name')|list }} {{ users|sort(attribute='age,name', reverse=true)|map(attribute='name')|list }} {{ user|sort }} {{ [[2, 1], [1, 5]]|sort(attribute=1) }} {{ 'hello'|sort }} {{ [none, none]|sort }}
{{ numbers|min }} {{ numbers|max }} {{ words|min }} {{ words|max(case_sensitive=true) }} {{ users|max(attribute='age') }} {{ []|max }} {{ []|min is defined }} {{ numbers|sum }} {{ users|sum(attribute='age') }} {{ numbers|sum(start=100) }} {{ []|sum }} {{ [[1], [2]]|sum(start=[]) }} {{ floats|sum }}
{{ numbers|first }} {{ numbers|last }} {{ []|first is defined }} {{ []|last is defined }} {{ 'abc'|first }} {{ 'abc'|last }} {{ user|first }} {{ user|last }} {{ unicode|last }} {{ missing|first is defined }} {{ missing|last is defined }} {{ user.items()|first }} {{ user.values()|last }}
{{ numbers|length }} {{ name|count }} {{ user|length }} {{ missing|length }} {{ unicode|length }} {{ user.items()|length }} {{ (1, 2)|length }}
{{ words|join(', ') }} {{ numbers|join('-') }} {{ users|join('/', attribute='name') }} {{ 'abc'|join('.') }} {{ []|join('x') }} {{ missing|join }} {{ [1, none, true, missing]|join(',') }} {{ user|join('+') }} {{ [1, 2]|join(0) }} {{ words|join(d=';') }}
{{ words|unique|list }} {{ words|unique(case_sensitive=true)|list }} {{ users|unique(attribute='age')|map(attribute='name')|list }} {{ [1, 1.0, true, 2]|unique|list }}
{{ numbers|reverse|list }} {{ 'añb'|reverse }} {{ user|reverse|list }} {{ (1, 2)|reverse|list }} {{ range(3)|reverse|list }} {{ numbers|map('abs')|reverse }} {{ numbers|reverse|first }} {{ missing|reverse|list }} {{ user.items()|reverse|list }}
{{ numbers|map('string')|list }} {{ users|map(attribute='name')|join(',') }} {{ users|map(attribute='active', default='?')|list }} {{ words|map('replace', 'a', 'A')|list }} {{ words|map('truncate', 3, true, '')|list }} {{ nested.list|map(attribute=0)|list }} {{ nested.list|map('sum')|list }} {{ users|map(attribute='nope')|list }} {{ users|map('attr', 'name')|list }} {{ []|map('upper')|list }} {{ [nested]|map(attribute='a.b.1.c')|list }} {{ words|map('first')|join }}
{{ numbers|select('odd')|list }} {{ numbers|reject('odd')|list }} {{ numbers|select('gt', 1)|list }} {{ mixed|select|list }} {{ mixed|select('string')|list }} {{ numbers|select('in', [1, 2])|list }} {{ words|reject('equalto', 'apple')|list }} {{ mixed|reject('none')|list }} {{ numbers|select('divisibleby', 5)|list }} {{ mixed|select('number')|list }}
{{ users|selectattr('active')|map(attribute='name')|list }} {{ users|rejectattr('active')|map(attribute='name')|list }} {{ users|selectattr('age', 'gt', 30)|map(attribute='name')|list }} {{ users|selectattr('active', 'defined')|list|length }} {{ users|rejectattr('city', 'equalto', 'Rome')|list|count }} {{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list }} {{ messages|selectattr('role', 'in', ['user', 'system'])|list|length }} {{ (messages|selectattr('role', '==', 'system')|first).content }}
{% set g = numbers|map('abs') %}{{ g|list }}{{ g|list }} {% set h = numbers|select('odd') %}{{ h|first }}{{ h|first }} {{ g is iterable }} {{ g is sequence }} {{ g is defined }} {% if numbers|select('odd') %}generators are true{% endif %}
{% for batch in numbers|batch(2) %}{{ batch }}{% endfor %} {{ numbers|batch(2, 'x')|list }} {{ numbers|slice(2)|list }} {{ numbers|slice(3, 'f')|list }} {{ []|batch(3)|list }} {{ numbers|batch(10)|list }} {{ [1]|slice(3)|list }}
{{ users|groupby('age') }} {% for g in users|groupby('city') %}{{ g.grouper }}:{{ g.list|map(attribute='name')|join(',') }};{% endfor %} {% for city, us in users|groupby('city', case_sensitive=true) %}{{ city }}{{ us|length }} {% endfor %} {% for k, v in users|groupby('active', default=false) %}{{ k }}{{ v|length }}{% endfor %}
{{ user|dictsort }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort(true) }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort(by='value') }} {{ {'b': 1, 'a': 2}|dictsort(reverse=true) }} {% for k, v in user|items %}{{ k }}{% endfor %} {{ missing|items|list }} {{ user|items|list }} {{ user|list }}
{{ missing|default('d') }} {{ nothing|default('d') }} {{ nothing|default('d', true) }} {{ empty|d('e', boolean=true) }} {{ name|default('x') }} {{ missing|default }}| {{ user.x|default('y') }} {{ zero|d(5) }} {{ zero|d(5, true) }} {{ missing|default(numbers)|first }}
{{ '42'|int }} {{ '4.7'|int }} {{ 'x'|int }} {{ 'x'|int(-1) }} {{ '0x1f'|int(base=16) }} {{ '1f'|int(0, 16) }} {{ '0b11'|int(base=2) }} {{ ' 42 '|int }} {{ '1_000'|int }} {{ 3.99|int }} {{ -3.99|int }} {{ (-3.99)|int }} {{ none|int }} {{ true|int }} {{ []|int }} {{ ''|int }} {{ '1e3'|int }} {{ '+5'|int }} {{ '٣'|int if false }} {{ '0o17'|int(base=0) }} {{ '12'|int(base=3) }}
{{ '3.14'|float }} {{ '1e3'|float }} {{ 'x'|float }} {{ 'x'|float(1.5) }} {{ 5|float }} {{ none|float }} {{ ' 1.5 '|float }} {{ 'inf'|float }} {{ '-inf'|float }} {{ 'nan'|float }} {{ '1_0.5'|float }} {{ '.5'|float }} {{ '5.'|float }} {{ '.'|float }} {{ true|float }}
{{ -5|abs }} {{ (-5.5)|abs }} {{ true|abs }} {{ 42.55|round }} {{ 42.55|round(1) }} {{ 2.5|round }} {{ 3.5|round }} {{ 42.55|round(1, 'floor') }} {{ 42.51|round(1, 'ceil') }} {{ 42|round }} {{ 1234.5678|round(-2) }} {{ 1250|round(-2) }} {{ 1350|round(-2) }} {{ -1.5|round }} {{ 0.5|round|int }} {{ 2.675|round(2) }} {{ 1e300|round(2) }} {{ 42|round(1, 'floor') }} {{ 15|round(-1) }} {{ 25.0|round(-1) }} {{ 26.0|round(-1) }} {{ 7.0|round(-1) }} {{ 4.0|round(-1) }} {{ 1e17|round(-2) }}
{{ mixed|tojson }} {{ nested|tojson }} {{ unicode|tojson }} {{ quotes|tojson }} {{ html|tojson }} {{ '\x00\x1f\x7f\u2028'|tojson }} {{ none|tojson }} {{ true|tojson }} {{ 1.0|tojson }} {{ floats|tojson }} {{ big|tojson }} {{ (1, 2)|tojson }} {{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}
{{ unicode|tojson(ensure_ascii=true) }} {{ 'a\x7f\u00ff'|tojson(true) }} {{ nested|tojson(indent=2) }} {{ []|tojson(indent=2) }} {{ {}|tojson(indent=2) }} {{ user|tojson(indent=4) }} {{ mixed|tojson(separators=(',', ':')) }} {{ user|tojson(sort_keys=true) }} {{ [1, [2]]|tojson(indent='\t') }} {{ [1]|tojson(indent=0) }} {{ {'a': [1]}|tojson(indent=1, separators=(',', ' = ')) }} {{ 'inf'|float|tojson }}
{{ html|e }} {{ html|escape }} {{ html|safe }} {{ (html|e)|e }} {{ html|forceescape }} {{ [html|safe] }} {{ '<' + ('b'|safe) }} {{ ('b'|safe) + '<' }} {{ ('b'|safe) ~ '<' }} {{ ('%s'|safe) % '<' }} {{ ('<'|safe)|upper }} {{ ('a<b'|e).split('&') }} {{ ('a'|safe) * 2 }} {{ ('a'|safe) is string }} {{ ('a'|safe) is escaped }} {{ 5|e }} {{ none|e }} {{ ('{}'|safe).format('<') }} {{ ('x'|safe).replace('x', '<') }} {{ ('-'|safe).join(['<', '>']) }} {{ [('a'|safe)[0]] }} {{ missing|e }}
{{ multi|indent }}| {{ multi|indent(2) }}| {{ multi|indent(2, true) }}| {{ multi|indent(2, blank=true) }}| {{ 'a\nb'|indent('> ') }} {{ ''|indent }}| {{ 'a\n'|indent(2) }}| {{ 'x'|indent(first=true) }}
{{ sentence|truncate(20) }} {{ sentence|truncate(20, true) }} {{ sentence|truncate(20, false, '…') }} {{ sentence|truncate(20, leeway=100) }} {{ 'short'|truncate(3) }} {{ sentence|truncate(10, true, '') }} {{ 'abcdefghijkl'|truncate(5) }} {{ unicode|truncate(8, true, '..', 0) }}
{{ sentence|wordcount }} {{ ''|wordcount }} {{ unicode|wordcount }} {{ 1234567|filesizeformat }} {{ 1234567|filesizeformat(true) }} {{ 1|filesizeformat }} {{ 999|filesizeformat }} {{ 1e30|filesizeformat }} {{ 'a b/c?d=é'|urlencode }} {{ {'a b': 'c/d', 'e': 1}|urlencode }}
{{ name|string }} {{ 5|string + '5' }} {{ none|string }} {{ numbers|string }} {{ 1.0|string|length }} {{ 'abc'|list }} {{ user|list }} {{ 'a世'|list }} {{ (1, 2)|list }} {{ missing|list }}
{{ user|attr('name') }}| {{ name|attr('upper') is defined }} {{ users[0]|attr('age') is defined }}
{{ name is defined }} {{ missing is defined }} {{ missing is undefined }} {{ nothing is none }} {{ missing is none }} {{ name is string }} {{ 1 is string }} {{ user is mapping }} {{ numbers is mapping }} {{ numbers is iterable }} {{ name is iterable }} {{ 1 is iterable }} {{ user is iterable }} {{ none is iterable }} {{ missing is iterable }}
{{ numbers is sequence }} {{ user is sequence }} {{ name is sequence }} {{ 1 is sequence }} {{ missing is sequence }} {{ range(2) is sequence }} {{ user.items() is sequence }} {{ none is sequence }} {{ 1 is number }} {{ 1.5 is number }} {{ true is number }} {{ 'x' is number }} {{ 1 is integer }} {{ true is integer }} {{ 1.0 is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ 1 is boolean }}
{{ true is true }} {{ 1 is true }} {{ false is false }} {{ 0 is false }} {{ greet is callable }} {{ name.upper is callable }} {{ range is callable }} {{ name is callable }} {{ missing is callable }} {{ 'a' is lower }} {{ 'A' is upper }} {{ 'aB' is lower }} {{ 1 is lower }}
{{ 1 is odd }} {{ 2 is even }} {{ -1 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 1 is gt(2) }} {{ 2 is ge 2 }} {{ 2 is le 1 }} {{ 1 is in [1, 2] }} {{ 'a' is in 'abc' }} {{ 1 is not in [1] }} {{ 1 is lessthan 2 }} {{ 3 is greaterthan 2 }} {{ 1 is sameas 1 }} {{ none is sameas none }} {{ 1 is sameas true }} {{ 1.0 is sameas 1 }}
{{ name is not defined }} {{ not name is defined }} {{ 1 is not odd }} {{ name is string and numbers is iterable }} {{ missing is defined or yes }} {{ 1 is odd and 2 is even }} {{ 'x' if missing is defined else 'y' }} {{ user.name is defined and user.name == 'Ann' }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ numbers|length is divisibleby 5 }} {{ name|upper is upper }}
{{ 'a' is defined == true }} {{ 5 is number ~ 'x' }} {{ (5)|string ~ 'x' }} {{ -1|abs }} {{ -1|string }} {{ 2 * 3|string }} {{ 'a'|upper ~ 'b'|upper }} {{ not missing|default(false) }} {{ 1 + 2|float }} {{ numbers|first + 1 }}
{{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }} {{ dict([(1, 2), ('a', 'b')]) }} {{ dict() }} {{ dict(user, name='New').name }} {{ dict(a=1).a }} {{ {'a': 1}.get('a') }} {{ dict(**{'k': 1}) }}
{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{% set _ = c.reset() %}{{ c.current }} {% set j = joiner('; ') %}{% for w in words %}{{ j() }}{{ w }}{% endfor %}
{{ numbers.index(2) }} {{ numbers.count(1) }} {{ (1, 2, 1).count(1) }} {{ numbers.copy() }} {{ user.copy().name }} {{ (5).real }} {{ 255 .bit_length() }} {{ (1.5).is_integer() }} {{ 'abc'.upper().lower().title() }} {{ 'a b'.split()[0].upper() }} {{ ' x '.strip().center(3, '-') }}
{{ user.items()|list }} {{ user.keys()|list }} {% for k in user.keys() %}{{ k }}{% endfor %} {{ user.items() }} {{ {}.items() }} {{ {}.keys()|list }} {{ 'name' in user.keys() }} {{ ('age', 33) in user.items() }} {{ user.keys()|sort }} {{ user.items()|sort(attribute=0)|first }}
{% for user in users %}{% if loop.first %}first{% elif loop.last %}last{% else %}mid{% endif %}:{{ user.name }}{{ ', ' if not loop.last }}{% endfor %} {{ user.name }}
{% for i in [1, 2] %}{% for j in [1, 2] %}{{ i }}{{ j }}{{ ' ' if not (loop.last and i == 2) }}{% endfor %}{% endfor %}
{{ messages[-1].content }} {{ messages[0]['role'] == 'system' }} {{ messages[1:]|length }} {{ (messages|last)['role'] }} {{ messages|map(attribute='role')|unique|join('/') }} {{ messages|length > 3 }} {{ messages[1:][0].content|trim }}
{%- for message in messages -%} {{ '<|' + message['role'] + '|>\n' + message['content'] + '\n' }} {%- endfor -%}
{{ [1, 2, 3][1:] + [4] }} {{ ([1] + [2])[0] }} {{ 'abc'[0] ~ 'abc'[-1] }} {{ {'a': [1, 2]}['a'][1] }} {{ [[1, 2], [3]][0][1] }} {{ (1, 'a')[1] }} {{ 'a,b'.split(',')[1] }} {{ ['x', 'y']|join }} {{ 'abc'|upper|lower|title }}
{% if 'x' in 'xyz' and not ('q' in 'xyz') or missing %}ok{% endif %} {% if (1 == 1) and (2 > 1) %}paren{% endif %} {% if messages[0].role == 'system' and messages|length > 1 %}sys{% endif %}
{% set messages = messages[1:] %}{{ messages|length }} {% set ns = namespace(found=false) %}{% for m in messages %}{% if m.role == 'assistant' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}
{% set last = none %}{% for m in messages if m.role != 'system' %}{{ loop.index0 % 2 == 0 }}{{ m.role }} {% endfor %}{{ last is none }}
{% set ns = namespace(skip=false) %}{% for n in [1, 2, 3, 4] if not ns.skip or n == 4 %}{{ n }}{% set ns.skip = true %}{% endfor %}
{{ loop is defined }} {% for i in [1] %}{{ loop is defined }}{% endfor %} {% for x in [[1, 2], [3]] %}{% for y in x %}{{ loop.length }}{% endfor %}{{ loop.length }}{% endfor %} {% for i in [] %}{% else %}{{ loop is defined }}{% endfor %}
{% for a in [1, 2] %}{% set outer = loop %}{% for b in 'xy' %}{{ outer.index }}{{ loop.index }}{{ b }} {% endfor %}{% endfor %}
{{ strftime_now('%Y') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%%x%z|%Z|') }} {{ strftime_now('no directive é') }} {{ strftime_now('%-d') }} {{ strftime_now('') }}
{{ True }} {{ False }} {{ None }} {{ true == True }} {{ none is none }} {{ [True, None] }} {{ {'a': None} }} {{ nothing == None }}
{{ (numbers|sort)[0] }} {{ numbers|sort|first }} {{ (words|join(','))|length }} {{ users|map(attribute='age')|sum }} {{ users|selectattr('age', 'ge', 33)|list|length }} {{ words|select('in', ['apple'])|first }}
{{ 'a' < 'b' and 'b' < 'c' }} {{ 'abc' in ['abc', 'd'] }} {{ ['a'] in [['a']] }} {{ {'a': 1} in [{'a': 1}] }} {{ 'A'.lower() == 'a' }} {{ (1 < 2) == true }} {{ 1 < 2 == 2 }}
a{{ '' }}b{{ none if false }}c{{ [] or '' }}d
{{ "nested {{ braces }}" }} {{ '{% not a tag %}' }} {{ '#}' }} {{ {'a': {'b': {}}} }} {{ {'a': {'b': 1}}['a']['b'] }} {{ '}}' }}
line1 {{ '\\n' }} {{ "\\" }} {{ '\'' }} {{ "'" }} {{ '"' }}
{{ numbers is not mapping and numbers is not string }} {{ message is defined and message.x }} {{ [missing] }} {{ {'a': missing} }} {{ missing ~ 'x' }} {{ (missing, 1) }}
{{ namespace is callable }} {{ joiner is callable }} {{ raise_exception is defined }}
'''.strip().split("\n")

# Templates that span lines: white space, trim_blocks and lstrip_blocks.
MULTILINE = [
    "{% if yes %}\n  text\n{% endif %}\nend\n",
    "a\n  {% if yes %}\n  b\n  {% endif %}\nc",
    "a\n  {%- if yes %}\n  b\n  {%- endif %}\nc",
    "a\n  {% if yes -%}\n  b\n  {% endif -%}\n  c",
    "a\n  {%+ if yes %}\n  b\n  {%+ endif %}\nc",
    "a {% if yes +%}\n b {% endif +%}\n c",
    "  {{ name }}  \n  {{- name -}}  \n x",
    "  {# comment #}\nx\n  {#- c -#}  \ny {# c +#}\nz",
    "{% for m in messages %}\n{{ m.role }}: {{ m.content }}\n{% endfor %}\n",
    "{%- for m in messages %}\n    {%- if m.role == 'user' %}\n        {{- '[' + m.content + ']' }}\n    {%- endif %}\n{%- endfor %}\n",
    "\n\n{% set x = 1 %}\n\n{{ x }}\n\n\n",
    "{% set x = 1 %}   \n   {% set y = 2 %}\n{{ x }}{{ y }}",
    "text {% if yes %}\n inline {% endif %} more\n",
    "a\r\nb\r{% if yes %}\r\nc{% endif %}\r\n",
    "{% raw %}\n  {{ x }}\n{% endraw %}\nz",
    "  {% raw %}  {% x %}  {% endraw %}  \nz",
    "a\n  {%- raw -%}\n  b\n  {%- endraw -%}\n  c",
    "\t{% if yes %}\t\nx\t{% endif %}",
    "x\n\u00a0\u2003{% if yes %}y{% endif %}",
    "{% macro m() %}\n  in macro\n{% endmacro %}\n[{{ m() }}]",
    "{% for i in [1] %}{% filter indent(2) %}a\nb{% endfilter %}{% endfor %}",
    "a{# multi\nline #}c",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}\n{% call m() %}\n  body\n{% endcall %}\n!",
    "{% set s %}\n  a\n  b\n{% endset %}\n[{{ s }}]",
    "{{ name }}\n",
    "{{ name }}\n\n",
    "\n",
    "",
    "   ",
    "{{ {\n 'a': 1,\n 'b': [1,\n2]\n} }}\n{{\n name\n}}\n",
    "{% if yes\n   and one %}\nmulti-line tag\n{% endif\n%}",
    "{% for i in [1, 2] -%}\n  {{ i }}\n{%- endfor %}\n",
    "{% for i in [1, 2] %}\n  {% for j in [1] %}\n    {{ i }}{{ j }}\n  {% endfor %}\n{% endfor %}",
    "{#-\n  long comment {{ x }} {% if %}\n-#}\nbody",
    "{{ 'a\nb' }}",
    "{{- '\n' }}x{{ '\n' -}}  y",
    "x{{ name }}\n{% if no %}{% endif %}\n  {% if no %}{% endif %}  \ny",
    "{% filter upper %}\n  a\n  {% if yes %}\n  b\n  {% endif %}\n{% endfilter %}",
    "{%if yes%}tight{%endif%}{%-if no-%}x{%-else-%}y{%-endif-%}{{name}}{{-name-}}",
    "{% with a = 1 %}\n{{ a }}\n{% endwith %}\n{% block b %}\nblock\n{% endblock %}\n",
    "{% generation %}\n{{ name }}\n{% endgeneration %}\nafter",
    "{% if yes: %}colon{% endif %}{% for i in [1]: %}{{ i }}{% endfor %}",
]

FAILING = r'''
{{ raise_exception('my message') }}
{{ missing.attribute }}
{{ missing['item'] }}
{{ missing() }}
{{ missing + 1 }}
{{ 1 + missing }}
{{ 'a' + missing }}
{{ -missing }}
{{ missing < 1 }}
{{ missing[1:] }}
{{ nested.x.y }}
{{ name.foo.bar }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + 'a' }}
{{ none + 1 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.5 / 0 }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ [1] < ['a'] }}
{{ {} < {} }}
{{ 1 in 'abc' }}
{{ 1 in 5 }}
{{ 'a' in none }}
{{ name() }}
{{ none() }}
{{ user.name() }}
{{ numbers.append(1) }}
{{ user.update({}) }}
{{ user.pop('name') }}
{{ name.__class__.__mro__ }}
{{ name|nosuchfilter }}
{{ name is nosuchtest }}
{{ numbers|map('nosuch')|list }}
{{ 5|length }}
{{ none|length }}
{{ 5|list }}
{{ none|join }}
{{ missing|int }}
{{ missing|float }}
{{ missing|tojson }}
{{ missing|round }}
{{ missing|abs }}
{{ missing|indent }}
{{ missing|dictsort }}
{{ range(2)|tojson }}
{{ name.upper|tojson }}
{{ user.items()|tojson }}
{{ {(1, 2): 3}|tojson }}
{{ numbers|map('abs')|tojson }}
{{ numbers|map('abs')|length }}
{{ numbers|map('abs')|last }}
{{ mixed|sort }}
{{ mixed|sum }}
{{ mixed|max }}
{{ words|sum }}
{{ numbers|sort(attribute='x.y') }}
{{ users|map(attribute='x.y')|list }}
{{ range(1000000) }}
{{ range('a') }}
{{ range(1, 2, 0) }}
{{ range() }}
{{ 'abc'.index('z') }}
{{ numbers.index(99) }}
{{ 'abc'.split('') }}
{{ 'a'.startswith(1) }}
{{ 'a'.startswith(['a']) }}
{{ ','.join([1, 2]) }}
{{ 'a'.center('x') }}
{{ 'a'.center(5, 'ab') }}
{{ 'a'.replace('a') }}
{{ 'a'.replace('a', 1) }}
{{ 'a'.strip(1) }}
{{ 'a'.upper(1) }}
{{ 'a'.upper(x=1) }}
{{ 'a'.nosuch() }}
{{ '%d' % 'a' }}
{{ '%s %s' % 'a' }}
{{ '%s' % (1, 2) }}
{{ 'x' % 1 }}
{{ '%z' % 1 }}
{{ '%' % 1 }}
{{ '%(a)s' % 1 }}
{{ '%(a)s' % {} }}
{{ '{} {}'.format(1) }}
{{ '{x}'.format() }}
{{ '{'.format() }}
{{ '}'.format() }}
{{ '{:d}'.format('a') }}
{{ '{:q}'.format(1) }}
{{ '{:.2d}'.format(1) }}
{{ '{:>5}'.format(none) }}
{{ '{!x}'.format(1) }}
{{ '{0.__class__}'.format(1).x.y }}
{{ {[]: 1} }}
{{ {'a': 1}[[]].x }}
{{ [1] in {} }}
{{ numbers['a':] }}
{{ numbers[::0] }}
{{ user[1:] }}
{% set a, b = 1 %}
{% set a, b = [1] %}
{% set a, b = [1, 2, 3] %}
{% for a, b in [1] %}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in none %}{% endfor %}
{% set user.x = 1 %}
{% set missing.x = 1 %}
{% for i in [1] %}{{ loop([1]) }}{% endfor %}
{% for i in [1] %}{{ loop.cycle() }}{% endfor %}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=2) }}
{% macro m() %}{% endmacro %}{% call m() %}x{% endcall %}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}
{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}
{{ dict(1) }}
{{ dict([(1, 2, 3)]) }}
{{ cycler() }}
{{ namespace(1) }}
{{ strftime_now() }}
{{ strftime_now(1) }}
{{ raise_exception() }}
{{ 'x'|truncate(1, false, 'abc') }}
{{ numbers|round }}
{{ 'a'|round }}
{{ 1.5|round(1, 'nope') }}
{{ 'a'|abs }}
{{ 'inf'|float|int }}
{{ name|default(1, 2, 3) }}
{{ name|replace('a') }}
{{ numbers|batch }}
{{ numbers|slice(0)|list }}
{{ users|groupby }}
{{ [[]]|unique|list }}
{{ 'x'|dictsort }}
{{ 'x'|items|list }}
{{ user|dictsort(by='x') }}
{{ 1 is divisibleby 0 }}
{{ 'a' is odd }}
{{ 1 is lt 'a' }}
{{ 1 is in 2 }}
{{ name|map }}{{ numbers|map|list }}
{{ numbers|selectattr|list }}
{{ 0 ** -1 }}
{{ f(*1) }}
{{ dict(**1) }}
{{ dict(a=1, **{'a': 2}) }}
{{
{{ name
{{ name }
{{ }}
{% %}
{% if %}x{% endif %}
{% if yes %}
{% if yes %}{% else %}{% else %}{% endif %}
{% endif %}
{% for %}{% endfor %}
{% for x %}{% endfor %}
{% for x in %}{% endfor %}
{% for x in numbers %}
{% for x in numbers %}{% endif %}
{% for 1 in numbers %}{% endfor %}
{% for x.y in numbers %}{% endfor %}
{% for loop in numbers %}{% endfor %}
{% set %}
{% set x %}
{% set 1 = 2 %}
{% set x = %}
{% set none = 1 %}
{% set x = 1
{% macro %}{% endmacro %}
{% macro m %}{% endmacro %}
{% macro m(1) %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m(caller) %}{{ caller() }}{% endmacro %}{{ m(1) }}
{% call name %}{% endcall %}
{% unknown %}
{% do numbers.append(1) %}
{% break %}
{% continue %}
{% for i in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
{% raw %}x
{# unclosed
{{ 'unclosed }}
{{ 1 + }}
{{ * 1 }}
{{ (1 }}
{{ 1) }}
{{ [1, 2 }}
{{ {'a' 1} }}
{{ {'a': } }}
{{ a b }}
{{ a. }}
{{ a.'b' }}
{{ a[ }}
{{ a[] if false else missing.x }}
{{ a | }}
{{ a | 1 }}
{{ a is }}
{{ a is 1 }}
{{ a is string is string }}
{{ f(a=1, 2) }}
{{ f(a=1, a=2) }}
{{ f(*a, *b) }}
{{ f(**a, 1) }}
{{ f(,) }}
{{ 012 }}
{{ 1abc }}
{{ $ }}
{{ a ? b : c }}
{{ a && b }}
{{ !a }}
{{ a = 1 }}
{{ '\x4' }}
{{ '\u12' }}
{{ '\U00110000' }}
{{ "\N{NO SUCH NAME}" }}
{% if x is defined if y %}{% endif %}
{{ 'a' if }}
{{ not }}
{% include 'x' %}
{% extends 'x' %}
{% import 'x' as y %}
{% from 'x' import y %}
'''.strip().split("\n")
